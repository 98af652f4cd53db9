"""What balancing is told when services change."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from fairlead.core.balance.service import ROUND_ROBIN, Backend, MeshBackend, MeshKey
from fairlead.core.discovery.presence import Origin
from fairlead.core.discovery.view import NetworkView
from fairlead.engine.discovery.balanced import Balanced
from fairlead.model.discovery import MeshPort, Presence
from tests.core.discovery.rows import HERE, task

VIP, VIP6 = ip_address("10.0.1.2"), ip_address("fd00::2")
WEB = replace(task("web", 1, "10.0.1.5", vip=str(VIP)), mesh=(MeshPort(8080, 80),))
KEY = MeshKey(8080)


class Told:
    """A view, and what balancing hears of it."""

    def __init__(self) -> None:
        self.view, self.balanced = NetworkView(HERE), Balanced()
        self.vips: dict[object, Any] = {}
        self.ports: dict[object, Any] = {}

    def put(self, *tasks: Presence) -> None:
        for each in tasks:
            self.view.put(each)
        self.hear()

    def hear(self) -> None:
        vips, ports = self.balanced.change(self.view.take().services)
        self.vips |= vips
        self.ports |= ports


def test_a_virtual_address_leads_to_the_tasks_that_serve() -> None:
    told = Told()
    leaving = replace(task("web", 2, "10.0.1.6", vip=str(VIP)), serving=False)
    told.put(replace(WEB, weight=3), leaving)
    service = told.vips[VIP]
    assert service.backends == (Backend(ip_address("10.0.1.5"), 3),)
    assert service.leaving == {ip_address("10.0.1.6")}
    assert service.algorithm == ROUND_ROBIN


def test_each_family_leads_to_its_own() -> None:
    told = Told()
    both = (ip_address("10.0.1.5"), ip_address("fd00::5"))
    told.put(replace(WEB, addresses=both, vips=(VIP, VIP6)), task("web", 2, "10.0.1.6", vip=str(VIP)))
    assert {backend.address for backend in told.vips[VIP6].backends} == {ip_address("fd00::5")}
    assert len(told.vips[VIP].backends) == 2


def test_a_port_leads_to_each_task_at_its_own_target() -> None:
    """As in the midst of an update that moves the port inside."""
    told = Told()
    told.put(WEB, replace(task("web", 2, "10.0.1.6", vip=str(VIP)), mesh=(MeshPort(8080, 81),)))
    backends = set(told.ports[KEY].backends)
    assert backends == {MeshBackend(ip_address("10.0.1.5"), 80), MeshBackend(ip_address("10.0.1.6"), 81)}
    assert told.ports[KEY].service == "web"


def test_what_no_task_claims_any_more_is_nobodys() -> None:
    told = Told()
    told.put(WEB)
    told.put(replace(WEB, mesh=()))
    assert told.ports == {KEY: None}
    told.view.clear()
    told.hear()
    assert told.vips == {VIP: None}


def test_a_port_that_passes_to_another_service_follows_who_serves() -> None:
    told = Told()
    told.put(WEB)
    heir = replace(task("app", 1, "10.0.1.7", vip="10.0.1.3"), mesh=(MeshPort(8080, 80),), serving=False)
    told.put(heir)
    assert told.ports[KEY].service == "web"
    told.put(replace(WEB, serving=False), replace(heir, serving=True))
    assert told.ports[KEY].service == "app"
    told.view.drop(Origin(heir.node_id, heir.endpoint_id))
    told.hear()
    assert told.ports[KEY].service == "web"
    assert told.ports[KEY].backends == ()


def test_an_algorithm_of_another_version_is_by_turns() -> None:
    told = Told()
    told.put(replace(WEB, balance="quantum"))
    assert told.vips[VIP].algorithm == ROUND_ROBIN
    told.put(replace(WEB, balance="source"))
    assert told.vips[VIP].algorithm == "source"
