"""Running skopeo: started, watched, and ended when whoever asked has gone."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Mapping, Sequence

from fairlead.effects.oci import process
from fairlead.model.errors import Failed, NotFound, Refusal
from fairlead.model.reference import Reference

_FATAL = re.compile(r'level=(?:fatal|error) msg="((?:[^"\\]|\\.)*)"')
_TRANSPORT = re.compile(r"(?:(?:Get|Head|Post|Put|Patch) \"https?://.*|dial tcp.*)", re.DOTALL)
_DENIED = ("requested access to the resource is denied", "unauthorized", "authentication required", "denied:")


async def run(arguments: Sequence[str], environment: Mapping[str, str], stdin: int | None = None) -> process.Completed:
    """Run `skopeo arguments` to its end. When cancelled, skopeo is killed and collected."""
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    try:
        pid = process.spawn(("skopeo", *arguments), environment, process.Stdio(stdin, out_write, err_write))
    finally:
        os.close(out_write)
        os.close(err_write)
    end = asyncio.ensure_future(process.ended(pid))
    everything = asyncio.gather(process.read_all(out_read), process.read_all(err_read), end)
    try:
        stdout, stderr, status = await asyncio.shield(everything)
    except asyncio.CancelledError:
        if not end.done():
            os.kill(pid, signal.SIGKILL)
        raise
    return process.Completed(status, stdout, stderr)


def refusal(stderr: bytes, reference: Reference, action: str) -> Refusal:
    """skopeo's last words in Docker's. `action` is "pull" or "push"."""
    said = words(stderr)
    if "manifest unknown" in said or "name unknown" in said:
        return NotFound(f"manifest for {reference.familiar} not found: manifest unknown: manifest unknown")
    if any(mark in said for mark in _DENIED):
        if action == "push":
            return Failed("denied: requested access to the resource is denied")
        return NotFound(
            f"pull access denied for {reference.familiar_repository}, repository does not exist or may require "
            "'docker login': denied: requested access to the resource is denied"
        )
    return unreachable(said) or Failed(said or f"{action} of {reference.familiar} failed: skopeo gave no reason")


def unreachable(said: str) -> Failed | None:
    """Why the registry was not reached, in Go's words; None when it was."""
    found = _TRANSPORT.search(said)
    return Failed(found[0]) if found else None


def words(stderr: bytes) -> str:
    """What it said before it gave up."""
    text = stderr.decode("utf-8", "replace")
    found = _FATAL.findall(text)
    if not found:
        return text.strip()
    return str(found[-1]).replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
