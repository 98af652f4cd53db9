"""Go templates cut into text and actions, and actions into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.cli.faults import Fault

PARSE_STATUS = 64


class TemplateFault(Fault):
    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(f"template parsing error: template: {text}", status)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: "string", "number", "field", "variable", "word", "dot" or the sign. `joined`: no space before it."""

    kind: str
    text: str
    joined: bool


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<field>\.[A-Za-z_]\w*)
    |(?P<variable>\$\w*)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<dot>\.)
    |(?P<sign>:=|=|\||\(|\)|,)""",
    re.VERBOSE,
)


def pieces(source: str) -> Iterator[tuple[bool, str]]:
    """(is it an action, its text) in order; trim markers are honoured and comments left out."""
    at, trim_next = 0, False
    while at < len(source):
        start = source.find("{{", at)
        end_of_text = len(source) if start < 0 else start
        text = source[at:end_of_text]
        if trim_next:
            text = text.lstrip()
        if start >= 0 and source.startswith("{{- ", start):
            text = text.rstrip()
        if text:
            yield False, text
        if start < 0:
            return
        end = _end_of_action(source, start + 2)
        action = source[start + 2 : end]
        trim_next = action.endswith(" -")
        action = action.removeprefix("- ").removesuffix(" -").strip()
        if not action.startswith("/*"):
            yield True, action
        at = end + 2


def _end_of_action(source: str, at: int) -> int:
    """Where the action's "}}" stands; one inside a string does not count."""
    quote = ""
    while at < len(source):
        character = source[at]
        if quote:
            if character == "\\" and quote == '"':
                at += 1
            elif character == quote:
                quote = ""
        elif character in '"`':
            quote = character
        elif source.startswith("}}", at):
            return at
        at += 1
    raise TemplateFault(":1: unclosed action", PARSE_STATUS)


def tokens(action: str) -> list[Token]:
    found: list[Token] = []
    at, joined = 0, False
    while at < len(action):
        match = _TOKEN.match(action, at)
        if match is None:
            raise TemplateFault(f':1: unexpected "{action[at]}" in command', PARSE_STATUS)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(match[0] if kind == "sign" else kind, match[0], joined))
        joined = kind != "space"
        at = match.end()
    return found
