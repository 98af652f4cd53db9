"""`-p` and `--expose` in docker's notation, and docker's complaints."""

from __future__ import annotations

import pytest

from fairlead.cli.faults import Fault
from fairlead.cli.publish import exposed_ports, port_bindings


def bound(host_ip: str = "", host_port: str = "") -> list[dict[str, str]]:
    return [{"HostIp": host_ip, "HostPort": host_port}]


@pytest.mark.parametrize(
    ("spec", "bindings"),
    [
        ("80", {"80/tcp": bound()}),
        ("80/udp", {"80/udp": bound()}),
        ("8080:80", {"80/tcp": bound("", "8080")}),
        ("8080:80/SCTP", {"80/sctp": bound("", "8080")}),
        ("127.0.0.1:8080:80", {"80/tcp": bound("127.0.0.1", "8080")}),
        ("127.0.0.1::80", {"80/tcp": bound("127.0.0.1")}),
        ("[::1]:8080:80", {"80/tcp": bound("::1", "8080")}),
        ("[2001:db8::1]::80/udp", {"80/udp": bound("2001:db8::1")}),
        ("8000-8001:80-81", {"80/tcp": bound("", "8000"), "81/tcp": bound("", "8001")}),
        ("80-81", {"80/tcp": bound(), "81/tcp": bound()}),
        ("8000-8005:80", {"80/tcp": bound("", "8000-8005")}),
        ("published=8080,target=80", {"80/tcp": bound("", "8080")}),
        ("target=53,protocol=udp", {"53/udp": bound()}),
    ],
)
def test_a_port_is_published(spec, bindings):
    assert port_bindings([spec]) == bindings


def test_one_port_may_be_published_several_times():
    assert port_bindings(["8080:80", "8081:80"]) == {"80/tcp": bound("", "8080") + bound("", "8081")}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("80:70000", "invalid containerPort: 70000"),
        ("70000:80", "invalid hostPort: 70000"),
        ("abc:80", "invalid hostPort: abc"),
        ("80:abc", "invalid containerPort: abc"),
        ("8000-8002:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000-8002"),
        ("8002-8000:80", "invalid hostPort: 8002-8000"),
        ("256.1.1.1:8000:80", "invalid IP address: 256.1.1.1"),
        ("8000:80/foo", "invalid proto: foo"),
        ("", "no port specified: <empty>"),
        ("8000:", "no port specified: 8000:"),
        ("published=8080", "missing mandatory field 'target'"),
    ],
)
def test_a_bad_port_is_refused_in_dockers_words(spec, complaint):
    with pytest.raises(Fault) as caught:
        port_bindings([spec])
    assert (caught.value.text, caught.value.status) == (complaint, 125)


def test_ports_are_exposed_alone_and_in_ranges():
    assert exposed_ports(["80", "7000-7002/udp"]) == ["80/tcp", "7000/udp", "7001/udp", "7002/udp"]
