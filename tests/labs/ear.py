"""Listens in between the docker CLI and a daemon: the CLI prints messages, but not the statuses they came with."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import cast

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Ear(ThreadingUnixStreamServer):
    """A socket that passes everything on to the daemon's and notes the status lines that come back."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, daemon: Path) -> None:
        self.socket_path, self.daemon_path = path, daemon
        self._heard: list[int] = []
        super().__init__(str(path), _Passage)

    def note(self, status: int) -> None:
        self._heard.append(status)

    def refusal(self) -> int:
        """The last status from 400 upwards since the previous call, or 0."""
        heard, self._heard = self._heard, []
        return next((status for status in reversed(heard) if status >= 400), 0)


@contextmanager
def listening(path: Path, daemon: Path) -> Iterator[Ear]:
    with Ear(path, daemon) as ear:
        thread = threading.Thread(target=ear.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield ear
        finally:
            ear.shutdown()
            thread.join()
            path.unlink()


class _Passage(StreamRequestHandler):
    def handle(self) -> None:
        ear = cast(Ear, self.server)
        with socket.socket(socket.AF_UNIX) as daemon, suppress(OSError):
            daemon.connect(str(ear.daemon_path))
            self._pass_on(ear, daemon)

    def _pass_on(self, ear: Ear, daemon: socket.socket) -> None:
        others = {self.connection: daemon, daemon: self.connection}
        while others:
            for source in select.select(list(others), [], [])[0]:
                data = source.recv(65536)
                if source is daemon and (found := _STATUS.match(data)):
                    ear.note(int(found[1]))
                if data:
                    others[source].sendall(data)
                else:
                    with suppress(OSError):
                        others[source].shutdown(socket.SHUT_WR)
                    del others[source]
            if daemon not in others:
                return
