"""Names of images, `[registry[:port]/]path[:tag][@digest]`, short and in full, by the distribution project's rules.

A name without a registry means Docker Hub ("docker.io"), and one without a slash its "library". Users
read and write the short ("familiar") form; everything is kept under the full form.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from fairlead.model.errors import Invalid

HUB = "docker.io"
LIBRARY = "library/"
DEFAULT_TAG = "latest"
MAXIMUM_NAME = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"\w[\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"

_REFERENCE = re.compile(rf"((?:{_DOMAIN}/)?{_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?", re.ASCII)
_TAG_ALONE = re.compile(_TAG, re.ASCII)
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_HEX_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """`domain` is the registry with its port, `path` the repository in it; `tag` and `digest` may be empty."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The full name without tag and digest: "docker.io/library/busybox"."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_repository(self) -> str:
        """As users write it: "busybox"."""
        if self.domain != HUB:
            return self.repository
        rest = self.path.removeprefix(LIBRARY)
        return self.path if "/" in rest else rest

    @property
    def full(self) -> str:
        return self.repository + self._suffix()

    @property
    def familiar(self) -> str:
        return self.familiar_repository + self._suffix()

    @property
    def tagged(self) -> Reference:
        """With the tag "latest" if it has neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def is_digest(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def as_image_id(text: str) -> str:
    """ "sha256:<hex>" if `text` is a full id with or without its algorithm, else ""."""
    if is_digest(text):
        return text
    return f"sha256:{text}" if _HEX_ID.fullmatch(text) else ""


def is_tag(text: str) -> bool:
    return _TAG_ALONE.fullmatch(text) is not None


@lru_cache(256)
def parse_reference(text: str) -> Reference:
    """Raises `Invalid` with Docker's words: "invalid reference format" and why."""
    if _HEX_ID.fullmatch(text):
        raise Invalid(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = _split(text)
    name = remainder.partition("@")[0].partition(":")[0]
    if name.lower() != name:
        raise Invalid(f"invalid reference format: repository name ({name}) must be lowercase")
    found = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if found is None:
        raise Invalid("invalid reference format")
    path = found[1].removeprefix(f"{domain}/")
    if len(path) > MAXIMUM_NAME:
        raise Invalid(f"invalid reference format: repository name must not be more than {MAXIMUM_NAME} characters")
    digest = found[3] or ""
    if digest and not is_digest(digest):
        raise Invalid(f"invalid reference format: unsupported digest ({digest})")
    return Reference(domain, path, found[2] or "", digest)


def _split(text: str) -> tuple[str, str]:
    """(registry, rest). The first part is a registry if it cannot be a user's name on the Hub."""
    first, slash, rest = text.partition("/")
    if not slash or (not any(mark in first for mark in ".:") and first != "localhost" and first.lower() == first):
        first, rest = HUB, text
    if first == f"index.{HUB}":
        first = HUB
    if first == HUB and "/" not in rest:
        rest = LIBRARY + rest
    return first, rest


def may_be_insecure(domain: str, insecure: Iterable[str] = ()) -> bool:
    """Whether plain HTTP and unknown certificates are fine for a registry: on this host's loopback, and for those of
    `insecure`, which are domains or networks (CIDR)."""
    host = domain.rpartition(":")[0] if re.search(r":[0-9]+$", domain) else domain
    allowed = frozenset(insecure)
    if host == "localhost" or not allowed.isdisjoint((domain, host)):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or any(address in ipaddress.ip_network(one, False) for one in allowed if "/" in one)
