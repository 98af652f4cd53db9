"""`fairlead exposure`: who can reach what on this host, in one list.

An address of `-p ADDRESS:PORT:PORT` is a boundary that the engine keeps, so it tells who comes in: what is published at
loopback is the host's alone, what is published at one address is reached at that address. What the host's own packet
filter drops is dropped nevertheless: the list shows what the engine opens, not what others close.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, pass_client
from fairlead.cli.faults import DaemonRefused
from fairlead.cli.fields import Json, get, number, objects, text
from fairlead.cli.format.table import Listing, Row

HOST = "host"
HOST_ALONE, EVERYBODY, EVERY_NODE = "this host alone", "whoever reaches this host", "whoever reaches any node"

EXPOSED = Listing(
    {"Address": "ADDRESS", "Port": "PORT", "Target": "LEADS TO", "Reach": "REACHED BY"},
    r"{{.Address}}\t{{.Port}}\t{{.Target}}\t{{.Reach}}",
    quiet="{{.Port}}",
)


@command("exposure", help="Show who can reach which published port")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@pass_client
def exposure(client: Client, template: str) -> None:
    containers = client.get_list("/containers/json")
    click.echo(EXPOSED.render([*of_containers(containers), *of_services(_services(client))], template), nl=False)


def _services(client: Client) -> list[Json]:
    """Those of the swarm; none where this host does not manage one."""
    try:
        return client.get_list("/services")
    except DaemonRefused:
        return []


def of_containers(containers: Iterable[Json]) -> Iterator[Row]:
    """What each running container shows of itself."""
    for container in sorted(containers, key=_name):
        if text(container, "HostConfig", "NetworkMode") == HOST:
            yield _row("*", "any", _name(container), f"{EVERYBODY}, at what it listens on")
        published = [port for port in objects(container, "Ports") if number(port, "PublicPort")]
        for port in sorted(published, key=lambda port: (number(port, "PublicPort"), text(port, "IP"))):
            address, protocol = text(port, "IP"), text(port, "Type")
            target = f"{_name(container)}:{number(port, 'PrivatePort')}"
            yield _row(address, f"{number(port, 'PublicPort')}/{protocol}", target, _reach(address))


def of_services(services: Iterable[Json]) -> Iterator[Row]:
    """Ports of the routing mesh; those of a single host are its containers'."""
    for service in sorted(services, key=lambda service: text(service, "Spec", "Name")):
        for port in objects(service, "Endpoint", "Ports"):
            if text(port, "PublishMode") == "ingress":
                target = f"service {text(service, 'Spec', 'Name')}:{number(port, 'TargetPort')}"
                yield _row("*", f"{number(port, 'PublishedPort')}/{text(port, 'Protocol')}", target, EVERY_NODE)


def _row(address: str, port: str, target: str, reach: str) -> Row:
    return {"Address": address, "Port": port, "Target": target, "Reach": reach}


def _name(container: Json) -> str:
    names = get(container, "Names")
    return str(names[0]).removeprefix("/") if isinstance(names, list) and names else text(container, "Id")[:12]


def _reach(address: str) -> str:
    asked = ip_address(address)
    if asked.is_loopback:
        return HOST_ALONE
    return EVERYBODY if asked.is_unspecified else f"whoever reaches {address}"
