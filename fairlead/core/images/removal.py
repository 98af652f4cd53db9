"""What `docker rmi` and `docker image prune` may take away, decided over values.

A removal by name takes the name off, and the image with the last one; by id it takes all names of one repository
and the image. Conflicts are hard (a running container, images built on it) or soft, which `force` overrides
(a stopped container, names in several repositories).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.model.container import Container
from fairlead.model.errors import Conflict
from fairlead.model.ids import short
from fairlead.model.image import Image
from fairlead.model.reference import Reference


@dataclass(frozen=True, slots=True)
class Standing:
    """How an image stands: what refers to it, what uses it, what was built on it."""

    image: Image
    references: Sequence[Reference]
    users: Sequence[Container]
    children: Sequence[Image]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`references` are to be taken off; `delete` whether the image goes too."""

    references: tuple[Reference, ...]
    delete: bool


def remove_by_name(standing: Standing, name: Reference, force: bool) -> Verdict:
    """Raises `Conflict`. `name` is one of the standing's references."""
    if not force and standing.users and _single(standing.references):
        raise Conflict(
            f'conflict: unable to remove repository reference "{name.familiar}" (must force) - '
            f"container {short(standing.users[0].id)} is using its referenced image {short_id(standing.image)}"
        )
    taken = [name]
    rest = [reference for reference in standing.references if reference != name]
    if not name.digest and not any(other.tag and other.repository == name.repository for other in rest):
        taken += [other for other in rest if other.digest and other.repository == name.repository]
    left = [reference for reference in rest if reference not in taken]
    return Verdict(tuple(taken), not left and _conflict(standing, force) is None)


def remove_by_id(standing: Standing, force: bool) -> Verdict:
    """Raises `Conflict`."""
    problem = _conflict(standing, force)
    if problem is None and not force and not _single(standing.references):
        problem = ("image is referenced in multiple repositories", False)
    if problem:
        words, hard = problem
        forced = "cannot be forced" if hard else "must be forced"
        raise Conflict(f"conflict: unable to delete {short_id(standing.image)} ({forced}) - {words}")
    return Verdict(tuple(standing.references), True)


def removable_parent(standing: Standing) -> bool:
    """Whether an image that only its removed child needed goes along: nothing names, uses or builds on it."""
    return not (standing.references or standing.users or standing.children)


def prunable(standing: Standing, dangling_only: bool) -> bool:
    """Whether prune may take the image: unused, nothing built on it, and nameless unless all are meant."""
    return not (standing.users or standing.children or (dangling_only and standing.references))


def short_id(image: Image) -> str:
    return short(image.id.removeprefix("sha256:"))


def _conflict(standing: Standing, force: bool) -> tuple[str, bool] | None:
    """(words, hard) of what stands in the way."""
    if standing.children:
        return "image has dependent child images", True
    for container in standing.users:
        if container.state.running:
            return f"image is being used by running container {short(container.id)}", True
    if standing.users and not force:
        return f"image is being used by stopped container {short(standing.users[0].id)}", False
    return None


def _single(references: Sequence[Reference]) -> bool:
    """Whether there is at most one tag, and all references are of one repository."""
    tags = [reference for reference in references if not reference.digest]
    return len(tags) <= 1 and len({reference.repository for reference in references}) <= 1
