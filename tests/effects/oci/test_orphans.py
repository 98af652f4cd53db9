"""What a `runc exec` leaves behind when the container dies in the middle of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fairlead.effects.oci.exec import ExecCommand
from fairlead.effects.oci.process import adopt_orphans
from fairlead.model.errors import RuntimeRefused
from tests.support.machines import eventually

FAILING = """#!/bin/sh
"{folder}/runc:[2:INIT]" {seconds} &
echo $! > {folder}/orphan
exit 1
"""


@pytest.mark.parametrize("seconds", [0, 0.5])
async def test_nothing_is_left_that_would_keep_the_container_from_ending(tmp_path: Path, seconds: float) -> None:
    adopt_orphans()
    shutil.copy(shutil.which("sleep") or "", tmp_path / "runc:[2:INIT]")
    runtime = tmp_path / "runtime"
    runtime.write_text(FAILING.format(folder=tmp_path, seconds=seconds))
    runtime.chmod(0o755)
    command = ExecCommand((str(runtime),), tmp_path / "exec", "c1", dict(os.environ))
    with pytest.raises(RuntimeRefused):
        await command.start({"terminal": False}, (False, False, False))
    orphan = Path("/proc") / (tmp_path / "orphan").read_text().strip()
    await eventually(lambda: not orphan.exists())
