"""`images`, `tag`, `rmi`, `history`, and inspect and prune of the group `image`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import click

from fairlead.cli.client import Client
from fairlead.cli.command import ask, command, filters_query, pass_client
from fairlead.cli.commands.inspect import finder, show_each
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, number, objects, text, texts
from fairlead.cli.format.table import Listing
from fairlead.cli.format.units import go_time, since, size
from fairlead.cli.rows import ellipsis, moment_of, short

IMAGES = Listing(
    {
        "Containers": "CONTAINERS",
        "CreatedAt": "CREATED AT",
        "CreatedSince": "CREATED",
        "Digest": "DIGEST",
        "ID": "IMAGE ID",
        "Repository": "REPOSITORY",
        "SharedSize": "SHARED SIZE",
        "Size": "SIZE",
        "Tag": "TAG",
        "UniqueSize": "UNIQUE SIZE",
        "VirtualSize": "SIZE",
    },
    r"{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
)
WITH_DIGESTS = r"table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"

HISTORY = Listing(
    {
        "Comment": "COMMENT",
        "CreatedAt": "CREATED AT",
        "CreatedBy": "CREATED BY",
        "CreatedSince": "CREATED",
        "ID": "IMAGE",
        "Size": "SIZE",
    },
    r"{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
)

NONE = "<none>"


def image_rows(image: Json, no_trunc: bool, digests: bool) -> Iterator[Mapping[str, object]]:
    """A row for each tag, one with <none> for an image without."""
    created = moment_of(image, "Created")
    by_repository = {name.partition("@")[0]: name.partition("@")[2] for name in texts(image, "RepoDigests")}
    names = [name for name in texts(image, "RepoTags") if name != f"{NONE}:{NONE}"]
    if not names:
        names = [f"{repository}:{NONE}" for repository in by_repository] or [f"{NONE}:{NONE}"]
    for name in names:
        repository, _, tag = name.rpartition(":")
        yield {
            "Containers": "N/A",
            "CreatedAt": go_time(created),
            "CreatedSince": since(created),
            "Digest": by_repository.get(repository, NONE) if digests else NONE,
            "ID": short(text(image, "Id"), no_trunc),
            "Repository": repository,
            "SharedSize": "N/A",
            "Size": size(number(image, "Size"), 3),
            "Tag": tag,
            "UniqueSize": "N/A",
            "VirtualSize": size(number(image, "Size"), 3),
        }


@command("images", help="List images")
@click.option("-a", "--all", "everything", is_flag=True, help="Show all images")
@click.option("--digests", is_flag=True, help="Show digests")
@click.option("-f", "--filter", "terms", multiple=True, help="Filter output based on conditions provided")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@click.option("--no-trunc", is_flag=True, help="Don't truncate output")
@click.option("-q", "--quiet", is_flag=True, help="Only show image IDs")
@click.argument("repository", required=False, default="", metavar="[REPOSITORY[:TAG]]")
@pass_client
def images(
    client: Client, /, everything: bool, terms: tuple[str, ...], template: str, repository: str, **switches: bool
) -> None:
    digests, no_trunc, quiet = switches["digests"], switches["no_trunc"], switches["quiet"]
    if repository:
        terms = (*terms, f"reference={repository}")
    found = client.get_list("/images/json", {"all": everything, "digests": digests, "filters": filters_query(terms)})
    found.sort(key=lambda image: -number(image, "Created"))
    if digests and not template and not quiet:
        template = WITH_DIGESTS
    rows = [row for image in found for row in image_rows(image, no_trunc, digests or ".Digest" in template)]
    click.echo(IMAGES.render(rows, template, quiet), nl=False)


@command("inspect", help="Display detailed information on one or more images")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@click.argument("names", nargs=-1, required=True, metavar="IMAGE [IMAGE...]")
@pass_client
def inspect(client: Client, template: str, names: tuple[str, ...]) -> None:
    show_each(names, template, finder(client, "image"))


@command("tag", help="Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE")
@click.argument("source", metavar="SOURCE_IMAGE[:TAG]")
@click.argument("target", metavar="TARGET_IMAGE[:TAG]")
@pass_client
def tag(client: Client, source: str, target: str) -> None:
    repository, separator, name = target.rpartition(":")
    if not separator or "/" in name:
        repository, name = target, ""
    client.post(f"/images/{source}/tag", {"repo": repository, "tag": name})


@command("rmi", help="Remove one or more images")
@click.option("-f", "--force", is_flag=True, help="Force removal of the image")
@click.option("--no-prune", is_flag=True, help="Do not delete untagged parents")
@click.argument("names", nargs=-1, required=True, metavar="IMAGE [IMAGE...]")
@pass_client
def rmi(client: Client, force: bool, no_prune: bool, names: tuple[str, ...]) -> None:
    reasons: list[str] = []
    for name in names:
        try:
            answer = client.delete(f"/images/{name}", {"force": force, "noprune": no_prune})
        except Fault as fault:
            reasons.append(fault.text)
            continue
        _show_removed(answer)
    if reasons:
        raise Fault("\n".join(reasons))


def _show_removed(answer: object) -> None:
    for change in answer if isinstance(answer, list) else []:
        click.echo(f"Deleted: {change['Deleted']}" if "Deleted" in change else f"Untagged: {text(change, 'Untagged')}")


@command("history", help="Show the history of an image")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@click.option("-H", "--human/--no-human", default=True, help="Print sizes and dates in human readable format")
@click.option("--no-trunc", is_flag=True, help="Don't truncate output")
@click.option("-q", "--quiet", is_flag=True, help="Only show image IDs")
@click.argument("image", metavar="IMAGE")
@pass_client
def history(client: Client, template: str, human: bool, no_trunc: bool, quiet: bool, image: str) -> None:
    steps = client.get_list(f"/images/{image}/history")
    rows = [_history_row(step, human, no_trunc) for step in steps]
    click.echo(HISTORY.render(rows, template, quiet), nl=False)


def _history_row(step: Json, human: bool, no_trunc: bool) -> Mapping[str, object]:
    created = moment_of(step, "Created")
    said = text(step, "CreatedBy").replace("\t", " ")
    return {
        "Comment": text(step, "Comment"),
        "CreatedAt": _iso(created),
        "CreatedBy": said if no_trunc else ellipsis(said, 45),
        "CreatedSince": since(created) if human else _iso(created),
        "ID": short(text(step, "Id"), no_trunc),
        "Size": size(number(step, "Size"), 3) if human else str(number(step, "Size")),
    }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@command("prune", help="Remove unused images")
@click.option("-a", "--all", "everything", is_flag=True, help="Remove all unused images, not just dangling ones")
@click.option("--filter", "terms", multiple=True, help="Provide filter values (e.g. 'until=<timestamp>')")
@click.option("-f", "--force", is_flag=True, help="Do not prompt for confirmation")
@pass_client
def prune(client: Client, everything: bool, terms: tuple[str, ...], force: bool) -> None:
    what = "images without at least one container associated to them" if everything else "dangling images"
    ask(force, f"WARNING! This will remove all {what}.")
    if everything:
        terms = (*terms, "dangling=false")
    answer = client.post_object("/images/prune", {"filters": filters_query(terms)})
    if removed := objects(answer, "ImagesDeleted"):
        click.echo("Deleted Images:")
        for change in removed:
            key = "deleted" if "Deleted" in change else "untagged"
            click.echo(f"{key}: {text(change, key.capitalize())}")
        click.echo()
    click.echo(f"Total reclaimed space: {size(number(answer, 'SpaceReclaimed'))}")
