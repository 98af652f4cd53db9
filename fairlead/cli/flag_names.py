"""What a flag is called: on the command line and as a parameter."""

from __future__ import annotations


def flag_names(short: str, long: str, alias: str = "") -> list[str]:
    """All that `click.option` takes as the names of one flag; `long` may be "--one/--other"."""
    parameter = long[2:].partition("/")[0].replace("-", "_")
    return [name for name in (short, long, alias, parameter) if name]
