"""The user's terminal: raw while a container has it, its size, and back to what it was whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator


def is_terminal(fd: int) -> bool:
    return os.isatty(fd)


def size() -> tuple[int, int]:
    """(rows, columns); (0, 0) when there is no terminal."""
    for stream in (sys.stdout, sys.stdin, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            found = os.get_terminal_size(stream.fileno())
            return found.lines, found.columns
    return 0, 0


def size_for(tty: bool) -> tuple[int, int]:
    """The size that a new terminal shall have from the start, before anybody can tell it of a change."""
    return size() if tty else (0, 0)


@contextlib.contextmanager
def raw(fd: int) -> Iterator[None]:
    """Every key goes through as it is typed; no effect where `fd` is no terminal."""
    if not is_terminal(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextlib.contextmanager
def on_resize(tell: Callable[[int, int], None]) -> Iterator[None]:
    """Tell the size now and whenever it changes."""
    before = signal.signal(signal.SIGWINCH, lambda number, frame: tell(*size()))
    try:
        tell(*size())
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


@contextlib.contextmanager
def forwarded(forward: Callable[[str], None]) -> Iterator[None]:
    """Give the signals that would end us to somebody else (`--sig-proxy`)."""
    names = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
    before = {name: signal.signal(getattr(signal, name), lambda number, _: forward(_name(number))) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _name(number: int) -> str:
    return signal.Signals(number).name
