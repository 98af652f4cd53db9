"""`logs`, `top`, `port`, `diff`: what a container says, runs, shows and changed."""

from __future__ import annotations

import click

from fairlead.cli.client import Client, Query
from fairlead.cli.command import Flags, command, pass_client
from fairlead.cli.faults import Fault
from fairlead.cli.fields import flag, mapping, number, objects, text
from fairlead.cli.format.table import align
from fairlead.cli.moments import timestamp
from fairlead.cli.streams import show


@command("logs", help="Fetch the logs of a container")
@click.option("--details", is_flag=True, help="Show extra details provided to logs")
@click.option("-f", "--follow", is_flag=True, help="Follow log output")
@click.option("--since", default="", help="Show logs since timestamp or relative (e.g. '42m' for 42 minutes)")
@click.option("-n", "--tail", default="all", help="Number of lines to show from the end of the logs")
@click.option("-t", "--timestamps", is_flag=True, help="Show timestamps")
@click.option("--until", default="", help="Show logs before a timestamp or relative")
@click.argument("container", metavar="CONTAINER")
@pass_client
def logs(client: Client, /, container: str, **values: object) -> None:
    flags = Flags(values)
    found = client.get_object(f"/containers/{container}/json")
    query: Query = {
        "stdout": 1,
        "stderr": 1,
        "follow": flags.given("follow"),
        "details": flags.given("details"),
        "timestamps": flags.given("timestamps"),
        "tail": flags.text("tail"),
        "since": timestamp(flags.text("since")),
        "until": timestamp(flags.text("until")),
    }
    answer = client.request("GET", f"/containers/{text(found, 'Id')}/logs", query)
    show(answer.chunks(), not flag(found, "Config", "Tty"))


@command("top", help="Display the running processes of a container", words_follow=True)
@click.argument("container", metavar="CONTAINER")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[ps OPTIONS]")
@pass_client
def top(client: Client, container: str, options: tuple[str, ...]) -> None:
    answer = client.get_object(f"/containers/{container}/top", {"ps_args": " ".join(options)})
    rows = [answer.get("Titles"), *(_rows(answer.get("Processes")))]
    click.echo(align([[str(cell) for cell in row] for row in rows if isinstance(row, list)], 20), nl=False)


def _rows(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@command("port", help="List port mappings or a specific mapping for the container")
@click.argument("container", metavar="CONTAINER")
@click.argument("port", required=False, default="", metavar="[PRIVATE_PORT[/PROTO]]")
@pass_client
def port(client: Client, container: str, port: str) -> None:
    found = client.get_object(f"/containers/{container}/json")
    ports = mapping(found, "NetworkSettings", "Ports")
    if port:
        wanted = port if "/" in port else f"{port}/tcp"
        bindings = objects(ports, wanted)
        if not bindings:
            raise Fault(f"no public port '{port}' published for {container}")
        lines = [_binding(binding) for binding in bindings]
    else:
        lines = [
            f"{inside} -> {_binding(one)}"
            for inside in sorted(ports, key=_port_order)
            for one in objects(ports, inside)
        ]
    if lines:
        click.echo("\n".join(lines))


def _port_order(port: str) -> tuple[int, str]:
    digits, _, protocol = port.partition("/")
    return (int(digits) if digits.isdecimal() else 0), protocol


def _binding(binding: object) -> str:
    address = text(binding, "HostIp")
    return f"[{address}]:{text(binding, 'HostPort')}" if ":" in address else f"{address}:{text(binding, 'HostPort')}"


@command("diff", help="Inspect changes to files or directories on a container's filesystem")
@click.argument("container", metavar="CONTAINER")
@pass_client
def diff(client: Client, container: str) -> None:
    for change in client.get_list(f"/containers/{container}/changes"):
        click.echo(f"{'CAD'[number(change, 'Kind')]} {text(change, 'Path')}")
