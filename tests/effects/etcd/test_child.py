"""The member's process, as a process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path


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
