"""/etc/hosts and /etc/hostname."""

from ipaddress import ip_address

import pytest

from fairlead.core.dns.hosts import (
    HostsLine,
    extra_lines,
    hostname_text,
    hosts_text,
    own_line,
    with_lines,
    without_lines,
)
from fairlead.model.errors import Invalid

GATEWAY = (ip_address("172.17.0.1"),)
BASE = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def test_the_whole_file_in_order() -> None:
    lines = extra_lines(["x:1.2.3.4", "y:host-gateway", "z:2001:db8::1"], GATEWAY)
    lines.append(HostsLine(ip_address("172.17.0.2"), ("dd", "7c10c5c84e0b", "d0")))
    lines.append(own_line(ip_address("172.17.0.3"), "767fb0c6aca9"))
    assert hosts_text(lines) == BASE + (
        "1.2.3.4\tx\n172.17.0.1\ty\n2001:db8::1\tz\n172.17.0.2\tdd 7c10c5c84e0b d0\n172.17.0.3\t767fb0c6aca9\n"
    )


def test_without_ipv6_only_ipv4_has_a_localhost() -> None:
    assert hosts_text([], ipv6=False) == "127.0.0.1\tlocalhost\n"


@pytest.mark.parametrize(
    ("hostname", "domainname", "names"),
    [
        ("foo", "bar.test", "foo.bar.test foo"),
        ("foo.bar.test", "", "foo.bar.test foo"),
        ("foo", "", "foo"),
    ],
)
def test_the_full_name_comes_first(hostname: str, domainname: str, names: str) -> None:
    assert str(own_line(ip_address("172.17.0.3"), hostname, domainname)) == f"172.17.0.3\t{names}\n"


def test_lines_come_and_go_around_what_a_user_wrote() -> None:
    mine, other = own_line(ip_address("10.0.0.2"), "web"), own_line(ip_address("10.1.0.2"), "web")
    text = BASE + "10.0.0.2\tweb\n10.0.0.2\tmy-own-word\n6.6.6.6 printer"
    assert with_lines(text, [mine, other]) == text + "\n10.1.0.2\tweb\n"
    assert without_lines(with_lines(text, [other]), [mine, other]) == (
        BASE + "10.0.0.2\tmy-own-word\n6.6.6.6 printer\n"
    )


def test_host_gateway_may_be_several_addresses() -> None:
    both = [ip_address("172.17.0.1"), ip_address("fd00::1")]
    assert [str(line) for line in extra_lines(["h:host-gateway"], both)] == ["172.17.0.1\th\n", "fd00::1\th\n"]


def test_the_brackets_of_an_ipv6_address_and_the_equals_sign_are_taken() -> None:
    assert str(extra_lines(["v6:[::5]"], ())[0]) == "::5\tv6\n"
    assert str(extra_lines(["v6=::5"], ())[0]) == "::5\tv6\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", 'bad format for add-host: "foo"'),
        (":1.2.3.4", 'bad format for add-host: ":1.2.3.4"'),
        ("foo:zzz", 'invalid IP address in add-host: "zzz"'),
        ("foo:host-gateway", "unable to derive the IP value for host-gateway"),
    ],
)
def test_bad_extra_hosts_are_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        extra_lines([text], ())
    assert refused.value.message == message


def test_hostname() -> None:
    assert hostname_text("hosta") == "hosta\n"
