"""What clients of an older API mean by what they leave out or send back."""

from __future__ import annotations

import pytest

from fairlead.api.schema.container_for_older import for_older_clients, own_names_as_aliases
from fairlead.model.container import ContainerSpec, HealthSpec, NetworkingSpec
from fairlead.model.endpoint import EndpointSpec
from fairlead.model.errors import Invalid


def test_shared_memory_was_open_to_others() -> None:
    assert for_older_clients(ContainerSpec("i"), (1, 39)).ipc_mode == "shareable"
    assert for_older_clients(ContainerSpec("i", ipc_mode="private"), (1, 39)).ipc_mode == "private"
    assert for_older_clients(ContainerSpec("i"), (1, 40)).ipc_mode == ""


def test_there_were_no_annotations() -> None:
    spec = ContainerSpec("i", annotations={"a": "b"})
    assert for_older_clients(spec, (1, 42)).annotations == {}
    assert for_older_clients(spec, (1, 43)) == spec


def test_a_container_had_one_mac_of_its_own() -> None:
    spec = ContainerSpec("i", network=NetworkingSpec(mac="02:42:00:00:00:07", endpoints={"n": EndpointSpec(mac="x")}))
    assert for_older_clients(spec, (1, 43)).network.endpoints == {"n": EndpointSpec()}
    assert for_older_clients(spec, (1, 43)).network.mac == "02:42:00:00:00:07"
    assert for_older_clients(spec, (1, 44)) is spec
    for mode in ("host", "container:x"):
        with pytest.raises(Invalid, match="conflicting options: mac-address and the network mode"):
            for_older_clients(ContainerSpec("i", network=NetworkingSpec(mode=mode, mac="x")), (1, 43))


def test_health_was_asked_at_one_interval() -> None:
    spec = ContainerSpec("i", health=HealthSpec(("CMD", "true"), interval=3, start_interval=2))
    assert for_older_clients(spec, (1, 43)).health == HealthSpec(("CMD", "true"), interval=3)
    assert for_older_clients(spec, (1, 44)) is spec


def test_a_container_was_known_by_its_id_on_networks_of_users() -> None:
    networks = {"bridge": {"Aliases": None}, "n": {"Aliases": None}, "m": {"Aliases": ["web", "db"]}}
    shown = {"Id": "a" * 64, "Config": {"Hostname": "web"}, "NetworkSettings": {"Networks": networks}}
    own_names_as_aliases(shown)
    assert [one["Aliases"] for one in networks.values()] == [None, ["a" * 12, "web"], ["web", "db", "a" * 12]]
