"""`docker top`: ps(1) of the host, cut down to a container's processes; and its traffic, from /proc."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from fairlead.effects.oci.process import run
from fairlead.model.errors import Invalid
from fairlead.model.runtime import InterfaceCounters

DEFAULT_ARGUMENTS = "-ef"


async def top(pids: Collection[int], arguments: str, env: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    """Titles and lines. Raises Invalid when ps refuses its arguments or is not asked for pids."""
    try:
        words = shlex.split(arguments or DEFAULT_ARGUMENTS)
    except ValueError as error:
        raise Invalid(f"ps arguments: {error}") from error
    done = await run(["ps", *words], env)
    if done.status != 0:
        raise Invalid(f"ps: {done.stderr.decode(errors='replace').strip()}")
    return select(done.stdout.decode(errors="replace"), pids)


def select(text: str, pids: Collection[int]) -> tuple[list[str], list[list[str]]]:
    """ps's table with only the lines of `pids`; the last column keeps its spaces."""
    title, *lines = text.splitlines()
    titles = title.split()
    if "PID" not in titles:
        raise Invalid("Couldn't find PID field in ps output")
    column = titles.index("PID")
    table = (line.split(None, len(titles) - 1) for line in lines)
    return titles, [
        fields for fields in table if len(fields) > column and fields[column].isdigit() and int(fields[column]) in pids
    ]


def traffic(pid: int) -> Sequence[InterfaceCounters]:
    """The counters of every interface but lo in a process's network namespace, by proc_pid_net(5)."""
    try:
        text = Path(f"/proc/{pid}/net/dev").read_text()
    except OSError:
        return ()
    return [counters for line in text.splitlines()[2:] if (counters := _counters(line)).name != "lo"]


def _counters(line: str) -> InterfaceCounters:
    name, _, numbers = line.partition(":")
    values = [int(number) for number in numbers.split()]
    return InterfaceCounters(name.strip(), *values[0:4], *values[8:12])
