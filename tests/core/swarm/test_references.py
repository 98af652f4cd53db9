"""What services come to need, and what goes: that the two do not miss each other."""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.swarm.changes import Drop, Put
from fairlead.core.swarm.references import ends, newly_needed
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.network import NetworkSpec
from fairlead.model.swarm.files import FileSpec, Secret
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.template import ContainerTemplate, FileReference, NetworkAttachmentSpec, TaskTemplate
from tests.core.swarm.builders import service

NET = SwarmNetwork("net", NetworkSpec("net"), version=3)
OTHER = SwarmNetwork("other", NetworkSpec("other"), version=4)
SECRET = Secret("sec", FileSpec("sec"), version=5)


def on(*networks: str) -> Service:
    container = ContainerTemplate("busybox", secrets=(FileReference("sec", "sec"),))
    template = TaskTemplate(container, networks=tuple(map(NetworkAttachmentSpec, networks)))
    return service("web", template=template)


def test_a_new_service_needs_all_that_it_names() -> None:
    assert newly_needed(Put(on("net", "net")), Snapshot([NET, OTHER, SECRET])) == [NET, SECRET]


def test_a_changed_one_needs_what_it_did_not_name_before() -> None:
    there = Snapshot([NET, OTHER, SECRET, on("net")])
    assert newly_needed(Put(on("net", "other")), there) == [OTHER]
    assert newly_needed(Put(replace(on("net"), error="no address left")), there) == []
    assert newly_needed(Drop(on("net")), there) == []


def test_what_is_not_there_any_more_cannot_be_needed() -> None:
    assert newly_needed(Put(on("gone")), Snapshot([])) == []


def test_a_network_ends_for_services_when_it_is_to_go_and_a_secret_when_it_goes() -> None:
    there = Snapshot([NET, SECRET])
    assert ends(Put(replace(NET, pending_delete=True)), there)
    assert ends(Drop(NET), there)
    assert ends(Drop(SECRET), there)
    assert not ends(Put(replace(NET, error="x")), there)
    assert not ends(Drop(replace(NET, pending_delete=True)), Snapshot([replace(NET, pending_delete=True)]))
