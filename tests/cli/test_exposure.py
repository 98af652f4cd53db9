"""The list of what is open says to whom."""

from __future__ import annotations

from fairlead.cli.commands.exposure import EXPOSED, of_containers, of_services


def port(address: str, outside: int, inside: int, protocol: str = "tcp") -> dict[str, object]:
    return {"IP": address, "PublicPort": outside, "PrivatePort": inside, "Type": protocol}


CONTAINERS = [
    {
        "Names": ["/web"],
        "Ports": [port("0.0.0.0", 8000, 80), port("::", 8000, 80), {"PrivatePort": 443, "Type": "tcp"}],
    },
    {"Names": ["/db"], "Ports": [port("127.0.0.1", 5432, 5432), port("10.0.0.5", 5353, 53, "udp")]},
    {"Names": ["/probe"], "HostConfig": {"NetworkMode": "host"}, "Ports": []},
    {"Names": ["/quiet"], "Ports": []},
]
SERVICES = [
    {
        "Spec": {"Name": "shop"},
        "Endpoint": {
            "Ports": [
                {"PublishMode": "ingress", "PublishedPort": 8080, "TargetPort": 80, "Protocol": "tcp"},
                {"PublishMode": "host", "PublishedPort": 8081, "TargetPort": 81, "Protocol": "tcp"},
            ]
        },
    }
]


def test_each_published_port_says_who_reaches_it() -> None:
    rows = [*of_containers(CONTAINERS), *of_services(SERVICES)]
    assert EXPOSED.render(rows, "{{.Address}} {{.Port}} {{.Target}}: {{.Reach}}").splitlines() == [
        "10.0.0.5 5353/udp db:53: whoever reaches 10.0.0.5",
        "127.0.0.1 5432/tcp db:5432: this host alone",
        "* any probe: whoever reaches this host, at what it listens on",
        "0.0.0.0 8000/tcp web:80: whoever reaches this host",
        ":: 8000/tcp web:80: whoever reaches this host",
        "* 8080/tcp service shop:80: whoever reaches any node",
    ]


def test_what_shows_nothing_is_not_listed() -> None:
    assert not list(of_containers(CONTAINERS[3:]))
