"""`exec`: another process in a running container."""

from __future__ import annotations

import sys

import click

from fairlead.cli.client import Client
from fairlead.cli.command import Flags, command, pass_client
from fairlead.cli.detach import parse_keys
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, number, text
from fairlead.cli.pairs import environment_of
from fairlead.cli.session import Joining, Session
from fairlead.cli.terminal import is_terminal, size_for


@command("exec", help="Execute a command in a running container", words_follow=True)
@click.option("-d", "--detach", is_flag=True, help="Detached mode: run command in the background")
@click.option("--detach-keys", default="", help="Override the key sequence for detaching a container")
@click.option("-e", "--env", multiple=True, help="Set environment variables")
@click.option("--env-file", multiple=True, help="Read in a file of environment variables")
@click.option("-i", "--interactive", is_flag=True, help="Keep STDIN open even if not attached")
@click.option("--privileged", is_flag=True, help="Give extended privileges to the command")
@click.option("-t", "--tty", is_flag=True, help="Allocate a pseudo-TTY")
@click.option("-u", "--user", default="", help='Username or UID (format: "<name|uid>[:<group|gid>]")')
@click.option("-w", "--workdir", default="", help="Working directory inside the container")
@click.argument("container", metavar="CONTAINER")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARG...]")
@pass_client
def exec_(client: Client, /, container: str, words: tuple[str, ...], **values: object) -> None:
    flags = Flags(values)
    tty, stdin, detach = flags.given("tty"), flags.given("interactive"), flags.given("detach")
    if tty and stdin and not detach and not is_terminal(sys.stdin.fileno()):
        raise Fault("the input device is not a TTY")
    exec_id = text(client.post_object(f"/containers/{container}/exec", value=_body(words, flags)), "Id")
    start: Json = {"Detach": detach, "Tty": tty, "ConsoleSize": list(size_for(tty))}
    if detach:
        client.post(f"/exec/{exec_id}/start", value=start)
        return
    joining = Joining(stdin, tty, parse_keys(flags.text("detach_keys")), f"/exec/{exec_id}/resize")
    session = Session(client, client.hijack(f"/exec/{exec_id}/start", value=start), joining)
    session.run()
    if session.detached:
        return
    if status := number(client.get(f"/exec/{exec_id}/json"), "ExitCode"):
        sys.exit(status)


def _body(words: tuple[str, ...], flags: Flags) -> Json:
    attached = not flags.given("detach")
    return {
        "Cmd": list(words),
        "Env": environment_of(flags.words("env"), flags.words("env_file")),
        "User": flags.text("user"),
        "WorkingDir": flags.text("workdir"),
        "Privileged": flags.given("privileged"),
        "Tty": flags.given("tty"),
        "AttachStdin": attached and flags.given("interactive"),
        "AttachStdout": attached,
        "AttachStderr": attached,
        "DetachKeys": flags.text("detach_keys"),
    }
