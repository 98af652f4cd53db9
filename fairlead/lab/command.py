"""`fairlead lab`: the command line of a laboratory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from fairlead.lab import draw as drawing
from fairlead.lab import faults, record, topology
from fairlead.lab.laboratory import Laboratory, tcpdump
from fairlead.model.errors import Invalid, Refusal

_name = click.option("--name", default="lab", show_default=True, help="Which lab.")


class _Group(click.Group):
    """Refusals become one line on standard error and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            click.echo(f"fairlead lab: {refusal.message}", err=True)
            sys.exit(1)


@click.group(cls=_Group, help="Hosts made of namespaces, each with its own Fairlead")
def lab() -> None:
    if os.geteuid() != 0:
        raise Invalid("a lab makes namespaces: run it as root")


_ARCHIVE = click.Path(exists=True, dir_okay=False, path_type=Path)


@lab.command(context_settings={"ignore_unknown_options": True})
@_name
@click.option("--hosts", type=click.IntRange(1, 200), help="host1, host2, ... on one switch.")
@click.option("--managers", type=click.IntRange(0, 50), default=0, help="manager1, ... of a swarm.")
@click.option("--workers", type=click.IntRange(0, 150), default=0, help="worker1, ... of the swarm.")
@click.option("--subnet", default="192.168.50.0/24", show_default=True, help="Of the switch.")
@click.option("--topology", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A TOML file.")
@click.option("--uplink", is_flag=True, help="A way out to this machine's own network, by NAT.")
@click.option("--load", "images", type=_ARCHIVE, multiple=True, help="An archive of images that every host shall have.")
@click.argument("daemon_flags", nargs=-1, type=click.UNPROCESSED)
def up(
    name: str,
    hosts: int | None,
    managers: int,
    workers: int,
    subnet: str,
    file: Path | None,
    uplink: bool,
    images: tuple[Path, ...],
    daemon_flags: tuple[str, ...],
) -> None:
    """Make the hosts, their network and their daemons. Flags after -- go to every daemon. Hosts that are managers or
    workers make a swarm."""
    if workers and not managers:
        raise Invalid("a swarm needs a manager: give --managers too")
    if file and (hosts or managers or workers or uplink):
        raise Invalid("a topology file says which hosts and ways out there are: give --topology or flags, not both")
    roles = {f"manager{i}": "manager" for i in range(1, managers + 1)}
    roles |= {f"worker{i}": "worker" for i in range(1, workers + 1)}
    names = [f"host{i}" for i in range(1, (hosts or 0) + 1)] + list(roles)
    simple = topology.simple(names or ["host1"], subnet, roles, uplink)
    wanted = topology.read(file) if file else simple
    console = Console(stderr=True)
    with console.status(f"making {name}") as status:
        made = Laboratory.up(name, wanted, daemon_flags, lambda line: status.update(f"{name}: {line}"))
        if any(host.role == "manager" for host in wanted.hosts.values()):
            made.form_swarm(lambda line: status.update(f"{name}: {line}"))
        for machine in made.hosts() if images else ():
            status.update(f"{name}: {machine.name}: loading images")
            for archive in images:
                machine.load(archive)
    _print_machines(made)
    first = next(iter(wanted.hosts))
    click.echo(f"\nTry: fairlead lab exec --name {name} {first} -- docker info\nEnd: fairlead lab down --name {name}")


@lab.command()
@_name
def down(name: str) -> None:
    """Remove everything that the lab made, also after a crash."""
    console = Console(stderr=True)
    with console.status(f"removing {name}") as status:
        Laboratory.open(name).down(lambda line: status.update(f"{name}: {line}"))


@lab.command("ls")
@click.option("--name", default="", help="Only this lab.")
def list_labs(name: str) -> None:
    """The hosts of each lab, their addresses, state and sockets."""
    for found in [name] if name else record.labs():
        _print_machines(Laboratory.open(found))


def _print_machines(shown: Laboratory) -> None:
    table = Table("HOST", "ADDRESS", "ROLE", "STATE", "SOCKET", box=None, pad_edge=False, title_justify="left")
    table.title = f"lab {shown.name}"
    for machine in shown.hosts():
        table.add_row(machine.name, machine.address, machine.host.role, machine.state(), str(machine.socket))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@_name
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_command(name: str, host: str, command: tuple[str, ...]) -> None:
    """Run a command on a host, as in: lab exec host1 -- docker ps.

    DOCKER_HOST leads to the host's daemon."""
    line = Laboratory.open(name).host(host).command(command)
    os.execvp(line[0], line)


@lab.command()
@_name
@click.argument("host")
def shell(name: str, host: str) -> None:
    """A shell on a host, with DOCKER_HOST set."""
    machine = Laboratory.open(name).host(host)
    line = machine.command(["env", f"PS1={host}# ", os.environ.get("SHELL", "/bin/sh")])
    os.execvp(line[0], line)


@lab.command()
@_name
@click.argument("host")
def kill(name: str, host: str) -> None:
    """Kill a host's daemon with SIGKILL; its containers keep running."""
    Laboratory.open(name).host(host).kill()


@lab.command()
@_name
@click.argument("host")
def stop(name: str, host: str) -> None:
    """Stop a host's daemon with SIGTERM; its containers keep running."""
    Laboratory.open(name).host(host).stop()


@lab.command()
@_name
@click.argument("host")
def start(name: str, host: str) -> None:
    """Start a host's daemon again."""
    Laboratory.open(name).host(host).start()


@lab.command()
@_name
@click.argument("host")
def reboot(name: str, host: str) -> None:
    """End a host and all that runs on it, and start it again. Its disk stays."""
    Laboratory.open(name).reboot(host)


@lab.command()
@_name
@click.argument("a")
@click.argument("b")
def cut(name: str, a: str, b: str) -> None:
    """Let no frame pass between two nodes; both links stay up."""
    Laboratory.open(name).cut(a, b)


@lab.command()
@_name
@click.argument("node")
def isolate(name: str, node: str) -> None:
    """Let no frame pass between a node and any other."""
    Laboratory.open(name).isolate(node)


@lab.command()
@_name
def heal(name: str) -> None:
    """Undo all cuts and impairments."""
    Laboratory.open(name).heal()


@lab.command()
@_name
@click.argument("link")
@click.option("--loss", default="", help="Of frames, such as 5%.")
@click.option("--delay", default="", help="Added to each frame, such as 20ms (needs netem).")
@click.option("--rate", default="", help="Limit, such as 100mbit.")
def impair(name: str, link: str, loss: str, delay: str, rate: str) -> None:
    """Make a link ("host1", or "host1:eth0") lossy, slow or narrow."""
    Laboratory.open(name).impair(link, faults.parse_impairment(loss, delay, rate))


@lab.command("draw")
@_name
@click.option(
    "--format",
    "form",
    type=click.Choice(drawing.FORMATS),
    default="text",
    show_default=True,
    help="What it is drawn as.",
)
@click.option("--topology", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Draw a file.")
def draw_topology(name: str, form: str, file: Path | None) -> None:
    """The lab's topology as text, mermaid or SVG."""
    shown = topology.read(file) if file else Laboratory.open(name).topology
    click.echo(drawing.draw(shown, form), nl=False)


@lab.command()
@_name
@click.argument("link")
@click.option("-w", "--write", "output", default="-", help="A pcap file; without it, text on the terminal.")
def capture(name: str, link: str, output: str) -> None:
    """Record what crosses a link ("host1:eth0") until interrupted."""
    sys.exit(tcpdump(Laboratory.open(name).capture_command(link, output)))
