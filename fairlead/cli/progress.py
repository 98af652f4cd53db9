"""Progress of pull, push and load: one line for each layer, rewritten in place on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, text


def show_progress(messages: Iterable[Json], out: TextIO, quiet: bool = False) -> str:
    """Show the messages as they come; returns the last status. Raises `Fault` for an error among them."""
    lines = _Lines(out)
    last = ""
    for message in messages:
        if reason := text(message, "errorDetail", "message") or text(message, "error"):
            raise Fault(reason)
        last = text(message, "status") or text(message, "stream").strip() or last
        if not quiet:
            lines.show(message)
    return last


class _Lines:
    """Knows on which line each layer stands."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._places: dict[str, int] = {}
        self._height = 0
        self._moves = out.isatty()

    def show(self, message: Json) -> None:
        layer, status = text(message, "id"), text(message, "status")
        if stream := text(message, "stream"):
            self._out.write(stream)
        elif layer and status:
            self._layer(layer, f"{layer}: {status}", text(message, "progress"))
        elif status:
            self._out.write(status + "\n")
            self._places.clear()
            self._height = 0
        self._out.flush()

    def _layer(self, layer: str, line: str, progress: str) -> None:
        if not self._moves:
            if not progress:
                self._out.write(line + "\n")
            return
        if layer not in self._places:
            self._places[layer] = self._height
            self._height += 1
            self._out.write("\n")
        up = self._height - self._places[layer]
        self._out.write(f"\x1b[{up}A\r\x1b[2K{line} {progress}".rstrip() + f"\x1b[{up}B\r")
