"""What goes wrong for a user of the command line, and the exit status that scripts see."""

from __future__ import annotations

USAGE = 125
"""The command line itself is wrong, or the daemon refused to make the container."""


class Fault(Exception):  # noqa: N818 - printed to users, who know what it is
    """Ends the command: `text` goes to standard error, `status` to the shell."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.text, self.status = text, status


class DaemonRefused(Fault):
    """The daemon answered with an error; `code` is its HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"Error response from daemon: {message}")
        self.code, self.message = code, message


class NoDaemon(Fault):
    """Nobody answers on the socket."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"Cannot connect to the Fairlead daemon at {host}. Is it running? ({reason})")
