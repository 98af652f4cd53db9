"""Registries, by skopeo: it knows their protocol, tokens, mirrors and proxies; here is what to ask it for.

Layers are brought into an OCI layout, because there skopeo leaves out the blobs that are in place already: known ones
are linked in first. Such a layout rewrites configuration and manifest, whose bytes are the image's identity; these
two are therefore asked for raw, and the rewritten ones go with the layout. A push reads a plain directory
(skopeo's `dir:`) of links to the blobs, which keeps every byte as it is.

Credentials travel in a file that only this user may read, never in an argument list. An empty one keeps the
credentials of the user who started the daemon out of everybody's pulls.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fairlead.effects.oci import skopeo
from fairlead.effects.oci.blobs import digest_of
from fairlead.model.config import Registries
from fairlead.model.errors import Invalid, Unauthorized
from fairlead.model.image import Platform, RegistryAuth
from fairlead.model.reference import Reference, may_be_insecure

_LOOK_EVERY = 0.1
_MACHINES = {
    "x86_64": Platform("linux", "amd64"),
    "aarch64": Platform("linux", "arm64", "v8"),
    "armv7l": Platform("linux", "arm", "v7"),
}
_PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
_HOST = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_NO_SETTINGS = Registries()
_DIRECTORY_VERSION = "Directory Transport Version: 1.1\n"


class Registry:
    """One object for all registries; every question is a process of its own."""

    def __init__(self, root: Path, registries: Registries = _NO_SETTINGS) -> None:
        machine = os.uname().machine
        self.host = _MACHINES.get(machine, Platform("linux", machine))
        self._staging = root / "staging"
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o710)
        self._environment = {
            "PATH": os.defpath,
            "HOME": "/nonexistent",
            "TMPDIR": str(self._staging),
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        }
        self._insecure = registries.insecure
        self._settings: tuple[str, ...] = ()
        if registries.mirrors:
            settings = root / "registries.conf"
            settings.write_text(_mirrored(registries.mirrors))
            self._settings = (f"--registries-conf={settings}",)

    async def manifest(self, reference: Reference, auth: RegistryAuth | None) -> bytes:
        """The raw manifest or list."""
        return await self._pull(reference, auth, "inspect", "--raw")

    async def config(self, reference: Reference, auth: RegistryAuth | None) -> bytes:
        """The raw configuration of the image whose manifest (no list) the reference names."""
        return await self._pull(reference, auth, "inspect", "--raw", "--config")

    async def tags(self, reference: Reference, auth: RegistryAuth | None) -> Sequence[str]:
        answer = json.loads(await self._pull(reference, auth, "list-tags"))
        return [str(tag) for tag in answer.get("Tags") or ()]

    def blob(self, target: Path, digest: str) -> Path:
        """Where `fetch` puts a blob."""
        return target / "blobs" / digest.replace(":", "/", 1)

    async def fetch(
        self, reference: Reference, auth: RegistryAuth | None, target: Path, known: Mapping[str, Path]
    ) -> AsyncGenerator[Mapping[str, int], None]:
        """Bring the blobs of an image, but the known ones; yields the bytes there are so far by digest.

        Under "" are those of blobs that are not complete.
        """
        blobs, layout = target / "blobs", target / "layout"
        (blobs / "sha256").mkdir(parents=True, exist_ok=True)
        layout.mkdir()
        for digest, path in known.items():
            os.link(path, self.blob(target, digest))
        destination = (f"--dest-shared-blob-dir={blobs}", "--dest-oci-accept-uncompressed-layers")
        question = self._pull(reference, auth, "copy", "--quiet", *destination, then=(f"oci:{layout}:image",))
        copying = asyncio.ensure_future(question)
        try:
            while not copying.done():
                await asyncio.wait({copying}, timeout=_LOOK_EVERY)
                yield _progress(blobs / "sha256", layout)
            await copying
        finally:
            copying.cancel()

    async def push(
        self, reference: Reference, auth: RegistryAuth | None, manifest: bytes, blobs: Mapping[str, Path]
    ) -> tuple[str, int]:
        """Send an image; returns digest and size of the manifest that the registry now has.

        They differ from the given one's where layers had to be compressed on the way.
        """
        with TemporaryDirectory(dir=self._staging) as name:
            source = Path(name)
            (source / "manifest.json").write_bytes(manifest)
            (source / "version").write_text(_DIRECTORY_VERSION)
            for digest, path in blobs.items():
                os.link(path, source / digest.removeprefix("sha256:"))
            digest_file = source / "pushed"
            options = self._options(reference, "dest-", _authfile(source, reference, auth))
            arguments = ("--insecure-policy", "copy", "--quiet", *options, f"--digestfile={digest_file}")
            done = await skopeo.run((*arguments, f"dir:{source}", _address(reference)), self._environment)
            if done.status:
                raise skopeo.refusal(done.stderr, reference, "push")
            pushed = digest_file.read_text().strip()
        if pushed == digest_of(manifest):
            return pushed, len(manifest)
        return pushed, len(await self.manifest(reference, auth))

    async def login(self, server: str, auth: RegistryAuth) -> None:
        """Ask a registry whether it takes a name and a password. Raises `Unauthorized`, `Failed` when it is not there,
        and `Invalid` for what is no registry's address or no name."""
        host = server.partition("://")[2] or server
        host = host.partition("/")[0].removeprefix("index.") or "docker.io"
        if not _HOST.fullmatch(host):
            raise Invalid(f"invalid registry address: {server[:256]!r}")
        if "\0" in auth.username:
            raise Invalid(f"invalid user name: {auth.username[:256]!r}")
        with TemporaryDirectory(dir=self._staging) as name:
            password = Path(name) / "password"
            password.write_text(auth.password)
            options = (f"--authfile={name}/auth", f"--username={auth.username}", "--password-stdin")
            verify = ("--tls-verify=false",) if may_be_insecure(host, self._insecure) else ()
            with password.open() as source:
                arguments = ("login", *options, *verify, host)
                done = await skopeo.run(arguments, self._environment, source.fileno())
        if done.status:
            said = skopeo.words(done.stderr)
            raise skopeo.unreachable(said) or Unauthorized(f"login attempt to {host} failed: {said}")

    async def _pull(
        self, reference: Reference, auth: RegistryAuth | None, *command: str, then: Sequence[str] = ()
    ) -> bytes:
        """`skopeo command REFERENCE then`; raises `NotFound` or `Failed` in Docker's words."""
        side = "src-" if command[0] == "copy" else ""
        address = f"docker://{reference.repository}" if command[0] == "list-tags" else _address(reference)
        with TemporaryDirectory(dir=self._staging) as name:
            options = self._options(reference, side, _authfile(Path(name), reference, auth))
            arguments = (*self._settings, "--insecure-policy", *command, *options, address, *then)
            done = await skopeo.run(arguments, self._environment)
        if done.status:
            raise skopeo.refusal(done.stderr, reference, "pull")
        return done.stdout

    def _options(self, reference: Reference, side: str, authfile: Path) -> tuple[str, ...]:
        """Certificates are checked unless something else is said, here or for a mirror in the settings."""
        verify = (f"--{side}tls-verify=false",) if may_be_insecure(reference.domain, self._insecure) else ()
        return (f"--{side}authfile={authfile}", *verify)


