"""Images on the move: pull, push, load, save, import."""

from __future__ import annotations

import base64
import json
import sys

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, pass_client
from fairlead.cli.fields import text
from fairlead.cli.files import read_stream, write_stream
from fairlead.cli.progress import show_progress
from fairlead.cli.registries import credentials_for

TAR = {"Content-Type": "application/x-tar"}


def registry_auth(image: str) -> dict[str, str]:
    """The header with the user's credentials for the image's registry."""
    found = credentials_for(image)
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(found).encode()).decode()}


@command("pull", help="Download an image from a registry")
@click.option("-a", "--all-tags", is_flag=True, help="Download all tagged images in the repository")
@click.option("--platform", default="", help="Set platform if server is multi-platform capable")
@click.option("-q", "--quiet", is_flag=True, help="Suppress verbose output")
@click.argument("image", metavar="NAME[:TAG|@DIGEST]")
@pass_client
def pull(client: Client, all_tags: bool, platform: str, quiet: bool, image: str) -> None:
    tagged = "@" in image or ":" in image.rpartition("/")[2]
    if not tagged and not all_tags:
        if not quiet:
            click.echo("Using default tag: latest")
        image += ":latest"
    query = {"fromImage": image, "platform": platform}
    answer = client.request("POST", "/images/create", query, headers=registry_auth(image))
    show_progress(answer.lines(), sys.stdout, quiet)
    click.echo(_canonical(image))


def _canonical(image: str) -> str:
    host, separator, _ = image.partition("/")
    if not separator:
        return f"docker.io/library/{image}"
    return image if "." in host or ":" in host or host == "localhost" else f"docker.io/{image}"


@command("push", help="Upload an image to a registry")
@click.option("-q", "--quiet", is_flag=True, help="Suppress verbose output")
@click.argument("image", metavar="NAME[:TAG]")
@pass_client
def push(client: Client, quiet: bool, image: str) -> None:
    name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    if not quiet and name == image:
        click.echo("Using default tag: latest")
    answer = client.request("POST", f"/images/{name}/push", {"tag": tag}, headers=registry_auth(image))
    show_progress(answer.lines(), sys.stdout, quiet)
    if quiet:
        click.echo(_canonical(f"{name}:{tag}"))


@command("load", help="Load an image from a tar archive or STDIN")
@click.option("-i", "--input", "path", default="", help="Read from tar archive file, instead of STDIN")
@click.option("-q", "--quiet", is_flag=True, help="Suppress the load output")
@pass_client
def load(client: Client, path: str, quiet: bool) -> None:
    answer = client.request("POST", "/images/load", {"quiet": quiet}, read_stream(path), TAR)
    show_progress(answer.lines(), sys.stdout)


@command("save", help="Save one or more images to a tar archive (streamed to STDOUT by default)")
@click.option("-o", "--output", default="", help="Write to a file, instead of STDOUT")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE [IMAGE...]")
@pass_client
def save(client: Client, output: str, images: tuple[str, ...]) -> None:
    write_stream(client.request("GET", "/images/get", {"names": list(images)}).chunks(), output)


@command("import", help="Import the contents from a tarball to create a filesystem image")
@click.option("-c", "--change", "changes", multiple=True, help="Apply Dockerfile instruction to the created image")
@click.option("-m", "--message", default="", help="Set commit message for imported image")
@click.option("--platform", default="", help="Set platform if server is multi-platform capable")
@click.argument("source", metavar="file|URL|-")
@click.argument("repository", required=False, default="", metavar="[REPOSITORY[:TAG]]")
@pass_client
def import_(
    client: Client, changes: tuple[str, ...], message: str, platform: str, source: str, repository: str
) -> None:
    is_url = source.startswith(("http://", "https://"))
    answer = client.request(
        "POST",
        "/images/create",
        {
            "fromSrc": source if is_url else "-",
            "repo": repository,
            "message": message,
            "platform": platform,
            "changes": list(changes),
        },
        None if is_url else read_stream(source),
        TAR,
    )
    for line in answer.lines():
        click.echo(text(line, "status"))
