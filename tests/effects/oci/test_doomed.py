"""Trees on their way out, while others are being swept away."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from fairlead.effects.oci.doomed import Doomed


async def test_nothing_stays_behind_when_all_is_swept_just_before_a_tree_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed, loop, rename = Doomed(tmp_path), asyncio.get_running_loop(), os.rename
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)

    def rename_later(*arguments: Path) -> None:
        asyncio.run_coroutine_threadsafe(doomed.settled(), loop).result(10)
        rename(*arguments)

    monkeypatch.setattr(os, "rename", rename_later)
    await asyncio.to_thread(doomed.add, tree)
    await doomed.settled()
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["doomed"]


async def test_what_is_missing_is_fine(tmp_path: Path) -> None:
    doomed = Doomed(tmp_path)
    doomed.add(tmp_path / "nothing")
    await doomed.settled()
