"""Lists as docker prints them: aligned columns, one JSON object a line, or a Go template a row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fairlead.cli.format.template import Template

MIN_WIDTH, PADDING = 10, 3

Row = Mapping[str, object]


def align(rows: Sequence[Sequence[str]], least: int = MIN_WIDTH) -> str:
    """Columns at least `least` wide and 3 apart; the last one ends where it ends."""
    if not rows:
        return ""
    columns = max(len(row) for row in rows)
    widths = [
        max(least, PADDING + max((len(row[at]) for row in rows if at < len(row)), default=0)) for at in range(columns)
    ]
    return "".join(
        "".join(cell.ljust(widths[at]) for at, cell in enumerate(row[:-1])) + (row[-1] if row else "") + "\n"
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """A kind of list: the header of every field that a format may name, and the table shown without one."""

    headers: Mapping[str, str]
    default: str
    quiet: str = "{{.ID}}"

    def render(self, rows: Iterable[Row], template: str = "", quiet: bool = False) -> str:
        chosen = self.quiet if quiet and not template else template or "table"
        if chosen == "json":
            return "".join(json.dumps(dict(row), separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows)
        if chosen == "table" or chosen.startswith("table "):
            return self._table(rows, chosen[6:].strip() or self.default)
        return "".join(_row(Template(chosen), row) + "\n" for row in rows)

    def _table(self, rows: Iterable[Row], columns: str) -> str:
        template = Template(columns)
        return align([line.split("\t") for line in (_row(template, row) for row in [self.headers, *rows])])


def _row(template: Template, row: Row) -> str:
    return template.render(row)
