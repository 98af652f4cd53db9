"""Elements: what is added is what is removed, nothing is added twice, and every port finds its own."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.firewall.elements import PROTOCOLS, change, endpoint_elements, network_elements
from fairlead.core.firewall.lookup import Contents
from fairlead.core.firewall.network_rules import GATEWAY_MODES, NetworkRules
from fairlead.core.firewall.table import host_table
from fairlead.model.endpoint import PublishedPort

TABLE = host_table({"nft_fib"})
TARGETS = {4: IPv4Address("172.18.0.2"), 6: IPv6Address("fd00::2")}
HOSTS = st.sampled_from([ip_address(text) for text in ("0.0.0.0", "::", "192.168.50.13", "127.0.0.1", "2001:db8::1")])
MODES = st.sampled_from(GATEWAY_MODES)


@st.composite
def port_lists(draw: st.DrawFn) -> list[PublishedPort]:
    """Runs of ports, some long enough for an interval, none of them taken twice."""
    found: dict[tuple[object, str, int], PublishedPort] = {}
    for _ in range(draw(st.integers(0, 5))):
        host, protocol = draw(HOSTS), draw(st.sampled_from(["tcp", "udp", "sctp"]))
        first, shift = draw(st.integers(1, 200)), draw(st.sampled_from([0, 0, 1000]))
        for port in range(first, first + draw(st.integers(1, 30))):
            found.setdefault((host, protocol, port), PublishedPort(port + shift, protocol, host, port))
    return list(found.values())


@given(ports=port_lists())
def test_every_published_port_leads_to_its_container_and_no_other_does(ports: list[PublishedPort]) -> None:
    elements = endpoint_elements(NetworkRules("br0"), TARGETS[4], TARGETS[6], ports)
    contents = Contents(TABLE, elements)
    wanted = {(p.host_ip, p.protocol, p.host_port): p.container_port for p in ports}
    for host in {port.host_ip for port in ports}:
        for protocol in ("tcp", "udp", "sctp"):
            for number in range(1, 240):
                led = lead(contents, host, protocol, number)
                assert led == wanted.get((host, protocol, number))


def lead(contents: Contents, host: IPv4Address | IPv6Address, protocol: str, number: int) -> int | None:
    """The container port that a host port leads to."""
    name, prefix = ("any", ()) if host.is_unspecified else ("bound", (host,))
    key = (*prefix, PROTOCOLS[protocol], number)
    found, data = contents.find(f"{name}{host.version}", key)
    if found and isinstance(data, tuple):
        assert data[0] == TARGETS[host.version]
        assert isinstance(data[1], int)
        return data[1]
    ranged, _ = contents.find(f"{name}_range{host.version}", key)
    return number if ranged else None


@given(ports=port_lists(), mode4=MODES, mode6=MODES, internal=st.booleans(), icc=st.booleans())
def test_changes_undo_themselves_and_name_no_element_twice(
    ports: list[PublishedPort], mode4: str, mode6: str, internal: bool, icc: bool
) -> None:
    rules = NetworkRules("br0", internal=internal, icc=icc, mode4=mode4, mode6=mode6, trusted=("eth1",))
    elements = [*network_elements(rules), *endpoint_elements(rules, TARGETS[4], TARGETS[6], ports)]
    assert len({(element.set, element.key) for element in elements}) == len(elements)
    done = change(add=elements)
    assert done.inverse() == change(remove=elements)
    assert done.inverse().inverse() == done
    Contents(TABLE, elements)
