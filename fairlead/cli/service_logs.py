"""`service logs`: lines of many tasks, each behind the name of its task and node."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import BinaryIO

import click

from fairlead.cli.client import Client
from fairlead.cli.command import Flags
from fairlead.cli.faults import DaemonRefused
from fairlead.cli.fields import Json
from fairlead.cli.rows import short
from fairlead.cli.streams import STDERR, STDOUT, frames
from fairlead.cli.task_rows import Names

SYSTEM_ERROR = 3
PREFIX = "com.docker.swarm."


def print_logs(chunks: Iterable[bytes], client: Client, flags: Flags, terminal: bool) -> None:
    if flags.given("raw") or terminal:
        for stream, data in frames(chunks) if not terminal else ((STDOUT, chunk) for chunk in chunks):
            _out(stream).write(data)
            _out(stream).flush()
        return
    prefixes = _Prefixes(client, flags)
    open_lines = {STDOUT: b"", STDERR: b"", SYSTEM_ERROR: b""}
    for stream, data in frames(chunks):
        *lines, open_lines[stream] = (open_lines[stream] + data).split(b"\n")
        for line in lines:
            if stream == SYSTEM_ERROR:
                click.echo(f"error from daemon in stream: {line.decode(errors='replace')}", err=True)
            else:
                _out(stream).write(prefixes.written(line) + b"\n")
                _out(stream).flush()


def _out(stream: int) -> BinaryIO:
    return sys.stdout.buffer if stream == STDOUT else sys.stderr.buffer


class _Prefixes:
    """A line comes as [TIME] DETAILS TEXT; DETAILS tell the task."""

    def __init__(self, client: Client, flags: Flags) -> None:
        self._client, self._flags = client, flags
        self._names = Names(client, resolve=not flags.given("no_resolve"))
        self._known: dict[str, str] = {}
        self._longest = 0

    def written(self, line: bytes) -> bytes:
        time, details, text = b"", b"", line
        if self._flags.given("timestamps"):
            time, _, text = text.partition(b" ")
            time += b" "
        details, _, text = text.partition(b" ")
        told = dict(pair.partition("=")[::2] for pair in details.decode(errors="replace").split(","))
        own = {key: told.pop(f"{PREFIX}{key}.id", "") for key in ("task", "service", "node")}
        if self._flags.given("details") and told:
            text = ",".join(f"{key}={value}" for key, value in sorted(told.items())).encode() + b" " + text
        prefix = self._prefix(own)
        self._longest = max(self._longest, len(prefix))
        return time + f"{prefix.ljust(self._longest)}    | ".encode() + text

    def _prefix(self, own: dict[str, str]) -> str:
        task_id = own["task"]
        if task_id not in self._known:
            self._known[task_id] = self._named(task_id, own)
        return self._known[task_id]

    def _named(self, task_id: str, own: dict[str, str]) -> str:
        name = self._task_name(task_id, own)
        if not self._flags.given("no_task_ids"):
            name += f".{short(task_id, self._flags.given('no_trunc'))}"
        return f"{name}@{self._names.node(own['node'])}"

    def _task_name(self, task_id: str, own: dict[str, str]) -> str:
        task: Json = {"ServiceID": own["service"], "NodeID": own["node"]}
        try:
            task = self._client.get_object(f"/tasks/{task_id}")
        except DaemonRefused as refusal:
            if refusal.code != 404:
                raise
        return self._names.task(task)
