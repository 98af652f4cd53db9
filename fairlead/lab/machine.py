"""A host of a lab as its user sees it: its Fairlead daemon, the docker CLI on it, a shell, a fetch."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fairlead.lab.node import Node, until
from fairlead.lab.topology import Host
from fairlead.lab.transcript import Transcript
from fairlead.model.errors import Failed, Invalid, Unavailable

SOCKET = "fairlead.sock"
STOP_GRACE = 12.0
"""Seconds a daemon has after SIGTERM: its own promise is 10."""


class Machine:
    """One host. Paths are the same inside and outside the node, so `socket` works from both."""

    def __init__(self, host: Host, node: Node, flags: Sequence[str] = (), transcript: Transcript | None = None) -> None:
        self.host, self.node = host, node
        self._transcript = transcript or Transcript()
        self.name = host.name
        self.flags = (*flags, *(host.daemon or ()))
        self.directory = node.directory
        self.socket = node.directory / SOCKET
        self.log = node.directory / "daemon.log"
        self.pidfile = node.directory / "daemon.pid"
        self._started: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Its first underlay address, "" when it has none."""
        return next((str(link.address.ip) for link in self.host.links if link.address), "")

    # --- the daemon ---------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the daemon and return at once; `ready` waits for it."""
        command = [sys.executable, "-m", "fairlead", "daemon"]
        command += ["-H", f"unix://{self.socket}", "--pidfile", str(self.pidfile), "--hostname", self.name]
        command += ["--data-root", str(self.directory / "data"), "--exec-root", str(self.directory / "exec")]
        self._started = self.node.spawn([*command, *self.flags], self.log)

    def ready(self, seconds: float = 30) -> None:
        """Return once the daemon answers; raises `Failed` with the end of its log when it ended or is too slow."""
        try:
            until(lambda: self.answers() or self._ended(), f"the daemon of {self.name} to answer", seconds)
            if self._ended():
                raise Failed(f"the daemon of {self.name} ended at once")
        except Failed as failure:
            raise Failed(f"{failure.message}; the end of {self.log}:\n{self._last_words()}") from None

    def _ended(self) -> bool:
        return self._started is not None and self._started.poll() is not None

    @property
    def has_daemon(self) -> bool:
        return self.host.daemon is not None

    def _require_daemon(self) -> None:
        if not self.has_daemon:
            raise Invalid(f"{self.name} is a host without a daemon: its topology says daemon = false")

    def _require_life(self) -> None:
        if not self.node.alive:
            raise Unavailable(f'{self.name} does not run; "fairlead lab reboot {self.name}" starts it')

    def start(self) -> None:
        self._require_daemon()
        self._require_life()
        self._transcript.add(f"start {self.name}")
        if not self.answers():
            self.launch()
            self.ready()

    def stop(self) -> None:
        """SIGTERM, as a service manager stops it; containers keep running."""
        self._require_daemon()
        self._transcript.add(f"stop {self.name}")
        self._signal("TERM")

    def kill(self) -> None:
        """SIGKILL, as a crash does."""
        self._require_daemon()
        self._transcript.add(f"kill {self.name}")
        self._signal("KILL")

    def pause(self) -> None:
        """SIGSTOP: the daemon does nothing until `resume`, and does not know that it did nothing."""
        self.node.run(["kill", "-STOP", str(self.daemon_pid)])

    def resume(self) -> None:
        self.node.run(["kill", "-CONT", str(self.daemon_pid)], check=False)
        if self._started is not None:
            # It stops itself along with the daemon, and would not collect it when it ends.
            self._started.send_signal(signal.SIGCONT)

    def answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = _UnixConnection(self.socket)
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
        return False

    def call(self, method: str, path: str, body: object = None, seconds: float = 60) -> object:
        """A call of the daemon's API: its JSON answer, None for none. Raises `Failed` with what it said."""
        content = {"Content-Type": "application/json"} if body is not None else {}
        connection = _UnixConnection(self.socket, seconds)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, content)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{self.name}: {method} {path}: {error}") from error
        finally:
            connection.close()
        said = json.loads(text) if text.strip() else None
        if answer.status >= http.client.BAD_REQUEST:
            reason = said["message"] if isinstance(said, dict) else answer.reason
            raise Failed(f"{self.name}: {method} {path}: {reason}")
        return said

    @property
    def daemon_pid(self) -> int:
        """The daemon's pid inside the node, 0 when it does not run."""
        with contextlib.suppress(OSError, ValueError):
            pid = int(self.pidfile.read_text())
            if self.node.run(["kill", "-0", str(pid)], check=False).returncode == 0:
                return pid
        return 0

    def _signal(self, name: str) -> None:
        pid = self.daemon_pid
        if not pid:
            return
        self.node.run(["kill", f"-{name}", str(pid)], check=False)
        until(lambda: not self.daemon_pid, f"the daemon of {self.name} to end on SIG{name}", STOP_GRACE)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return ""

    # --- things to do on it ---------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "LAB_HOST": self.name}

    def command(self, command: Sequence[str], directory: str = "") -> list[str]:
        """How to run `command` on this host with DOCKER_HOST set, in `directory` or the root. Raises `Unavailable` when
        the host does not run."""
        self._require_life()
        words = ["env", *(["--chdir", directory] if directory else [])]
        return self.node.inside([*words, f"DOCKER_HOST=unix://{self.socket}", f"LAB_HOST={self.name}", *command])

    def sh(self, line: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell line on the host, with DOCKER_HOST set."""
        words = ["env", f"DOCKER_HOST=unix://{self.socket}", "sh", "-c", line]
        try:
            done = self.node.run(words, check=check, timeout=timeout)
        except (Failed, subprocess.TimeoutExpired) as failure:
            self._transcript.add(f"{self.name}# {line}", str(failure))
            raise
        status = f"exit {done.returncode}\n" if done.returncode else ""
        self._transcript.add(f"{self.name}# {line}", done.stdout + done.stderr + status)
        return done

    def load(self, archive: Path) -> None:
        """Give the host the images of an archive as `docker save` writes it. Raises `Failed` with what was said."""
        command = [sys.executable, "-m", "fairlead", "-H", f"unix://{self.socket}", "load", "-q", "-i", str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"{self.name}: {done.stderr.strip()}")

    def docker(self, line: str, timeout: float = 60) -> str:
        """Run `docker <line>` and return its standard output, stripped; raises `Failed` with what it said."""
        return self.sh(f"docker {line}", timeout=timeout).stdout.strip()

    def fetch(self, url: str, seconds: float = 5, container: str = "") -> str:
        """The body at `url`, fetched from the host itself or from a container on it, by the wget of its image."""
        if container:
            return self.sh(f"docker exec {container} wget -q -T {seconds:g} -O - {shlex.quote(url)}").stdout
        return self.sh(f"curl -sS --fail --max-time {seconds:g} {shlex.quote(url)}", timeout=seconds + 5).stdout

    def state(self) -> str:
        if not self.node.alive:
            return "gone"
        if not self.has_daemon:
            return "no daemon"
        return "up" if self.answers() else "daemon down"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float = 5) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
