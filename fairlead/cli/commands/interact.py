"""`start` and `attach`."""

from __future__ import annotations

import sys

import click

from fairlead.cli.attachment import Wish, check_input, in_foreground
from fairlead.cli.client import Client
from fairlead.cli.command import command, on_each, pass_client
from fairlead.cli.detach import parse_keys
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, flag, text


@command("attach", help="Attach local standard input, output, and error streams to a running container")
@click.option("--detach-keys", default="", help="Override the key sequence for detaching a container")
@click.option("--no-stdin", is_flag=True, help="Do not attach STDIN")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Proxy all received signals to the process")
@click.argument("container", metavar="CONTAINER")
@pass_client
def attach(client: Client, container: str, detach_keys: str, no_stdin: bool, sig_proxy: bool) -> None:
    found = client.get_object(f"/containers/{container}/json")
    if not flag(found, "State", "Running"):
        raise Fault("cannot attach to a stopped container, start it first")
    if flag(found, "State", "Paused"):
        raise Fault("cannot attach to a paused container, unpause it first")
    wish = _wish(found, not no_stdin, detach_keys, sig_proxy)
    check_input(wish)
    status = in_foreground(client, container, wish, lambda: None, "", detach_keys)
    if status:
        sys.exit(status)


def _wish(found: Json, stdin: bool, keys: str, sig_proxy: bool) -> Wish:
    wanted = stdin and flag(found, "Config", "OpenStdin")
    return Wish(wanted, True, True, flag(found, "Config", "Tty"), parse_keys(keys), sig_proxy)


@command("start", help="Start one or more stopped containers")
@click.option("-a", "--attach", "attached", is_flag=True, help="Attach STDOUT/STDERR and forward signals")
@click.option("--detach-keys", default="", help="Override the key sequence for detaching a container")
@click.option("-i", "--interactive", is_flag=True, help="Attach container's STDIN")
@click.argument("containers", nargs=-1, required=True, metavar="CONTAINER [CONTAINER...]")
@pass_client
def start(client: Client, attached: bool, detach_keys: str, interactive: bool, containers: tuple[str, ...]) -> None:
    if not (attached or interactive):
        on_each(containers, lambda name: client.post(f"/containers/{name}/start"))
        return
    if len(containers) > 1:
        raise Fault("you cannot start and attach multiple containers at once")
    found = client.get_object(f"/containers/{containers[0]}/json")
    container = text(found, "Id")
    until = "removed" if flag(found, "HostConfig", "AutoRemove") else "next-exit"
    wish = _wish(found, interactive, detach_keys, True)
    status = in_foreground(
        client, container, wish, lambda: _started(client, container, detach_keys), until, detach_keys
    )
    if status:
        sys.exit(status)


def _started(client: Client, container: str, detach_keys: str) -> None:
    client.post(f"/containers/{container}/start", {"detachKeys": detach_keys})