def _mirrored(mirrors: Sequence[str]) -> str:
    """containers-registries.conf(5)."""
    lines = ["[[registry]]", 'location = "docker.io"']
    for scheme, _, place in (mirror.rstrip("/").partition("://") for mirror in mirrors):
        lines += ["[[registry.mirror]]", f"location = {json.dumps(place)}"]
        lines += ["insecure = true"] if scheme == "http" else []
    return "\n".join(lines) + "\n"


def _address(reference: Reference) -> str:
    """With both tag and digest, the digest decides (skopeo takes one)."""
    suffix = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    return f"docker://{reference.repository}{suffix}"


def _authfile(directory: Path, reference: Reference, auth: RegistryAuth | None) -> Path:
    """containers-auth.json(5)."""
    entry: dict[str, str] = {}
    if auth is not None and (auth.username or auth.identity_token):
        user = auth.username or "<token>"
        entry["auth"] = base64.b64encode(f"{user}:{auth.password}".encode()).decode()
        if auth.identity_token:
            entry["identitytoken"] = auth.identity_token
    path = directory / "auth.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"auths": {reference.domain: entry} if entry else {}}, file)
    return path


def _progress(complete: Path, layout: Path) -> Mapping[str, int]:
    """Sizes of what is there: complete blobs by digest, and the sum of skopeo's unfinished files under ""."""
    there = {f"sha256:{entry.name}": entry.stat().st_size for entry in os.scandir(complete)}
    partial = 0
    for entry in os.scandir(layout):
        if entry.name.startswith("oci-put-blob"):
            try:
                partial += entry.stat().st_size
            except FileNotFoundError:
                continue
    return {**there, "": partial}
