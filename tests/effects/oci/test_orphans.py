"""What a `runc exec` leaves behind when the container dies in the middle of it."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from fairlead.effects.oci.exec import ExecCommand
from fairlead.effects.oci.process import adopt_orphans, run
from fairlead.model.errors import RuntimeRefused
from tests.support.machines import eventually

FAILING = """#!/bin/sh
cd "$(dirname "$0")"
{command} &
echo $! > orphan
{until}
exit 1
"""
STAGE = "runc:[2:INIT]"
BEGUN = f"until grep -qF '{STAGE}' /proc/$!/comm; do :; done"
"""runc fails when what it began has called itself so, or before."""


@pytest.mark.parametrize(
    ("command", "until"),
    [
        (f"'./{STAGE}' 0", ""),
        (f"'./{STAGE}' 0.5", ""),
        (f"setsid './{STAGE}' 0.5", BEGUN),
        ("sleep 0.5", ""),
    ],
    ids=["ended", "lives", "in a session of its own", "not renamed yet"],
)
async def test_nothing_is_left_that_would_keep_the_container_from_ending(
    tmp_path: Path, command: str, until: str
) -> None:
    adopt_orphans()
    shutil.copy(shutil.which("sleep") or "", tmp_path / STAGE)
    runtime = tmp_path / "runtime"
    runtime.write_text(FAILING.format(command=command, until=until))
    runtime.chmod(0o755)
    runc = ExecCommand((str(runtime),), tmp_path / "exec", "c1", dict(os.environ))
    with pytest.raises(RuntimeRefused):
        await runc.start({"terminal": False}, (False, False, False))
    orphan = Path("/proc") / (tmp_path / "orphan").read_text().strip()
    await eventually(lambda: not orphan.exists())


async def test_a_command_that_nobody_waits_for_any_more_is_collected(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    given_up = asyncio.create_task(run(["sh", "-c", f"echo $$ > {told}; exec sleep 0.2"], dict(os.environ)))
    await eventually(lambda: told.exists() and told.read_text().endswith("\n"))
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    process = Path("/proc") / told.read_text().strip()
    await eventually(lambda: not process.exists())
