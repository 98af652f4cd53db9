"""What can be refused, and whose fault it is.

Every error a user may see is a `Refusal`: its text is the whole message, and its class decides the
HTTP status (`fairlead.api.status`). Anything else that escapes is a fault of Fairlead and answers 500.
"""

from __future__ import annotations

from os import strerror


class Refusal(Exception):  # noqa: N818 - it is a refusal, and "Error" would say nothing more
    """A request that cannot be fulfilled, with the reason as a user should read it."""

    @property
    def message(self) -> str:
        return str(self.args[0]) if self.args else self.__class__.__name__


class Invalid(Refusal):
    """The request itself is wrong (400)."""


class Unauthorized(Refusal):
    """The credentials are not accepted (401)."""


class NotAllowed(Refusal):
    """The request is well formed but forbidden by the state it meets (403)."""


class NotFound(Refusal):
    """The named thing does not exist (404)."""


class Conflict(Refusal):
    """The request contradicts what exists, such as a name in use (409)."""


class NotModified(Refusal):
    """The thing is already as the request wants it (304)."""


class Unavailable(Refusal):
    """The node cannot serve this now or in its present role (503)."""


class Unsupported(Refusal):
    """The option exists in Docker and Fairlead does not offer it (501)."""


class Failed(Refusal):
    """The engine tried and the world refused: kernel, runtime, registry (500)."""


class KernelRefused(Failed):
    """A kernel operation failed.

    `operation` is what was tried in words ("create veth veth12ab"), `errno` the kernel's number and
    `detail` its extended-ACK text, if it gave one.
    """

    def __init__(self, operation: str, errno: int, detail: str = "") -> None:
        self.operation, self.errno, self.detail = operation, errno, detail
        text = strerror(errno).lower() if errno else "failed"
        super().__init__(f"{operation}: {text}" + (f" ({detail})" if detail else ""))

    @property
    def missing(self) -> bool:
        """The object was not there: ENOENT, ENODEV, ESRCH, EADDRNOTAVAIL."""
        return self.errno in (2, 3, 19, 99)

    @property
    def exists(self) -> bool:
        """The object was already there: EEXIST."""
        return self.errno == 17


class NamespaceGone(KernelRefused):
    """There is no such namespace (any more)."""


class RuntimeRefused(Failed):
    """The OCI runtime refused; the message is its own reason ("exec: \"foo\": executable file not found in $PATH")."""
