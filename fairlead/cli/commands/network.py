"""`network`: ls, inspect, connect, disconnect, rm, prune; `create` has a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import click

from fairlead.cli.client import Client
from fairlead.cli.command import Flags, ask, command, filters_query, on_each, pass_client
from fairlead.cli.commands.inspect import show_each
from fairlead.cli.faults import DaemonRefused
from fairlead.cli.fields import Json, flag, text, texts
from fairlead.cli.format.table import Listing
from fairlead.cli.format.units import go_time, parse_time
from fairlead.cli.pairs import pairs_of
from fairlead.cli.rows import labels_of, short

NETWORKS = Listing(
    {
        "CreatedAt": "CREATED AT",
        "Driver": "DRIVER",
        "ID": "NETWORK ID",
        "IPv4": "IPV4",
        "IPv6": "IPV6",
        "Internal": "INTERNAL",
        "Labels": "LABELS",
        "Name": "NAME",
        "Scope": "SCOPE",
    },
    r"{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
)


def network_row(network: Json, no_trunc: bool) -> Mapping[str, object]:
    created = parse_time(text(network, "Created")) or datetime.fromtimestamp(0, UTC)
    return {
        "CreatedAt": go_time(created),
        "Driver": text(network, "Driver"),
        "ID": short(text(network, "Id"), no_trunc),
        "IPv4": str(flag(network, "EnableIPv4")).lower(),
        "IPv6": str(flag(network, "EnableIPv6")).lower(),
        "Internal": str(flag(network, "Internal")).lower(),
        "Labels": labels_of(network),
        "Name": text(network, "Name"),
        "Scope": text(network, "Scope"),
        "Label": lambda name: text(network, "Labels", name),
    }


@command("ls", help="List networks")
@click.option("-f", "--filter", "terms", multiple=True, help="Provide filter values (e.g. 'driver=bridge')")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@click.option("--no-trunc", is_flag=True, help="Do not truncate the output")
@click.option("-q", "--quiet", is_flag=True, help="Only display network IDs")
@pass_client
def ls(client: Client, terms: tuple[str, ...], template: str, no_trunc: bool, quiet: bool) -> None:
    found = client.get_list("/networks", {"filters": filters_query(terms)})
    rows = [network_row(one, no_trunc) for one in sorted(found, key=lambda one: text(one, "Name"))]
    click.echo(NETWORKS.render(rows, template, quiet), nl=False)


@command("inspect", help="Display detailed information on one or more networks")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@click.option("-v", "--verbose", is_flag=True, help="Verbose output for diagnostics")
@click.argument("networks", nargs=-1, required=True, metavar="NETWORK [NETWORK...]")
@pass_client
def inspect(client: Client, template: str, verbose: bool, networks: tuple[str, ...]) -> None:
    show_each(networks, template, lambda name: client.get_object(f"/networks/{name}", {"verbose": verbose}))


@command("connect", help="Connect a container to a network")
@click.option("--alias", "aliases", multiple=True, help="Add network-scoped alias for the container")
@click.option("--driver-opt", "options", multiple=True, help="driver options for the network")
@click.option("--gw-priority", type=int, default=0, help="Highest gw-priority provides the default gateway")
@click.option("--ip", "ipv4", default="", help='IPv4 address (e.g., "172.30.100.104")')
@click.option("--ip6", "ipv6", default="", help='IPv6 address (e.g., "2001:db8::33")')
@click.option("--link", "links", multiple=True, help="Add link to another container")
@click.option("--link-local-ip", "link_local", multiple=True, help="Add a link-local address for the container")
@click.argument("name", metavar="NETWORK")
@click.argument("container", metavar="CONTAINER")
@pass_client
def connect(client: Client, /, name: str, container: str, **flags: object) -> None:
    client.post(f"/networks/{name}/connect", value={"Container": container, "EndpointConfig": _endpoint(Flags(flags))})


def _endpoint(flags: Flags) -> Json:
    addresses: Json = {
        "IPv4Address": flags.text("ipv4"),
        "IPv6Address": flags.text("ipv6"),
        "LinkLocalIPs": flags.words("link_local"),
    }
    return {
        "IPAMConfig": {key: value for key, value in addresses.items() if value},
        "Aliases": flags.words("aliases"),
        "Links": flags.words("links") or None,
        "DriverOpts": pairs_of(flags.words("options")),
        "GwPriority": flags.number("gw_priority"),
    }


@command("disconnect", help="Disconnect a container from a network")
@click.option("-f", "--force", is_flag=True, help="Force the container to disconnect from a network")
@click.argument("name", metavar="NETWORK")
@click.argument("container", metavar="CONTAINER")
@pass_client
def disconnect(client: Client, force: bool, name: str, container: str) -> None:
    client.post(f"/networks/{name}/disconnect", value={"Container": container, "Force": force})


@command("rm", help="Remove one or more networks")
@click.option("-f", "--force", is_flag=True, help="Do not error if the network does not exist")
@click.argument("networks", nargs=-1, required=True, metavar="NETWORK [NETWORK...]")
@pass_client
def rm(client: Client, force: bool, networks: tuple[str, ...]) -> None:
    on_each(networks, _remover(client, force))


def _remover(client: Client, force: bool) -> Callable[[str], object]:
    def remove(name: str) -> bool:
        try:
            client.delete(f"/networks/{name}")
        except DaemonRefused as refusal:
            if not (force and refusal.code == 404):
                raise
            return False
        return True

    return remove


@command("prune", help="Remove all unused networks")
@click.option("--filter", "terms", multiple=True, help="Provide filter values (e.g. 'until=<timestamp>')")
@click.option("-f", "--force", is_flag=True, help="Do not prompt for confirmation")
@pass_client
def prune(client: Client, terms: tuple[str, ...], force: bool) -> None:
    ask(force, "WARNING! This will remove all custom networks not used by at least one container.")
    answer = client.post_object("/networks/prune", {"filters": filters_query(terms)})
    if removed := texts(answer, "NetworksDeleted"):
        click.echo("Deleted Networks:\n" + "\n".join(removed) + "\n")
