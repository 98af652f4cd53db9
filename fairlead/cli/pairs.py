"""KEY=VALUE words of the command line, alone and in files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from fairlead.cli.faults import USAGE, Fault


def pairs_of(words: Iterable[str]) -> dict[str, str]:
    """{"a": "b", "c": ""} from "a=b" and "c"."""
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def environment_of(words: Iterable[str], files: Iterable[str] = ()) -> list[str]:
    """Variables as the API has them: those of the files, then those given; one without "=" is taken from ours."""
    found: list[str] = []
    for word in [*(line for file in files for line in _lines(file)), *words]:
        if not word.partition("=")[0]:
            raise Fault(f"invalid environment variable: {word}", USAGE)
        if "=" in word:
            found.append(word)
        elif word in os.environ:
            found.append(f"{word}={os.environ[word]}")
    return found


def labels_of(words: Iterable[str], files: Iterable[str] = ()) -> dict[str, str]:
    return pairs_of([*(line for file in files for line in _lines(file)), *words])


def _lines(file: str) -> list[str]:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError as error:
        raise Fault(f"open {file}: {(error.strerror or '').lower()}", USAGE) from error
    return [line.lstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
