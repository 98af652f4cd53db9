"""`fairlead lab`: the command line of a laboratory."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from fairlead.lab import draw as drawing
from fairlead.lab import faults, record, topology
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.model.errors import Invalid, Refusal

_name = click.option("--name", default="lab", show_default=True, help="Which lab.")
_OF_EACH_MACHINE = ("/proc", "/sys", "/run/netns")
"""Where each machine has files of its own."""


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


@contextmanager
def _ends_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end what is being made as an interrupt does: with its removal."""
    former = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


_ARCHIVE = click.Path(exists=True, dir_okay=False, path_type=Path)


@lab.command()
@_name
@click.option("--hosts", type=click.IntRange(1, 200), help="host1, host2, ... on one switch.")
@click.option("--managers", type=click.IntRange(0, 50), default=0, help="manager1, ... of a swarm.")
@click.option("--workers", type=click.IntRange(0, 150), default=0, help="worker1, ... of the swarm.")
@click.option("--subnet", default="192.168.50.0/24", show_default=True, help="Of the switch.")
@click.option(
    "--topology",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Hosts and cables, as TOML.",
)
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
    if daemon_flags and not daemon_flags[0].startswith("-"):
        raise Invalid(
            f'unexpected "{daemon_flags[0]}": a lab is named with --name, and flags of the daemons come after --'
        )
    if workers and not managers:
        raise Invalid("a swarm needs a manager: give --managers too")
    if file and (hosts or managers or workers or uplink):
        raise Invalid("a topology file says which hosts and ways out there are: give --topology or flags, not both")
    roles = {f"manager{i}": "manager" for i in range(1, managers + 1)}
    roles |= {f"worker{i}": "worker" for i in range(1, workers + 1)}
    names = [f"host{i}" for i in range(1, (hosts or 0) + 1)] + list(roles)
    simple = topology.simple(names or ["host1"], subnet, roles, uplink)
    wanted = topology.read(file) if file else simple
    with _ends_in_order(), Console(stderr=True).status(f"making {name}") as status:

        def progress(line: str) -> None:
            status.update(f"{name}: {line}")

        made = Laboratory.up(name, wanted, daemon_flags, progress)
        with made.removed_on_failure():
            made.load(images, progress)
            if any(host.role for host in wanted.hosts.values()):
                made.form_swarm(progress)
    _print_machines(made)
    first = made.hosts()[0]
    trial = "docker info" if first.has_daemon else "ip address"
    click.echo(f"\nTry: fairlead lab exec --name {name} {first.name} -- {trial}\nEnd: fairlead lab down --name {name}")


@lab.command()
@_name
def down(name: str) -> None:
    """Remove everything that the lab made, also after a crash."""
    with Console(stderr=True).status(f"removing {name}") as status:
        Laboratory.open(name).down(lambda line: status.update(f"{name}: {line}"))


@lab.command("ls")
@click.option("--name", default="", help="Only this lab.")
def list_labs(name: str) -> None:
    """The hosts of each lab, their addresses, state and sockets."""
    found = [name] if name else record.labs()
    for one in found:
        _print_machines(Laboratory.open(one))
    if not found:
        click.echo('No lab is up; "fairlead lab up" makes one.', err=True)


def _print_machines(shown: Laboratory) -> None:
    table = Table("HOST", "ADDRESS", "ROLE", "STATE", "SOCKET", box=None, pad_edge=False, title_justify="left")
    table.title = f"lab {shown.name}"
    for machine in shown.hosts():
        addresses = ", ".join(str(link.address.ip) for link in machine.host.links if link.address)
        socket = str(machine.socket) if machine.has_daemon else ""
        table.add_row(machine.name, addresses, machine.host.role, machine.state(), socket)
    Console(width=None if sys.stdout.isatty() else 200).print(table)


class _Exec(click.Command):
    """What follows the host is the command's own, also without --."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _before_the_command(args))


def _before_the_command(args: list[str]) -> list[str]:
    """The same words with -- before the command, so that its options are not taken for ours."""
    host_seen = False
    position = 0
    while position < len(args) and args[position] != "--":
        if args[position] == "--name":
            position += 1
        elif not args[position].startswith("-"):
            if host_seen:
                return [*args[:position], "--", *args[position:]]
            host_seen = True
        position += 1
    return args


@lab.command("exec", cls=_Exec)
@_name
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_command(name: str, host: str, command: tuple[str, ...]) -> None:
    """Run a command on a host, as in: lab exec host1 -- docker ps.

    DOCKER_HOST leads to the host's daemon."""
    _become(Laboratory.open(name).host(host), command)


def _become(machine: Machine, command: Sequence[str]) -> None:
    """Go on as that command on the machine, in the same directory where the machine has it."""
    here = os.getcwd()
    line = machine.command(command, "" if here.startswith(_OF_EACH_MACHINE) else here)
    os.execvp(line[0], line)


@lab.command()
@_name
@click.argument("host")
def shell(name: str, host: str) -> None:
    """A shell on a host, with DOCKER_HOST set."""
    machine = Laboratory.open(name).host(host)
    _become(machine, ["env", f"PS1={host}# ", os.environ.get("SHELL", "/bin/sh")])


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
@click.option(
    "--topology",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Draw this file instead of a lab.",
)
def draw_topology(name: str, form: str, file: Path | None) -> None:
    """The lab's topology as text, mermaid or SVG."""
    click.echo(drawing.draw(topology.read(file), form) if file else Laboratory.open(name).draw(form), nl=False)


@lab.command()
@_name
@click.argument("link")
@click.option("-w", "--write", "output", metavar="FILE", help="A pcap file, - for standard output; without it, text.")
def capture(name: str, link: str, output: str | None) -> None:
    """Record what crosses a link ("host1:eth0") until interrupted."""
    line = Laboratory.open(name).capture_command(link, output)
    os.execvp(line[0], line)
