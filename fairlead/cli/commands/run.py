"""`run` and `create`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fairlead.cli.attachment import Wish, check_input, in_foreground
from fairlead.cli.client import Client
from fairlead.cli.command import Flags, command, pass_client
from fairlead.cli.create_body import create_body
from fairlead.cli.create_flags import create_flags
from fairlead.cli.detach import parse_keys
from fairlead.cli.faults import USAGE, DaemonRefused, Fault
from fairlead.cli.fields import Json, flag, text, texts
from fairlead.cli.progress import show_progress

NOT_FOUND, NOT_EXECUTABLE = 127, 126


@command("run", help="Create and run a new container from an image", words_follow=True)
@click.option("-d", "--detach", is_flag=True, help="Run container in background and print container ID")
@click.option("--detach-keys", default="", help="Override the key sequence for detaching a container")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Proxy received signals to the process")
@create_flags
@click.argument("image", metavar="IMAGE")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND] [ARG...]")
@pass_client
def run(client: Client, /, image: str, words: tuple[str, ...], **values: object) -> None:
    flags = Flags(values)
    try:
        status = _run(client, create_body(image, words, flags, flags.given("detach")), flags)
    except Fault as fault:
        raise _as_dockers(fault) from fault
    if status:
        sys.exit(status)


def _run(client: Client, body: Json, flags: Flags) -> int:
    detached, keys = flags.given("detach"), flags.text("detach_keys")
    wish = Wish(
        flag(body, "AttachStdin"),
        flag(body, "AttachStdout"),
        flag(body, "AttachStderr"),
        flag(body, "Tty"),
        parse_keys(keys),
        flags.choice("sig_proxy") is not False,
    )
    if not detached:
        check_input(wish)
    container = make_container(client, body, flags)
    if detached:
        _start(client, container)
        click.echo(container)
        return 0
    until = "removed" if flags.given("rm") else "next-exit"
    return in_foreground(client, container, wish, lambda: _start(client, container), until, keys)


@command("create", help="Create a new container", words_follow=True)
@create_flags
@click.argument("image", metavar="IMAGE")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND] [ARG...]")
@pass_client
def create(client: Client, /, image: str, words: tuple[str, ...], **values: object) -> None:
    flags = Flags(values)
    click.echo(make_container(client, create_body(image, words, flags, False), flags))


def make_container(client: Client, body: Json, flags: Flags) -> str:
    """Create it, pulling its image if need be; returns its id."""
    cidfile = Path(flags.text("cidfile")) if flags.text("cidfile") else None
    if cidfile and cidfile.exists():
        raise Fault(f"container ID file found, make sure the other container isn't running or delete {cidfile}", USAGE)
    query = {"name": flags.text("name"), "platform": flags.text("platform")}
    if flags.text("pull") == "always":
        _pull(client, body, flags)
    try:
        answer = client.post_object("/containers/create", query, body)
    except DaemonRefused as refusal:
        if refusal.code != 404 or not refusal.message.startswith("No such image") or flags.text("pull") == "never":
            raise
        click.echo(f"Unable to find image '{_tagged(text(body, 'Image'))}' locally", err=True)
        _pull(client, body, flags)
        answer = client.post_object("/containers/create", query, body)
    for warning in texts(answer, "Warnings"):
        click.echo(f"WARNING: {warning}", err=True)
    if cidfile:
        cidfile.write_text(text(answer, "Id"))
    return text(answer, "Id")


def _pull(client: Client, body: Json, flags: Flags) -> None:
    query = {"fromImage": _tagged(text(body, "Image")), "platform": flags.text("platform")}
    answer = client.request("POST", "/images/create", query)
    show_progress(answer.lines(), sys.stderr, quiet=flags.given("quiet"))


def _tagged(image: str) -> str:
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def _start(client: Client, container: str) -> None:
    client.post(f"/containers/{container}/start")


def _as_dockers(fault: Fault) -> Fault:
    """`docker run` tells apart that it failed (125), that the command cannot be run (126) or found (127)."""
    said = fault.text
    status = fault.status
    if isinstance(fault, DaemonRefused):
        status = USAGE
        if "executable file not found" in said or "no such file or directory" in said.lower():
            status = NOT_FOUND
        elif "permission denied" in said.lower() or "is a directory" in said:
            status = NOT_EXECUTABLE
    return Fault(f"fairlead: {said}\n\nRun 'fairlead run --help' for more information", status)
