"""What the documents name is there: files, tests, commands and flags."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from fairlead.cli.main import Root
from tests.layers.house import PACKAGE, ROOT, tree

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_TEST = re.compile(r"`([\w/]+\.py)::([\w:]+)`")
_LINK = re.compile(r"\]\(([\w./-]+)\)")
_PATH = re.compile(r"`((?:fairlead|tests|bench|packaging|docs|core|engine|effects|api|cli|model|lab|sim)/[\w/.*-]+)`")
_MODULE = re.compile(r"`((?:fairlead\.)?(?:core|engine|effects|api|cli|model|lab|sim)(?:\.\w+)+)`")
_MAKE = re.compile(r"\bmake ([a-z-]+)\b(?=`|\s+#|$)", re.M)
_COMMAND = re.compile(r"(?:^|`)(?:# |sudo |\.venv/bin/)?fairlead ((?:--|[a-z])[^`\n]*)", re.M)


@cache
def names_in(file: Path) -> frozenset[str]:
    """The names of a file's tests, those of a class behind the class's."""
    found = set()
    for node in tree(file).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {prefix + each.name for each in members if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    return frozenset(found)


def docstrings(file: Path) -> Iterator[str]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def is_there(path: str) -> bool:
    return any(any(base.glob(path.rstrip("/"))) for base in (ROOT, PACKAGE))


def is_a_module(dotted: str) -> bool:
    """Or something that a module holds."""
    path = PACKAGE.joinpath(*dotted.removeprefix("fairlead.").split("."))
    holder = path.parent.with_suffix(".py")
    return path.is_dir() or path.with_suffix(".py").exists() or (holder.exists() and path.name in holder.read_text())


def fault_of(line: str) -> str:
    """What is wrong with a command line as a document shows it; "" if nothing."""
    words = line.split("  #")[0].split()
    command: click.Command = Root()
    context = click.Context(command, info_name="fairlead")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if words[0] not in command.list_commands(context):
            return f"there is no {command.name} {words[0]}"
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command, context = found, click.Context(found, parent=context)
    own = words[: words.index("--")] if "--" in words else words
    flags = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
    long = [word.partition("=")[0] for word in own if word.startswith("--")]
    return ", ".join(f"{command.name} has no {flag}" for flag in long if flag not in flags)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    wrong = [f"link {link}" for link in _LINK.findall(text) if not (page.parent / link).exists()]
    wrong += [f"path {path}" for path in _PATH.findall(text) if not is_there(path)]
    wrong += [f"module {module}" for module in _MODULE.findall(text) if not is_a_module(module)]
    targets = (ROOT / "Makefile").read_text()
    wrong += [f"make {target}" for target in _MAKE.findall(text) if f"\n{target}:" not in targets]
    wrong += [f"{fault}: fairlead {line}" for line in _COMMAND.findall(text) if (fault := fault_of(line))]
    for file, name in _TEST.findall(text):
        there = ROOT / "tests" / file
        if not there.exists() or name not in names_in(there):
            wrong.append(f"test {file}::{name}")
    assert not wrong, f"{page.name} names what is not there:\n" + "\n".join(wrong)


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(_LINK.findall((ROOT / "README.md").read_text()))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def test_modules_that_docstrings_name_are_there() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}: {module}"
        for file in sorted(PACKAGE.rglob("*.py"))
        for module in _MODULE.findall("\n".join(docstrings(file)))
        if not is_a_module(module)
    ]
    assert not wrong, "\n".join(wrong)
