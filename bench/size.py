"""How large one host can be: `python -m bench.size [containers]`, 1,100 on one network unless told otherwise.

Prints seconds and the daemon's memory as it grows; then who reaches whom from the first and the last container, and
what a crash of the daemon costs. Takes minutes; the host is a lab of its own and is removed in the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from fairlead.lab.machine import Machine
from tests.chaos.api import Api, spec
from tests.chaos.audit import Question, ask
from tests.support.images import provide
from tests.support.machines import machine

CLIENTS, STEP = 4, 100
CHUNK = 200
"""Questions at a time: the neighbour tables of labs, which they share with the machine, hold 1,024 entries."""


def main(containers: int) -> None:
    with machine() as host:
        provide(host, "busybox")
        api = Api(host.socket, timeout=300)
        api.create_network("big", IPAM={"Config": [{"Subnet": "10.77.0.0/16"}]})
        with timed(f"{containers} containers"):
            ids = grow(host, api, containers)
        questions = list(among([api.inspect(each) for each in ids]))
        with timed(f"{len(questions)} questions from the first and the last"):
            report(host, questions)
        host.kill()
        with timed("restart of the daemon after a crash"):
            host.start()
        report(host, questions[:: len(questions) // CHUNK or 1])
        with timed("removal of all"):
            every(lambda each: api.delete(f"/containers/{each}?force=1"), ids)
        api.delete("/networks/big")


def grow(host: Machine, api: Api, containers: int) -> list[str]:
    ids: list[str] = []
    for first in range(0, containers, STEP):
        began = time.monotonic()
        numbers = range(first, min(first + STEP, containers))
        with ThreadPoolExecutor(CLIENTS) as clients:
            ids += clients.map(lambda number: api.run(f"c{number}", spec("big")), numbers)
        memory = host.sh(f"awk '/VmRSS/ {{print $2}}' /proc/{host.daemon_pid}/status").stdout.strip()
        print(f"{len(ids):6} containers  {time.monotonic() - began:6.1f} s  {memory} kB")
    return ids


def every(verb: Callable[[str], object], subjects: Sequence[str]) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(verb, subjects))


def among(described: Sequence[Any]) -> Iterator[Question]:
    for asking in (described[0], described[-1]):
        ns = asking["NetworkSettings"]["SandboxKey"]
        for each in described:
            address = each["NetworkSettings"]["Networks"]["big"]["IPAddress"]
            yield ns, "name", f"{each['Name'][1:]}.", address
            yield ns, "http", f"{address}:80", each["Id"][:12]


def report(host: Machine, questions: Sequence[Question]) -> None:
    chunks = (questions[at : at + CHUNK] for at in range(0, len(questions), CHUNK))
    faults = [fault for chunk in chunks for fault in ask(host, chunk)]
    print(f"{len(questions)} questions, {len(faults)} wrong answers", *faults[:5], sep="\n  ")


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1100)
