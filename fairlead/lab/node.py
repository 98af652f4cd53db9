"""One machine of a lab: a process that holds network, mount, PID, UTS and IPC namespaces, and how to run things in it.

The holder is `tini`, PID 1 of the node: it reaps what containers leave behind, and when it dies the kernel ends
everything that ran in the node and drops its mounts and links. So `down` is one kill, also after a crash.

    machine ── unshare ── tini (PID 1 of host1) ─┬─ sleep
                                                 ├─ fairlead daemon
                                                 └─ conmon ── container ...

/sys is mounted anew so that /sys/class/net shows the node's links, with the machine's cgroups kept below it.
/run/netns is the node's own: names that `ip netns` gives elsewhere are not seen, and those given here leave no file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.model.errors import Failed

PATIENCE = float(os.environ.get("FAIRLEAD_LAB_PATIENCE", "1"))
"""By how much every deadline is longer than on a machine of its own: for emulated and crowded ones."""

_SETUP = r"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
[ -d "$LAB_DIR/cgroup" ] || mkdir "$LAB_DIR/cgroup"
mount --rbind /sys/fs/cgroup "$LAB_DIR/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$LAB_DIR/cgroup" /sys/fs/cgroup
umount -l "$LAB_DIR/cgroup"
hostname "$LAB_NODE"
for file in hostname hosts resolv.conf; do
    [ -e /etc/$file ] || : > /etc/$file
    mount --bind "$LAB_DIR/etc/$file" /etc/$file
done
mkdir -p /run/netns
mount -t tmpfs -o mode=755 netns /run/netns
: > "$LAB_DIR/ready"
exec sleep infinity
"""


def start_time(pid: int) -> int:
    """The kernel's start time of a process in clock ticks (field 22 of /proc/PID/stat), 0 when it is gone.

    Together with the pid it names a process for good: pids are used again, this pair is not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


@dataclass(frozen=True, slots=True)
class Node:
    """A running machine. `pid` is its PID 1 as the machine sees it, `born` that process's start time."""

    name: str
    directory: Path
    pid: int
    born: int

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.born != 0

    def inside(self, command: Sequence[str], network_only: bool = False) -> list[str]:
        """The command line that runs `command` in this node."""
        spaces = ["--net"] if network_only else ["--net", "--mount", "--pid", "--uts", "--ipc"]
        return ["nsenter", "--target", str(self.pid), *spaces, "--", *command]

    def run(self, command: Sequence[str], timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run to the end and return the result; raises `Failed` with what it printed on a non-zero exit."""
        return self._finish(self.inside(command), "", timeout, check)

    def run_on_network(self, command: Sequence[str], check: bool = True) -> subprocess.CompletedProcess[str]:
        """The same in the node's network only, with the machine's own files and programs."""
        return self._finish(self.inside(command, network_only=True), "", 60, check)

    def _finish(self, line: Sequence[str], text: str, timeout: float, check: bool) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(line, input=text, capture_output=True, text=True, timeout=timeout * PATIENCE, check=False)
        if check and done.returncode:
            said = (done.stderr or done.stdout).strip()
            words = " ".join(line[line.index("--") + 1 :])
            raise Failed(f"{self.name}: {words}: exit {done.returncode}: {said}")
        return done

    def spawn(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start in the background with its output appended to `log`, in a session of its own."""
        with log.open("ab") as out:
            return subprocess.Popen(
                self.inside(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    def batch(self, tool: str, lines: Sequence[str]) -> None:
        """`ip -batch` or `tc -batch`, in the node's network but with the machine's pids (`netns PID`)."""
        self._finish(self.inside([tool, "-batch", "-"], network_only=True), "\n".join(lines) + "\n", 60, True)

    def nft(self, rules: str) -> None:
        self._finish(self.inside(["nft", "-f", "-"], network_only=True), rules, 60, True)

    def listens(self, protocol: str, port: int) -> bool:
        """Whether anything in the node is bound to `port` ("udp", "tcp"; IPv4)."""
        bound = f":{port:04X} "
        return any(bound in line[:30] for line in Path(f"/proc/{self.pid}/net/{protocol}").read_text().splitlines())

    def lacks_link(self, name: str) -> bool:
        """Whether the node has no interface of that name."""
        text = Path(f"/proc/{self.pid}/net/dev").read_text()
        return not any(line.strip().startswith(f"{name}:") for line in text.splitlines())

    def end(self) -> None:
        """Kill PID 1: the kernel ends all that runs in the node. Returns when it is gone."""
        if not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        until(lambda: not self.alive, f"{self.name} to end", 15)


def boot(name: str, directory: Path, nameserver: str = "") -> Node:
    """Make a machine called `name`, whose files live in `directory`; returns when its namespaces are ready."""
    tini = shutil.which("tini")
    if tini is None:
        raise Failed('tini is not installed: run "make setup", or "apt-get install tini"')
    etc = directory / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "hostname").write_text(f"{name}\n")
    (etc / "hosts").write_text(f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{name}\n")
    (etc / "resolv.conf").write_text(f"search lab.internal\nnameserver {nameserver}\n" if nameserver else "")
    (directory / "ready").unlink(missing_ok=True)
    with (directory / "node.log").open("ab") as log:
        unshare = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"]
            + [tini, "-g", "--", "/bin/sh", "-c", _SETUP],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "LAB_DIR": str(directory), "LAB_NODE": name},
            start_new_session=True,
        )
    until(lambda: (directory / "ready").exists() or unshare.poll() is not None, f"{name} to come up", 20)
    if unshare.poll() is not None:
        raise Failed(f"{name} did not come up: {(directory / 'node.log').read_text().strip()}")
    pid = _only_child(unshare.pid)
    return Node(name, directory, pid, start_time(pid))


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Return as soon as `condition` holds; raises `Failed` naming `what` after `seconds`."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds:g} s for {what}")
        time.sleep(0.01)
