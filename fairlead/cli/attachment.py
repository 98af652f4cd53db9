"""A container in the foreground: attach first, then whatever starts it, and end with its exit status."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fairlead.cli.client import Answer, Client, Query
from fairlead.cli.faults import Fault
from fairlead.cli.fields import number, text
from fairlead.cli.session import Joining, Session
from fairlead.cli.terminal import forwarded, is_terminal


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a container a user wants to have: its streams, its signals."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    keys: bytes
    sig_proxy: bool = True


def attach(client: Client, container: str, wish: Wish, detach_keys: str = "") -> Session:
    query: Query = {
        "stream": 1,
        "stdin": wish.stdin,
        "stdout": wish.stdout,
        "stderr": wish.stderr,
        "detachKeys": detach_keys,
    }
    taken = client.hijack(f"/containers/{container}/attach", query)
    joining = Joining(wish.stdin, wish.tty, wish.keys, f"/containers/{container}/resize")
    return Session(client, taken, joining)


def check_input(wish: Wish) -> None:
    if wish.tty and wish.stdin and not is_terminal(sys.stdin.fileno()):
        raise Fault("the input device is not a TTY")


def in_foreground(
    client: Client, container: str, wish: Wish, start: Callable[[], None], until: str = "next-exit", keys: str = ""
) -> int:
    """Attach, start, stay until it ends; returns its exit status, 0 after detaching.

    The order matters: attached and waiting before the start, nothing that it says or how it ends can be missed.
    """
    session = attach(client, container, wish, keys)
    waiting = client.request("POST", f"/containers/{container}/wait", {"condition": until})
    with _signals(client, container, wish):
        start()
        session.run()
        if session.detached:
            return 0
        return exit_status(waiting)


def exit_status(waiting: Answer) -> int:
    """Of a `wait` whose headers are here."""
    answer = waiting.json()
    if reason := text(answer, "Error", "Message"):
        raise Fault(f"Error waiting for container: {reason}", 125)
    return number(answer, "StatusCode")


@contextlib.contextmanager
def _signals(client: Client, container: str, wish: Wish) -> Iterator[None]:
    def forward(name: str) -> None:
        with contextlib.suppress(Fault):
            client.post(f"/containers/{container}/kill", {"signal": name})

    with forwarded(forward) if wish.sig_proxy and not wish.tty else contextlib.nullcontext():
        yield
