"""The member's process, as a process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.effects.etcd.child import SLACK, Child
from tests.effects.etcd.house import eventually


def test_dies_with_the_daemon(tmp_path: Path) -> None:
    daemon = subprocess.Popen([sys.executable, "-c", DAEMON, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    pid = int(daemon.stdout.readline())
    child = os.pidfd_open(pid)
    try:
        assert not select.select([child], [], [], 0)[0]
        daemon.send_signal(signal.SIGKILL)
        daemon.communicate(timeout=30)
        assert select.select([child], [], [], 5)[0], "it lives on"
    finally:
        os.close(child)


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ('{"msg":"rejected Raft message from removed member","removed-member-id":"1"}', False),
        ('{"msg":"cannot process message from removed member","removed-member-id":"1"}', False),
        ('{"msg":"failed to dial","error":"the member has been permanently removed from the cluster"}', True),
    ],
)
async def test_only_what_a_member_says_of_itself_puts_it_out(tmp_path: Path, line: str, out: bool) -> None:
    """A manager that took another's removal for its own gave its seat up, and the majority was lost."""
    child = Child(lambda first: ("sh", "-c", f"echo '{line}' >&2; sleep 60"), tmp_path)
    child.start()
    try:
        await eventually(lambda: said(child))
        assert child.removed is out
    finally:
        await child.stop()


async def test_its_timers_may_be_late_and_the_daemons_may_not(tmp_path: Path) -> None:
    """Half of an idle member's processor time is woken up for."""
    own = Path("/proc/self/timerslack_ns").read_text()
    child = Child(lambda first: ("sleep", "60"), tmp_path)
    child.start()
    try:
        assert int(Path(f"/proc/{child.pid}/timerslack_ns").read_text()) == SLACK
        assert Path("/proc/self/timerslack_ns").read_text() == own
    finally:
        await child.stop()


async def said(child: Child) -> bool:
    return bool(child.last_words)


DAEMON = """
import asyncio, sys
from pathlib import Path
from fairlead.effects.etcd.child import Child

async def main():
    child = Child(lambda first: ("sleep", "60"), Path(sys.argv[1]))
    child.start()
    print(child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
