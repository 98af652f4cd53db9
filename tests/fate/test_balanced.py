"""What becomes of packets to virtual addresses, and of those that come to a task over the routing mesh."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest

from fairlead.core.balance import mesh
from fairlead.core.balance.mesh_roster import Mesh
from fairlead.core.balance.service import Backend, Entrance, MeshBackend, MeshKey, MeshService, VirtualService
from fairlead.core.balance.virtual import Services, sandbox_table
from fairlead.core.firewall.fate import ESTABLISHED, HERE, Fate, Flow, Host, Packet, Ruleset, follow
from fairlead.model.plan import ChangeRules
from fairlead.model.ruleset import Element, Table

TCP, UDP, ICMP = 6, 17, 1
INSIDE = {
    4: {"own": "10.0.1.2", "one": "10.0.1.11", "two": "10.0.1.12", "vip": "10.0.1.100", "far": "192.0.2.80"},
    6: {"own": "fd01::2", "one": "fd01::11", "two": "fd01::12", "vip": "fd01::100", "far": "2001:db8::80"},
}
SANDBOX = Host({"lo": (), "eth0": (ip_interface("10.0.1.2/24"), ip_interface("fd01::2/64"))}, uplink="eth0")


def client(version: int, *backends: str, gone: tuple[str, ...] = ()) -> Ruleset:
    """The table of a client where these stand behind the virtual address."""
    known = INSIDE[version]
    vip = ip_address(known["vip"])
    services = Services()
    for names in ((*backends, *gone), backends):
        told = VirtualService(vip, tuple(Backend(ip_address(known[name])) for name in names))
        services.change({vip: told})
    return Ruleset((sandbox_table(), tuple(services.elements())))


def send(version: int, rules: Ruleset, to: str, protocol: int = TCP, turn: int = 0) -> Fate:
    known = INSIDE[version]
    if protocol == ICMP and version == 6:
        protocol = 58
    packet = Packet(ip_address(known["own"]), ip_address(known[to]), protocol, dport=80, icmp_type=8)
    return follow(packet, "", rules, SANDBOX, flow=Flow(turn=turn))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", [TCP, UDP, ICMP])
def test_backends_take_turns_whatever_the_protocol(version: int, protocol: int) -> None:
    rules = client(version, "one", "two")
    fates = [send(version, rules, "vip", protocol, turn) for turn in range(61)]
    assert {fate.end for fate in fates} == {"eth0"}
    reached = [str(fate.packet.destination) for fate in fates]
    assert {reached.count(INSIDE[version][name]) for name in ("one", "two")} == {30, 31}
    assert {str(fate.packet.source) for fate in fates} == {INSIDE[version]["own"]}


@pytest.mark.parametrize("version", [4, 6])
def test_without_backends_there_is_a_refusal(version: int) -> None:
    assert send(version, client(version), "vip").verdict == "reject"


@pytest.mark.parametrize("version", [4, 6])
def test_only_what_was_led_to_who_is_gone_is_refused(version: int) -> None:
    rules = client(version, "one", gone=("two",))
    assert send(version, rules, "two").arrives


@pytest.mark.parametrize("version", [4, 6])
def test_a_backend_that_asks_for_itself_comes_home(version: int) -> None:
    known = INSIDE[version]
    home = Host({"lo": (), "eth0": (ip_interface(f"{known['one']}/24"),)}, uplink="eth0")
    packet = Packet(ip_address(known["one"]), ip_address(known["vip"]), TCP, dport=80)
    fate = follow(packet, "", client(version, "one"), home)
    assert (fate.end, str(fate.packet.destination)) == (HERE, known["one"])


# --- a task's door --------------------------------------------------------------------------------

A, B = Entrance("02:42:0a:00:00:02", ip_address("10.0.0.2")), Entrance("02:42:0a:00:00:03", ip_address("10.0.0.3"))
STRANGER = "02:42:0a:00:00:66"
OWN = {4: ip_address("10.0.0.9"), 6: ip_address("fd10::9")}
OUT = {4: ip_address("172.18.0.5"), 6: ip_address("fd18::5")}
CLIENT = {4: ip_address("192.0.2.80"), 6: ip_address("2001:db8::80")}
TASK = Host(
    {
        "lo": (),
        "eth0": (ip_interface("10.0.0.9/24"), ip_interface("fd10::9/64")),
        "eth1": (ip_interface("172.18.0.5/16"), ip_interface("fd18::5/64")),
    },
    uplink="eth1",
    marked={mesh.MARK: "eth0"},
)


def door() -> Ruleset:
    own = (ip_interface("10.0.0.9/24"), ip_interface("fd10::9/64"))
    described = mesh.Door("", "eth0", own, (), OUT, frozenset({(TCP, 80), (UDP, 80)}))
    loaded: list[tuple[Table, tuple[Element, ...]]] = []
    for operation in mesh.door_plan(described, (A, B)).operations:
        if isinstance(operation, ChangeRules) and operation.transaction.replace is not None:
            loaded.append((operation.transaction.replace, operation.transaction.add))
    assert len(loaded) == 2
    return Ruleset(*loaded)


def knock(version: int, hardware: str, port: int = 80, protocol: int = TCP) -> Fate:
    packet = Packet(CLIENT[version], OWN[version], protocol, dport=port, hardware=hardware)
    return follow(packet, "eth0", door(), TASK)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize("entrance", [A, B])
def test_an_answer_goes_back_by_the_node_that_asked(version: int, protocol: int, entrance: Entrance) -> None:
    asked = knock(version, entrance.mac, protocol=protocol)
    assert (asked.end, asked.packet.source, asked.packet.destination) == (HERE, CLIENT[version], OUT[version])
    answer = Packet(OUT[version], CLIENT[version], protocol, 80, 40000)
    back = Flow(asked.flow.mark, "reply")
    answered = follow(answer, "", door(), TASK, ESTABLISHED, back)
    assert (answered.end, answered.packet.aim) == ("eth0", entrance.mac)


@pytest.mark.parametrize("version", [4, 6])
def test_nobody_else_comes_in_and_no_other_port_is_shown(version: int) -> None:
    assert knock(version, STRANGER).verdict == "drop"
    assert knock(version, A.mac, port=81).verdict == "drop"


@pytest.mark.parametrize("version", [4, 6])
def test_a_task_begins_nothing_on_the_ingress_network(version: int) -> None:
    neighbour = ip_address("10.0.0.10") if version == 4 else ip_address("fd10::10")
    assert follow(Packet(OWN[version], neighbour, dport=80), "", door(), TASK).verdict == "drop"
    outside = follow(Packet(OUT[version], CLIENT[version], dport=80), "", door(), TASK)
    assert (outside.end, outside.packet.aim) == ("eth1", "")


# --- the node's end -------------------------------------------------------------------------------

END = Host(
    {
        "lo": (),
        "eth0": (ip_interface("10.0.0.2/24"), ip_interface("fd10::2/64")),
        "eth1": (ip_interface("172.18.0.2/16"), ip_interface("fd18::2/64")),
    },
    uplink="eth1",
)
NODE = {4: ip_address("172.18.0.2"), 6: ip_address("fd18::2")}


def come_in(version: int, port: int = 8080, snat: bool = False) -> Fate:
    backends = tuple(MeshBackend(address, 80) for address in OWN.values())
    known = Mesh()
    known.change({MeshKey(8080): MeshService(MeshKey(8080), backends, snat=snat)})
    rules = Ruleset((mesh.ingress_table("eth1", "eth0"), tuple(known.elements())))
    return follow(Packet(CLIENT[version], NODE[version], dport=port), "eth1", rules, END)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("snat", [False, True])
def test_the_source_changes_only_where_the_user_wants_it(version: int, snat: bool) -> None:
    fate = come_in(version, snat=snat)
    assert (fate.end, fate.packet.destination, fate.packet.dport) == ("eth0", OWN[version], 80)
    assert (fate.packet.source == CLIENT[version]) != snat


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_no_port_of_the_mesh_ends_at_the_node(version: int) -> None:
    assert come_in(version, port=8081).end == HERE


@pytest.mark.parametrize("version", [4, 6])
def test_nothing_passes_untranslated(version: int) -> None:
    rules = Ruleset((mesh.ingress_table("eth1", "eth0"), ()))
    assert follow(Packet(CLIENT[version], OWN[version], dport=80), "eth1", rules, END).verdict == "drop"
