"""Sandboxes on a real kernel, as labs 2, 3, 5 and 17 of the documents show them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fairlead.engine.sandboxes.wishes import first_attachments
from fairlead.model.endpoint import EndpointSpec, PortRequest
from fairlead.model.errors import Conflict, Failed, Invalid, NotAllowed, NotFound
from fairlead.model.network import NetworkSpec, PoolRequest
from tests.effects.kernel.conftest import ip, run
from tests.engine import builders
from tests.engine.networking.house import House

SETUP = "failed to set up container networking: "
BLAME = SETUP + "driver failed programming external connectivity on endpoint "


def addresses(ns: str) -> dict[str, list[str]]:
    return {
        link["ifname"]: [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] == "global"]
        for link in ip("address", "show", ns=ns)
    }


def default(ns: str) -> list[str]:
    return [f"{route.get('gateway', '')} {route['dev']}" for route in ip("route", "show", "default", ns=ns)]


async def test_the_default_bridge(house: House) -> None:
    container = await house.run("web")
    ns = house.ns("web")
    assert addresses(ns) == {"lo": [], "eth0": ["172.17.0.2/16"]}
    assert default(ns) == ["172.17.0.1 eth0"]
    assert house.endpoint("web", "bridge").mac == "02:42:ac:11:00:02"
    assert run("ping", "-c1", "-W2", "172.17.0.2")
    assert [event.action for event in house.events] == ["connect"]
    await house.check()
    await house.sandboxes.stop(container.id)
    await house.sandboxes.stop(container.id)
    assert [event.action for event in house.events] == ["connect", "disconnect"]
    await house.check()


async def test_the_lowest_free_address_is_next(house: House) -> None:
    await house.network("s1", "10.5.0.0/29")
    for name in ("a1", "a2", "a3", "a4", "a5"):
        await house.run(name, "s1")
    with pytest.raises(Failed, match=f"{SETUP}no available IPv4 addresses on this network's address pools: s1 "):
        await house.run("a6", "s1")
    await house.stop("a2")
    await house.run("a7", "s1")
    assert str(house.endpoint("a7", "s1").ipv4) == "10.5.0.3/29"
    await house.check()


async def test_asked_addresses(house: House) -> None:
    await house.network("s1", "10.5.0.0/24")
    await house.run("web", "s1", endpoints={"s1": EndpointSpec(ipv4="10.5.0.9", mac="02:00:00:00:00:07")})
    assert addresses(house.ns("web"))["eth0"] == ["10.5.0.9/24"]
    assert ip("link", "show", "eth0", ns=house.ns("web"))[0]["address"] == "02:00:00:00:00:07"
    with pytest.raises(NotAllowed, match=f"{SETUP}Address already in use"):
        await house.run("w2", "s1", endpoints={"s1": EndpointSpec(ipv4="10.5.0.9")})
    with pytest.raises(Invalid, match="invalid config for network s1: invalid endpoint settings:"):
        await house.run("w3", "s1", endpoints={"s1": EndpointSpec(ipv4="10.6.0.9")})
    await house.check()


async def test_the_default_route_follows_names_and_priorities(house: House) -> None:
    for number, name in enumerate(("zeta", "mid", "alpha")):
        await house.network(name, f"10.6{number}.0.0/24")
    await house.networks.create(NetworkSpec("aaint", internal=True, pools=(PoolRequest("10.70.0.0/24"),)))
    await house.run("mm", "mid")
    ns = house.ns("mm")
    await house.connect("zeta", "mm")
    assert default(ns) == ["10.61.0.1 eth0"]
    await house.connect("alpha", "mm")
    await house.connect("aaint", "mm")
    assert default(ns) == ["10.62.0.1 eth2"]
    assert list(addresses(ns)) == ["lo", "eth0", "eth1", "eth2", "eth3"]
    await house.disconnect("alpha", "mm")
    assert default(ns) == ["10.61.0.1 eth0"]
    await house.connect("alpha", "mm", gw_priority=-1)
    assert default(ns) == ["10.61.0.1 eth0"]
    assert house.endpoint("mm", "alpha").ifname == "eth2"
    await house.check()
    for name in ("mid", "zeta", "alpha"):
        await house.disconnect(name, "mm")
    assert default(ns) == []
    await house.disconnect("aaint", "mm")
    await house.check()
    await house.stop("mm")
    await house.run("mm")
    assert addresses(house.ns("mm")) == {"lo": []}


async def test_names_and_files_follow_the_networks(house: House) -> None:
    await house.network("pets")
    container = await house.run("web")
    folder = house.config.data_root / "containers" / container.id
    assert "nameserver 127.0.0.11" not in (folder / "resolv.conf").read_text()
    await house.connect("pets", "web", aliases=("dog",))
    endpoint = house.endpoint("web", "pets")
    assert endpoint.names == ("web", "dog", container.id[:12])
    assert "nameserver 127.0.0.11" in (folder / "resolv.conf").read_text()
    assert (folder / "hosts").read_text().splitlines()[-2:] == [
        f"172.17.0.2\t{container.id[:12]}",
        f"172.18.0.2\t{container.id[:12]}",
    ]
    assert (folder / "hostname").read_text() == container.id[:12] + "\n"
    await house.disconnect("bridge", "web")
    assert "172.17.0.2" not in (folder / "hosts").read_text()
    await house.check()


async def test_two_families(house: House) -> None:
    await house.networks.create(
        NetworkSpec("v6", enable_ipv6=True, pools=(PoolRequest("10.8.0.0/24"), PoolRequest("2001:db8:5::/64")))
    )
    await house.run("web", "v6", endpoints={"v6": EndpointSpec(ipv6="2001:db8:5::99")})
    assert addresses(house.ns("web"))["eth0"] == ["10.8.0.2/24", "2001:db8:5::99/64"]
    await house.check()


# --- modes ----------------------------------------------------------------------------------------


async def test_none_host_and_another_containers(house: House) -> None:
    await house.run("alone", "none")
    assert addresses(house.ns("alone")) == {"lo": []}
    on_host = await house.run("h1", "host")
    assert on_host.netns == ""
    owner = await house.run("web")
    guest = await house.sandboxes.start(await house.add(builders.container("guest", "container:web")))
    assert (guest.sandbox_id, guest.netns_path) == (owner.sandbox, owner.netns)
    await house.check()


async def test_joining_what_does_not_run(house: House) -> None:
    await house.add(builders.container("idle"))
    with pytest.raises(Conflict, match="a non running container: container idle is created"):
        await house.sandboxes.start(builders.container("guest", "container:idle"))
    with pytest.raises(Failed, match="joining network namespace of container: No such container: missing"):
        await house.sandboxes.start(builders.container("guest", "container:missing"))


async def test_connections_that_cannot_be(house: House) -> None:
    await house.network("pets")
    for name, mode in (("h1", "host"), ("z1", "none"), ("c1", "pets")):
        await house.run(name, mode)
    private = "container cannot be connected to multiple networks with one of the networks in private"
    shared = "container sharing network namespace with another container or host cannot be connected"
    for network, container, refusal, words in (
        ("host", "c1", Invalid, "cannot connect container to host network - container must be created in host network"),
        ("none", "c1", Invalid, private),
        ("pets", "z1", Invalid, private),
        ("pets", "h1", Invalid, shared),
        ("pets", "c1", NotAllowed, "endpoint with name c1 already exists in network pets"),
        ("missing", "c1", NotFound, "network missing not found"),
        ("pets", "missing", NotFound, "No such container: missing"),
    ):
        with pytest.raises(refusal, match=words):
            await house.connect(network, container)
    with pytest.raises(Invalid, match="cannot disconnect container from host network"):
        await house.disconnect("host", "h1")
    with pytest.raises(Failed, match="is not connected to network bridge"):
        await house.disconnect("bridge", "c1")
    with pytest.raises(NotFound, match="endpoint missing not found"):
        await house.networks.disconnect("pets", "missing", force=True)
    await house.disconnect("none", "z1")
    await house.check()


async def test_wishes_of_a_container_that_does_not_run(house: House) -> None:
    for name in ("zeta", "alpha"):
        await house.network(name)
    container = await house.add(builders.container("kk", "zeta"))
    await house.connect("alpha", "kk", ipv4="")
    view = house.sandboxes.settings(container)
    assert [(item.name, item.names) for item in view.networks] == [
        ("zeta", None),
        ("alpha", ("kk", container.id[:12])),
    ]
    await house.networks.remove("alpha")
    with pytest.raises(NotFound, match=f"{SETUP}network alpha not found"):
        await house.run("kk")
    await house.check()
    await house.network("alpha")
    await house.run("kk")
    assert list(addresses(house.ns("kk"))) == ["lo", "eth0", "eth1"]
    assert first_attachments(container).wishes[0].network == "zeta"


# --- ports ----------------------------------------------------------------------------------------


def shown(house: House, name: str) -> list[str]:
    published = house.sandboxes.settings(house.state.container(name)).ports
    return [f"{one.host_ip}:{one.host_port}->{port}" for port, ports in published.items() for one in ports or ()]


async def test_a_published_port_is_shown_for_both_families(house: House) -> None:
    await house.run("web", ports=(PortRequest(80, host_ports=(8080, 8080)),))
    assert shown(house, "web") == ["0.0.0.0:8080->80/tcp", ":::8080->80/tcp"]
    with pytest.raises(Failed) as refused:
        await house.run("w2", ports=(PortRequest(80, host_ports=(8080, 8080)),))
    assert refused.value.message.startswith(BLAME + "w2 (")
    assert refused.value.message.endswith("): Bind for 0.0.0.0:8080 failed: port is already allocated")
    await house.check()
    await house.stop("web")
    await house.run("w2")
    await house.check()


async def test_a_port_of_another_process(house: House) -> None:
    with socket.create_server(("0.0.0.0", 9099)), pytest.raises(Failed) as refused:
        await house.run("web", ports=(PortRequest(80, host_ports=(9099, 9099)),))
    assert refused.value.message.endswith(
        "): failed to bind host port for 0.0.0.0:9099:172.17.0.2:80/tcp: address already in use"
    )
    await house.check()
    await house.run("web")


async def test_addresses_ranges_and_free_ports(house: House) -> None:
    await house.run("one", ports=(PortRequest(80, host_ip="127.0.0.1", host_ports=(8081, 8081)),))
    with pytest.raises(Failed, match=r"failed to bind host port for 0.0.0.0:8081:172.17.0.3:80/tcp: address already"):
        await house.run("two", ports=(PortRequest(80, host_ports=(8081, 8081)),))
    await house.run("three", ports=(PortRequest(80, host_ip="127.0.0.2", host_ports=(8081, 8081)),))
    ranged = (PortRequest(80, host_ports=(8300, 8301)),)
    await house.run("four", ports=ranged)
    await house.run("five", ports=ranged)
    assert shown(house, "five")[0] == "0.0.0.0:8301->80/tcp"
    with pytest.raises(Failed, match="all ports are allocated"):
        await house.run("six", ports=ranged)
    await house.run("seven", ports=(PortRequest(80), PortRequest(81)))
    assert shown(house, "seven")[0] == "0.0.0.0:32768->80/tcp"
    with pytest.raises(Failed, match=r"cannot assign requested address"):
        await house.run("eight", ports=(PortRequest(80, host_ip="10.9.9.9", host_ports=(8000, 8000)),))
    await house.check()


async def test_a_free_port_that_somebody_else_has_is_passed_over(house: House) -> None:
    with socket.create_server(("0.0.0.0", 32768)):
        await house.run("web", ports=(PortRequest(80),))
    assert shown(house, "web")[0] == "0.0.0.0:32769->80/tcp"
    await house.check()


async def test_ports_move_with_the_gateway(house: House) -> None:
    await house.network("alpha")
    await house.run("web", ports=(PortRequest(80, host_ports=(8080, 8080)),))
    assert house.endpoint("web", "bridge").published
    await house.connect("alpha", "web")
    assert house.endpoint("web", "alpha").published
    assert not house.endpoint("web", "bridge").published
    await house.check()
    await house.disconnect("alpha", "web")
    assert house.endpoint("web", "bridge").published
    await house.check()
    await house.disconnect("bridge", "web")
    assert shown(house, "web") == []
    await house.check()
    await house.run("w2", ports=(PortRequest(80, host_ports=(8080, 8080)),))
    with pytest.raises(Failed, match="port is already allocated"):
        await house.connect("bridge", "web")
    await house.check()


async def test_internal_networks_and_none_publish_nothing(house: House) -> None:
    await house.networks.create(NetworkSpec("intn", internal=True))
    asked = (PortRequest(80, host_ports=(8901, 8901)),)
    await house.run("int1", "intn", ports=asked)
    await house.run("nonet", "none", ports=asked)
    assert shown(house, "int1") == shown(house, "nonet") == []
    with socket.create_server(("0.0.0.0", 8901)):
        pass
    await house.check()


# --- links ----------------------------------------------------------------------------------------


async def test_legacy_links(house: House) -> None:
    with pytest.raises(Invalid, match="could not get container for missing: No such container: missing"):
        await house.add(builders.container("app", links=("missing",)))
    target = await house.add(builders.container("db"))
    app = await house.add(builders.container("app", links=("db:store",)))
    with pytest.raises(Failed, match="Cannot link to a non running container: /db AS /app/store"):
        await house.sandboxes.start(app)
    await house.run("db")
    started = await house.sandboxes.start(app)
    hosts = Path(started.hosts_path).read_text()
    assert f"172.17.0.2\tstore {target.id[:12]} db\n" in hosts
    assert started.link_env == ("STORE_NAME=/app/store",)


async def test_renaming_is_heard_at_once(house: House) -> None:
    await house.network("pets")
    web = await house.run("web", "pets")
    await house.rename("web", "cat")
    assert house.endpoint("cat", "pets").names == ("cat", web.id[:12])
    await house.restart()
    assert house.endpoint("cat", "pets").name == "cat"
    await house.check()
