"""Where the daemon listens, by docker's rules: `-H`, else DOCKER_HOST, else Fairlead's own socket."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fairlead.cli.faults import Fault, NoDaemon

if TYPE_CHECKING:
    import ssl

DEFAULT_HOST = "unix:///run/fairlead/fairlead.sock"


class Connection(Protocol):
    """What the client needs of a socket, with TLS or without."""

    def recv(self, size: int, /) -> bytes: ...

    def sendall(self, data: bytes, /) -> None: ...

    def shutdown(self, how: int, /) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TlsChoice:
    """`directory` holds ca.pem, cert.pem and key.pem where a file is not named."""

    verify: bool
    directory: Path
    ca: str = ""
    cert: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext:
        import ssl  # most clients speak to a socket of this host and never need it

        context = ssl.create_default_context(cafile=self._file(self.ca, "ca.pem") if self.verify else None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        cert, key = self._file(self.cert, "cert.pem"), self._file(self.key, "key.pem")
        if Path(cert).exists():
            context.load_cert_chain(cert, key)
        return context

    def _file(self, chosen: str, name: str) -> str:
        return chosen or str(self.directory / name)


@dataclass(frozen=True, slots=True)
class Endpoint:
    host: str
    tls: TlsChoice | None = None

    def connect(self) -> Connection:
        """A connection. Raises `NoDaemon`."""
        scheme, _, rest = self.host.partition("://")
        try:
            if scheme == "unix":
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.connect(rest)
                return connection
            if scheme in ("tcp", "http", "https"):
                return self._tcp(rest)
        except OSError as error:
            raise NoDaemon(self.host, error.strerror or str(error)) from error
        raise Fault(f'unable to parse docker host "{self.host}"')

    def _tcp(self, address: str) -> Connection:
        name, _, port = address.partition("/")[0].rpartition(":")
        name = name.removeprefix("[").removesuffix("]") or "127.0.0.1"
        connection = socket.create_connection((name, int(port or 2375)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            return connection
        from fairlead.cli.tls import TlsSocket  # as above

        return TlsSocket(connection, self.tls.context(), name)


def choose_endpoint(host: str, tls: TlsChoice | None) -> Endpoint:
    """From the flags and the environment."""
    chosen = host or os.environ.get("DOCKER_HOST", "") or DEFAULT_HOST
    if "://" not in chosen:
        chosen = f"tcp://{chosen}" if ":" in chosen else f"unix://{chosen}"
    if tls is None and os.environ.get("DOCKER_TLS_VERIFY"):
        tls = TlsChoice(True, certificates())
    return Endpoint(chosen, tls if not chosen.startswith("unix://") else None)


def certificates() -> Path:
    """The directory of the client's certificates."""
    return Path(os.environ.get("DOCKER_CERT_PATH", "") or Path.home() / ".docker")
