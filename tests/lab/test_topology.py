"""A topology file says what there is; what it leaves open is filled in, and what cannot be built is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.lab import topology, underlay
from fairlead.lab.draw import FORMATS, draw
from fairlead.lab.routing import routes
from fairlead.model.errors import Invalid

TWO_SITES = """
[switches.north]
subnet = "10.1.0.0/24"
[switches.south]
subnet = "10.2.0.0/24"
[switches.trunk]

[hosts.a]
links = [{ switch = "north" }]
daemon = ["--icc=false"]
[hosts.b]
links = [{ switch = "south", address = "10.2.0.50/24", mtu = 1400 }, { switch = "trunk", vlan = 10 }]
[hosts.plain]
links = [{ switch = "south" }]
daemon = false

[routers.r1]
links = [{ switch = "north" }, { switch = "south" }, { switch = "trunk", vlan = 10, address = "192.168.10.1/24" },
         { switch = "trunk", vlan = 20, address = "192.168.20.1/24" }]
nat = "north"
"""


LAN = """
[switches.lan]
subnet = "10.1.0.0/24"
[hosts.a]
"""
B_TOO = "[hosts.b]\nlinks = [{ switch = 'lan', address = '10.1.0.5/24' }]"


def test_addresses_gateways_and_names_are_filled_in() -> None:
    made = topology.parse(TWO_SITES)
    a, b = made.hosts["a"], made.hosts["b"]
    assert str(a.links[0].address) == "10.1.0.11/24"
    assert a.gateway == "10.1.0.1"
    assert str(b.links[0].address) == "10.2.0.50/24"
    assert [link.ifname for link in b.links] == ["eth0", "eth1.10"]
    assert a.daemon == ("--icc=false",)
    assert made.hosts["plain"].daemon is None
    assert [link.ifname for link in made.routers["r1"].links] == ["eth0", "eth1", "eth2.10", "eth2.20"]


def test_vlans_of_one_trunk_share_a_cable() -> None:
    made = topology.parse(TWO_SITES)
    assert [cable.name for cable in underlay.cables(made) if cable.node == "r1"] == ["r1:eth0", "r1:eth1", "r1:eth2"]
    commands = underlay.node_commands(made, made.routers["r1"])
    assert "link add link eth2 name eth2.20 mtu 1500 type vlan id 20" in commands
    assert commands.index("link set eth2 up") < commands.index("link set eth2.10 up")


def test_interfaces_have_addresses_of_their_own_that_stay() -> None:
    made = topology.parse(TWO_SITES)
    macs = [cable.mac for cable in underlay.cables(made)]
    assert len(set(macs)) == len(macs)
    assert macs == [cable.mac for cable in underlay.cables(topology.parse(TWO_SITES))]
    assert all(mac.startswith("02:") for mac in macs)


CHAIN = """
[switches.lan]
subnet = "10.1.0.0/24"
[switches.middle]
subnet = "10.2.0.0/24"
[switches.office]
subnet = "10.3.0.0/24"
[hosts.a]
links = [{ switch = "lan" }]
[routers.r1]
links = [{ switch = "lan" }, { switch = "middle" }]
uplink = true
[routers.r2]
links = [{ switch = "middle" }, { switch = "office" }]
"""


def test_routers_know_the_way_to_what_is_behind_others() -> None:
    made = topology.parse(CHAIN)
    ways = {name: {to: str(by) for to, by in routes(made, router).items()} for name, router in made.routers.items()}
    assert ways == {"r1": {"10.3.0.0/24": "10.2.0.2"}, "r2": {"default": "10.2.0.1", "10.1.0.0/24": "10.2.0.1"}}


def test_a_router_that_masquerades_hides_what_is_behind_it() -> None:
    made = topology.parse(f'{CHAIN}nat = "middle"')
    assert routes(made, made.routers["r1"]) == {}
    assert "10.1.0.0/24" in routes(made, made.routers["r2"])


def test_only_one_router_has_the_uplink() -> None:
    text = '[switches.s]\n[routers.a]\nlinks = [{ switch = "s" }]\nuplink = true\n[routers.b]\nuplink = true'
    with pytest.raises(Invalid, match="only one router can have the uplink, not a and b"):
        topology.parse(text)


def test_the_simple_lab_has_a_way_out() -> None:
    made = topology.simple(["host1", "host2"])
    assert [str(host.links[0].address) for host in made.hosts.values()] == ["192.168.50.11/24", "192.168.50.12/24"]
    assert {host.gateway for host in made.hosts.values()} == {"192.168.50.1"}


@pytest.mark.parametrize("subnet", ["nonsense", "10.0.0.5/24", "fd00::/64", "10.0.0.0/33", ""])
def test_a_simple_lab_needs_a_subnet(subnet: str) -> None:
    with pytest.raises(Invalid, match="give one such as"):
        topology.simple(["a"], subnet)


def test_a_small_subnet_is_used_up_before_it_is_refused() -> None:
    made = topology.simple([f"h{i}" for i in range(1, 6)], "10.0.0.0/29")
    assert [str(host.links[0].address) for host in made.hosts.values()] == [f"10.0.0.{i}/29" for i in range(2, 7)]
    with pytest.raises(Invalid, match="h6: lan's subnet 10.0.0.0/29 has no address left"):
        topology.simple([f"h{i}" for i in range(1, 7)], "10.0.0.0/29")


def test_two_cables_to_one_switch_have_names_of_their_own() -> None:
    links = "links = [{ switch = 'lan' }, { switch = 'lan', ifname = 'eth1', address = '10.9.0.1/24' }]"
    made = topology.parse(LAN.replace('subnet = "10.1.0.0/24"', "") + links)
    assert [cable.name for cable in underlay.cables(made)] == ["a:eth0", "a:eth1"]


def test_a_file_that_is_no_text_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match=r"bad.toml: 'utf-8' codec"):
        topology.read(tmp_path / "bad.toml")


def test_a_cable_is_found_by_node_only_where_it_has_just_one() -> None:
    made = topology.parse(TWO_SITES)
    assert underlay.find_cable(made, "a") == underlay.find_cable(made, "a:eth0") is not None
    assert underlay.find_cable(made, "b") is None
    assert underlay.find_cable(made, "nobody") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[hosts.A]\nlinks = []", '"A" cannot name a node'),
        ('[hosts.a]\nlinks = [{ switch = "x" }]', 'no switch "x"'),
        ("[hosts.a]\nlinks = [{ }]", 'needs a "switch"'),
        ('[hosts.a]\nlinkz = ""', 'unknown key "linkz"'),
        ('[switches.s]\nsubnet = "10.0.0.1/24"', "has host bits set"),
        ('[switches.s]\nsubnet = "fd00::/64"', "the underlay is IPv4"),
        ('[switches.s]\n[hosts.a]\nlinks = [{ switch = "s", vlan = 4095 }]', "VLAN id 4095 is out of range"),
        ('[switches.s]\n[hosts.a]\nlinks = [{ switch = "s", address = "10.0.0.300/8" }]', "10.0.0.300/8"),
        ("[hosts.a]\n[routers.a]", '"a" is a host and a router'),
        ("hosts = 3", "topology"),
        ("[hosts]\na = 3", "hosts.a: expected a table"),
        ("", "no hosts"),
        (LAN + "link = []", 'hosts.a: unknown key "link"; there are: links, daemon, role, gateway'),
        (LAN + "links = 'lan'", "hosts.a.links: expected a list"),
        (LAN + "links = ['lan']", "hosts.a.links[0]: expected a table"),
        (LAN + "links = [{ switch = 3 }]", "hosts.a.links[0].switch: expected a string, not 3"),
        (LAN + "links = [{ switch = 'wan' }]", 'a: no switch "wan"; there are: lan'),
        (LAN + "links = [{ switch = 'lan', mtu = 'big' }]", "links[0].mtu: expected a whole number, not 'big'"),
        (LAN + "links = [{ switch = 'lan', mtu = 67 }]", "links[0].mtu: 67 is out of range (68-65535)"),
        (LAN + "links = [{ switch = 'lan', vlan = 0 }]", "links[0].vlan: VLAN id 0 is out of range (1-4094)"),
        (LAN + "links = [{ switch = 'lan', vlan = true }]", "links[0].vlan: expected a whole number, not True"),
        (LAN + "links = [{ switch = 'lan', vlan = 7 }, { switch = 'lan', vlan = 7 }]", "a: eth0.7 twice"),
        (LAN + "links = [{ switch = 'lan', ifname = 'a/b' }]", '"a/b" cannot name an interface'),
        (LAN + "links = [{ switch = 'lan', ifname = 'sixteenletters-x' }]", "is longer than 15 characters"),
        (LAN + "links = [{ switch = 'lan', address = '10.1.0.5' }]", "lacks the length of its subnet"),
        (LAN + "links = [{ switch = 'lan', address = '10.9.0.5/24' }]", "not in lan's subnet 10.1.0.0/24"),
        (LAN + "links = [{ switch = 'lan', address = '10.1.0.255/24' }]", "or its broadcast"),
        (LAN + "links = [{ switch = 'lan' }]\nrole = 'boss'", 'role "boss" is neither "manager" nor "worker"'),
        (LAN + "links = [{ switch = 'lan' }]\nrole = 'worker'", "a swarm needs a manager"),
        (LAN + "links = [{ switch = 'lan' }]\nrole = 'manager'\ndaemon = false", "a manager needs its daemon"),
        (LAN + "links = [{ switch = 'lan' }]\ngateway = '10.2.0.1'", "gateway 10.2.0.1 is in none of its subnets"),
        (
            LAN + "links = [{ switch = 'lan' }]\ndaemon = '--icc=false'",
            "hosts.a.daemon: expected true, false or a list",
        ),
        (LAN + "[routers.r]\nlinks = [{ switch = 'lan' }]\nuplink = 'yes'", "routers.r.uplink: expected true or false"),
        (
            LAN + "[routers.r]\nlinks = [{ switch = 'lan' }]\nnat = 'x'",
            'nat = "x" names none of its links; switches: lan',
        ),
        (LAN + "[switches.two]\nsubnet = '10.1.0.0/16'", "10.1.0.0/16 overlaps 10.1.0.0/24 of switches.lan"),
        (LAN + "[switches.p1]", '"p1" cannot name a switch'),
        (LAN + "[hosts.fabric]", '"fabric" cannot name a node'),
        (LAN + "links = [{ switch = 'lan', address = '10.1.0.5/24' }]\n" + B_TOO, "b: 10.1.0.5 is a's already"),
        ("[[", "topology:"),
    ],
)
def test_a_refusal_names_the_entry_that_is_wrong(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=None) as refused:
        topology.parse(text)
    assert words in refused.value.message


@pytest.mark.parametrize("form", FORMATS)
def test_every_node_and_address_is_in_the_picture(form: str) -> None:
    made = topology.parse(TWO_SITES)
    picture = draw(made, form)
    for word in ("north", "south", "trunk", "plain", "r1", "10.2.0.50/24", "192.168.20.1/24"):
        assert word in picture
    assert "NAT towards north" in picture
    assert "mtu 1400" in picture
    assert "cut: a x b" in draw(made, form, ["cut: a x b"])


def test_text_is_escaped_in_svg() -> None:
    made = topology.Topology({"a": topology.Switch("<script>")}, {}, {})
    assert "<script>" not in draw(made, "svg")
