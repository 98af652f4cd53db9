"""A command on a terminal, and somebody who types once its prompt is there."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Sequence

PATIENCE = 120.0


def typed_on_a_terminal(command: Sequence[str], text: str) -> str:
    """What the terminal showed until the command ended. `text` is typed as soon as anything is shown: what is typed
    before a program has made the terminal its own may be lost."""
    here, there = pty.openpty()
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, start_new_session=True)
    os.close(there)
    try:
        return _talk(here, text.encode())
    finally:
        process.kill()
        process.wait()
        os.close(here)


def _talk(terminal: int, text: bytes) -> str:
    shown, deadline = b"", time.monotonic() + PATIENCE
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # the last one that had it open is gone
            break
        if not piece:
            break
        shown += piece
        if text:
            os.write(terminal, text)
            text = b""
    return shown.decode(errors="replace")
