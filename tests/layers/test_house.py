"""The design's arrows hold, purity is an address, and nothing grows past a screen."""

from __future__ import annotations

import ast
import statistics
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.layers import house

HOMELESS_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common"}
LONGEST_FILE, LONGEST_FUNCTION, WIDE_FUNCTION = 600, 60, 35


@pytest.mark.parametrize("room", sorted(house.ARROWS))
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    allowed = house.ARROWS[room] | {room}
    wrong = [
        str(found)
        for file in house.files(room)
        for found in house.imports(file)
        if (target := house.room_of(found.module)) and target not in allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", sorted(house.ARROWS))
def test_no_room_imports_the_composition_root(room: str) -> None:
    roots = {"fairlead.daemon", "fairlead.daemon_swarm", "fairlead.configuration"}
    wrong = [str(i) for file in house.files(room) for i in house.imports(file) if i.module in roots]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("depth", [3, 9], ids=["rooms", "modules"])
def test_nothing_imports_each_other_in_a_circle(depth: int) -> None:
    """Not for types alone either: each can be read after those that it names."""
    below: dict[str, set[str]] = {}
    for module, targets in house.arrows().items():
        below.setdefault(_cut(module, depth), set()).update(_cut(target, depth) for target in targets)
    try:
        TopologicalSorter({name: targets - {name} for name, targets in below.items()}).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def _cut(module: str, depth: int) -> str:
    return ".".join(module.split(".")[:depth])


def test_subjects_of_core_do_not_speak_to_each_other() -> None:
    wrong = []
    for file in house.files("core"):
        parts = file.relative_to(house.PACKAGE / "core").parts
        if len(parts) < 2:
            continue
        for found in house.imports(file):
            target = found.module.split(".")
            if (
                target[:2] != ["fairlead", "core"]
                or len(target) < 3
                or not (house.PACKAGE / "core" / target[2]).is_dir()
            ):
                continue
            if target[2] != parts[0] and target[2] not in house.SIBLINGS.get(parts[0], frozenset()):
                wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ["core", "model"])
def test_decisions_cannot_reach_the_world(room: str) -> None:
    wrong = [use for file in house.files(room) for use in house.reaches_the_world(file)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ["core", "model"])
def test_decisions_read_no_clock_and_open_no_file(room: str) -> None:
    wrong = []
    for file in house.files(room):
        for node in ast.walk(house.tree(file)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("open", "print", "input") or called.endswith((".now", ".utcnow", ".today")):
                    wrong.append(f"{file.relative_to(house.ROOT)}:{node.lineno} calls {called}")
    assert not wrong, "\n".join(wrong)


def test_files_have_one_subject_and_a_name_that_says_it() -> None:
    wrong = []
    for file in house.files():
        lines = len(file.read_text().splitlines())
        if lines > LONGEST_FILE:
            wrong.append(f"{file.relative_to(house.ROOT)} has {lines} lines")
        if file.stem in HOMELESS_NAMES:
            wrong.append(f"{file.relative_to(house.ROOT)} does not say what it holds")
    assert not wrong, "\n".join(wrong)


def test_functions_fit_a_screen() -> None:
    lengths = {(file, name): length for file in house.files() for name, length in house.functions(file)}
    wrong = [
        f"{file.relative_to(house.ROOT)} {name}: {length} lines"
        for (file, name), length in lengths.items()
        if length > LONGEST_FUNCTION
    ]
    assert not wrong, "\n".join(wrong)
    if len(lengths) > 100:
        assert statistics.quantiles(lengths.values(), n=10)[-1] <= WIDE_FUNCTION


def test_every_module_tells_what_it_is_for() -> None:
    silent = [
        str(file.relative_to(house.ROOT))
        for file in house.files()
        if file.read_text().strip() and not ast.get_docstring(house.tree(file))
    ]
    assert not silent, "\n".join(silent)
