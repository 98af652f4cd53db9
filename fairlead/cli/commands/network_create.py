"""`network create`: its flags, and how addresses given apart find their subnet."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import click

from fairlead.cli.client import Client
from fairlead.cli.command import Flags, command, pass_client
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, text
from fairlead.cli.pairs import pairs_of


@command("create", help="Create a network")
@click.option("--attachable", is_flag=True, help="Enable manual container attachment")
@click.option("--aux-address", "aux", multiple=True, help="Auxiliary IPv4 or IPv6 addresses used by the driver")
@click.option("--config-from", default="", help="The network from which to copy the configuration")
@click.option("--config-only", is_flag=True, help="Create a configuration only network")
@click.option("-d", "--driver", default="bridge", help="Driver to manage the network")
@click.option("--gateway", "gateways", multiple=True, help="IPv4 or IPv6 gateway for the subnet")
@click.option("--ingress", is_flag=True, help="Create swarm routing-mesh network")
@click.option("--internal", is_flag=True, help="Restrict external access to the network")
@click.option("--ip-range", "ranges", multiple=True, help="Allocate container ip from a sub-range")
@click.option("--ipam-driver", default="default", help="IP address management driver")
@click.option("--ipam-opt", "ipam_options", multiple=True, help="Set IPAM driver specific options")
@click.option("--ipv4/--no-ipv4", default=None, help="Enable or disable IPv4 address assignment")
@click.option("--ipv6/--no-ipv6", default=None, help="Enable or disable IPv6 address assignment")
@click.option("--label", "labels", multiple=True, help="Set metadata on a network")
@click.option("-o", "--opt", "options", multiple=True, help="Set driver specific options")
@click.option("--scope", default="", help="Control the network's scope")
@click.option("--subnet", "subnets", multiple=True, help="Subnet in CIDR format")
@click.argument("name", metavar="NETWORK")
@pass_client
def create(client: Client, /, name: str, **flags: object) -> None:
    answer = client.post_object("/networks/create", value=network_body(name, Flags(flags)))
    if warning := text(answer, "Warning"):
        click.echo(f"WARNING: {warning}", err=True)
    click.echo(text(answer, "Id"))


def network_body(name: str, flags: Flags) -> Json:
    """The body of the request for the flags of `network create`."""
    pools = ipam_pools(*(flags.words(word) for word in ("subnets", "ranges", "gateways", "aux")))
    config_from = flags.text("config_from")
    body: Json = {
        "Name": name,
        "Driver": flags.text("driver"),
        "Scope": flags.text("scope"),
        "IPAM": {
            "Driver": flags.text("ipam_driver"),
            "Options": pairs_of(flags.words("ipam_options")),
            "Config": pools,
        },
        "Internal": flags.given("internal"),
        "Attachable": flags.given("attachable"),
        "Ingress": flags.given("ingress"),
        "ConfigOnly": flags.given("config_only"),
        "ConfigFrom": {"Network": config_from} if config_from else None,
        "Options": pairs_of(flags.words("options")),
        "Labels": pairs_of(flags.words("labels")),
    }
    for family, key in (("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")):
        if flags.choice(family) is not None:
            body[key] = flags.choice(family)
    return body


def ipam_pools(subnets: list[str], ranges: list[str], gateways: list[str], aux: list[str]) -> list[Json]:
    """Put each range, gateway and auxiliary address to the subnet that contains it, as docker's client does."""
    pools: dict[str, Json] = {subnet: {"Subnet": subnet} for subnet in subnets}
    if len(ranges) > len(pools) or len(gateways) > len(pools):
        raise Fault("every ip-range or gateway must have a corresponding subnet")
    for written in ranges:
        _pool_for(pools, written, "range")["IPRange"] = written
    for written in gateways:
        _pool_for(pools, written, "gateway")["Gateway"] = written
    for key, written in pairs_of(aux).items():
        addresses = _pool_for(pools, written, "aux-address").setdefault("AuxiliaryAddresses", {})
        assert isinstance(addresses, dict)
        addresses[key] = written
    return list(pools.values())


def _pool_for(pools: dict[str, Json], written: str, what: str) -> Json:
    for subnet, pool in pools.items():
        try:
            if ip_address(ip_interface(written).ip) in ip_network(subnet, strict=False):
                return pool
        except ValueError:
            continue
    raise Fault(f"no matching subnet for {what} {written}")
