"""The rooms of the house and which way they may look, as data. `docs/architecture.md` draws the same picture."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fairlead"

ARROWS: dict[str, frozenset[str]] = {
    "model": frozenset(),
    "core": frozenset({"model"}),
    "effects": frozenset({"model"}),
    "engine": frozenset({"core", "model"}),
    "api": frozenset({"engine", "model"}),
    "cli": frozenset({"model"}),
    "lab": frozenset({"model"}),
    "sim": frozenset({"core", "model"}),
}
"""Room -> rooms it may import, besides itself. Modules outside any room compose and may import all."""

SIBLINGS: dict[str, frozenset[str]] = {
    "drivers": frozenset({"firewall"}),
    "swarm": frozenset({"ipam"}),
    "trace": frozenset({"firewall"}),
}
"""Inside core: subject -> other subjects it may import."""

WORLD = frozenset(
    {
        "asyncio",
        "ctypes",
        "fcntl",
        "http",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
"""Modules through which a decision could reach the world, a clock or chance."""

HARMLESS = frozenset(
    {("os", "strerror"), ("pathlib", "Path"), ("random", "Random"), ("signal", "Signals"), ("signal", "SIGRTMAX")}
)
"""Names of those modules that only compute, or only name the type of something handed in."""


@dataclass(frozen=True)
class Import:
    file: Path
    line: int
    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module} {self.name}".rstrip()


def files(room: str = "") -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def imports(file: Path) -> Iterator[Import]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, "")
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield Import(file, node.lineno, node.module, alias.name)


def arrows() -> dict[str, set[str]]:
    """Module -> modules of ours that it imports, also those that it imports for their types alone."""
    modules = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files()}

    def imported(found: Import) -> str:
        inner = f"{found.module}.{found.name}"
        return inner if inner in modules else found.module

    found = {name: {imported(each) for each in imports(file)} for name, file in modules.items()}
    return {name: targets & modules.keys() - {name} for name, targets in found.items()}


def reaches_the_world(file: Path) -> Iterator[str]:
    """Where a file imports or uses what is neither pure nor harmless."""
    for found in imports(file):
        if found.module.split(".")[0] in WORLD and found.name and (found.module, found.name) not in HARMLESS:
            yield str(found)
    plain = {found.module for found in imports(file) if found.module in WORLD and not found.name}
    for node in ast.walk(tree(file)):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in plain):
            continue
        if (node.value.id, node.attr) not in HARMLESS:
            yield f"{file.relative_to(ROOT)}:{node.lineno} uses {node.value.id}.{node.attr}"


def room_of(module: str) -> str:
    """The room a dotted module lies in; "" for the composition root and for other packages."""
    parts = module.split(".")
    return parts[1] if parts[0] == "fairlead" and len(parts) > 1 and parts[1] in ARROWS else ""


def subject_of(module: str) -> str:
    """The subject (folder) of core that a dotted module lies in, or ""."""
    parts = module.split(".")
    inside = parts[:2] == ["fairlead", "core"] and len(parts) > 2 and (PACKAGE / "core" / parts[2]).is_dir()
    return parts[2] if inside else ""


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """(name, length in lines) of each function, without its decorators and docstring."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            start = node.lineno
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            doc_lines = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield node.name, (node.end_lineno or start) - start + 1 - doc_lines
