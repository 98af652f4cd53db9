"""Links of the default bridge, as the documents show them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from fairlead.engine.fabric.legacy_links import Link, parse
from tests.engine import builders

TARGET = replace(
    builders.container("d0"), exposed=("443/tcp", "80/tcp", "53/udp"), env=("PATH=/bin", "COLOUR=red", "ODD")
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("web:w", ("web", "w")), ("web", ("web", "web")), ("/web:/app/w", ("web", "w")), ("/web", ("web", "web"))],
)
def test_what_a_user_types(text: str, meaning: tuple[str, str]) -> None:
    assert parse(text) == meaning


def test_the_hosts_file_names_alias_id_and_name_once() -> None:
    address = ip_address("172.17.0.2")
    assert Link("app", "dd", TARGET, address).names == ("dd", TARGET.id[:12], "d0")
    assert Link("app", "d0", TARGET, address).names == ("d0", TARGET.id[:12])


def test_the_environment_starts_with_the_lowest_port() -> None:
    assert Link("app", "my-db", TARGET, ip_address("172.17.0.2")).environment() == (
        "MY_DB_PORT=udp://172.17.0.2:53",
        "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
        "MY_DB_PORT_53_UDP_ADDR=172.17.0.2",
        "MY_DB_PORT_53_UDP_PORT=53",
        "MY_DB_PORT_53_UDP_PROTO=udp",
        "MY_DB_PORT_80_TCP=tcp://172.17.0.2:80",
        "MY_DB_PORT_80_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_80_TCP_PORT=80",
        "MY_DB_PORT_80_TCP_PROTO=tcp",
        "MY_DB_PORT_443_TCP=tcp://172.17.0.2:443",
        "MY_DB_PORT_443_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_443_TCP_PORT=443",
        "MY_DB_PORT_443_TCP_PROTO=tcp",
        "MY_DB_NAME=/app/my-db",
        "MY_DB_ENV_COLOUR=red",
    )
