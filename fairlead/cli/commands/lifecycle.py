"""Verbs that change what a container does: stop, restart, kill, rm, rename, pause, unpause, wait."""

from __future__ import annotations

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, on_each, pass_client
from fairlead.cli.faults import DaemonRefused
from fairlead.cli.fields import number

_containers = click.argument("containers", nargs=-1, required=True, metavar="CONTAINER [CONTAINER...]")
_signal = click.option("-s", "--signal", default="", help="Signal to send to the container")
_timeout = click.option("-t", "--timeout", "--time", type=int, default=None, help="Seconds to wait before killing")


@command("stop", help="Stop one or more running containers")
@_signal
@_timeout
@_containers
@pass_client
def stop(client: Client, signal: str, timeout: int | None, containers: tuple[str, ...]) -> None:
    query = {"signal": signal, "t": None if timeout is None else str(timeout)}
    on_each(containers, lambda name: client.post(f"/containers/{name}/stop", query))


@command("restart", help="Restart one or more containers")
@_signal
@_timeout
@_containers
@pass_client
def restart(client: Client, signal: str, timeout: int | None, containers: tuple[str, ...]) -> None:
    query = {"signal": signal, "t": None if timeout is None else str(timeout)}
    on_each(containers, lambda name: client.post(f"/containers/{name}/restart", query))


@command("kill", help="Kill one or more running containers")
@_signal
@_containers
@pass_client
def kill(client: Client, signal: str, containers: tuple[str, ...]) -> None:
    on_each(containers, lambda name: client.post(f"/containers/{name}/kill", {"signal": signal}))


@command("rm", help="Remove one or more containers")
@click.option("-f", "--force", is_flag=True, help="Force the removal of a running container (uses SIGKILL)")
@click.option("-l", "--link", is_flag=True, help="Remove the specified link")
@click.option("-v", "--volumes", is_flag=True, help="Remove anonymous volumes associated with the container")
@_containers
@pass_client
def rm(client: Client, force: bool, link: bool, volumes: bool, containers: tuple[str, ...]) -> None:
    def remove(name: str) -> bool:
        try:
            client.delete(f"/containers/{name.strip('/')}", {"force": force, "link": link, "v": volumes})
        except DaemonRefused as refusal:
            if not (force and refusal.code == 404):
                raise
            return False
        return True

    on_each(containers, remove)


@command("rename", help="Rename a container")
@click.argument("container", metavar="CONTAINER")
@click.argument("name", metavar="NEW_NAME")
@pass_client
def rename(client: Client, container: str, name: str) -> None:
    client.post(f"/containers/{container}/rename", {"name": name})


@command("pause", help="Pause all processes within one or more containers")
@_containers
@pass_client
def pause(client: Client, containers: tuple[str, ...]) -> None:
    on_each(containers, lambda name: client.post(f"/containers/{name}/pause"))


@command("unpause", help="Unpause all processes within one or more containers")
@_containers
@pass_client
def unpause(client: Client, containers: tuple[str, ...]) -> None:
    on_each(containers, lambda name: client.post(f"/containers/{name}/unpause"))


@command("wait", help="Block until one or more containers stop, then print their exit codes")
@_containers
@pass_client
def wait(client: Client, containers: tuple[str, ...]) -> None:
    for name in containers:
        click.echo(number(client.post(f"/containers/{name}/wait"), "StatusCode"))
