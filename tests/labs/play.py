"""Plays: what a user types and what must be answered, as text.

    $ docker network create frontend          a command, run by `sh -c` on the host
    {n1:id}                                   its whole output, line by line
    $ docker exec rose ifconifg
    OCI runtime exec failed: ...
    [exit 127]                                where it is not 0
    [http 409]                                the API refused with this status on the way (where the stage has an ear)
    % docker exec -it c1 sh                   on a terminal; `> ` lines are typed, the others must appear in order
    > hostname
    {c1:12}
    ? curl -s localhost:8000                  tried again until it answers so, for what comes up by itself
    ?30 docker service ps web                 the same, for at most so many seconds
    @ kill | stop | start | restart FLAGS     the daemon
    $ node2: docker ps                        on another host than the first
    [any order]                               the lines above may come in any order
    ## why a line is as it is

Words in braces match what differs from run to run. `{n1:id}` is a 64-digit id, bound to the name at its first use
and the same ever after; `{n1:12}` are its first twelve (and bind those, until the whole is seen). `{mac}`, `{time}`
(RFC 3339), `{ago}`, `{num}`, `{veth}`, `{name}` (a generated container name), `{word}`, `{any}` (the rest of a line)
match by form. Objects of a swarm have ids of 25 letters and digits: `{s1:sid}`, and `{s1:s12}` for the first twelve;
`{t:token}` is a join token. In commands, bound names stand for their values. When an expected output is JSON it is
compared as JSON, so the order of keys does not matter. What the docker CLI says while it waits for a service is left
out: how often it says it depends on the clock.

The hosts of a play are node1, node2, ...; a first line `on: manager1 worker1` names others, in the order of their
addresses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

FORMS = {
    "mac": r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}",
    "time": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[ +-][0-9:+]+(?: UTC)?)",
    "ago": r"(?:Less than a second|About a minute|\d+ \w+)",
    "num": r"[0-9]+(?:\.[0-9]+)?",
    "veth": r"veth[0-9a-f]{7}",
    "name": r"[a-z]+_[a-z]+",
    "word": r"\S+",
    "any": r".*",
}
FIRST_HOST = "node1"
KINDS = {"id": ("[0-9a-f]", 64), "sid": ("[0-9a-z]", 25), "token": ("[0-9A-Za-z-]", 85)}
SHORT = {"12": "id", "s12": "sid"}
_HOST = re.compile(r"((?:node|manager|worker)\d+): ")
_TOKEN = re.compile(rf"\{{(?:(\w+):({'|'.join([*KINDS, *SHORT])})|({'|'.join(FORMS)}))\}}")
_HEAD = re.compile(r"(?m)^(?=(?:[$%@]|\?\d*) )")
_WAITING = re.compile(
    r"(?m)^(?:overall progress: |[\w-]+/\d+: |\w{12}: |verify: Waiting |verify: Detected task failure).*\n"
)


@dataclass(frozen=True, slots=True)
class Step:
    """`kind` is "$", "%", "?" or "@". `typed` are lines for a terminal. `host` is where it happens, `patience` how many
    seconds it is tried again."""

    line: int
    kind: str
    command: str
    expected: tuple[str, ...]
    typed: tuple[str, ...] = ()
    exit_code: int = 0
    host: str = FIRST_HOST
    status: int = 0
    any_order: bool = False
    patience: float = 5.0


def cast(text: str) -> list[str]:
    """The hosts that a play needs, in the order of their addresses."""
    named = re.match(r"on: (.*)", text)
    return named[1].split() if named else sorted({step.host for step in parse(text)})


def parse(text: str) -> list[Step]:
    steps: list[Step] = []
    blocks = _HEAD.split(text)
    line = 1 + blocks[0].count("\n")
    first = cast(blocks[0])[0] if blocks[0].startswith("on: ") else FIRST_HOST
    for block in blocks[1:]:
        head, *rest = block.rstrip("\n").split("\n")
        sign, _, head = head.partition(" ")
        body = [entry for entry in rest if not entry.startswith("## ")]
        while body and not body[-1]:
            body.pop()
        shuffled = bool(body) and body[-1] == "[any order]"
        if shuffled:
            body.pop()
        code, status = _mark("exit", body), _mark("http", body)
        typed = tuple(entry[2:] for entry in body if sign == "%" and entry.startswith("> "))
        expected = tuple(entry for entry in body if not (sign == "%" and entry.startswith("> ")))
        where = _HOST.match(head)
        command = head[where.end() if where else 0 :]
        host = where[1] if where else first
        patience = float(sign[1:] or 5)
        steps.append(Step(line, sign[0], command, expected, typed, code, host, status, shuffled, patience))
        line += block.count("\n")
    return steps


def _mark(word: str, body: list[str]) -> int:
    """Take `[word N]` off the end of `body`; 0 when it is not there."""
    found = re.fullmatch(rf"\[{word} (\d+)\]", body[-1]) if body else None
    if found is None:
        return 0
    body.pop()
    return int(found[1])


@dataclass(slots=True)
class Bindings:
    """Names bound to ids so far."""

    ids: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """A command with its bound names replaced."""

        def value(token: re.Match[str]) -> str:
            bound = self.ids[token[1]]
            return bound[:12] if token[2] in SHORT else bound

        return _TOKEN.sub(lambda token: token[0] if token[3] else value(token), text)

    def matches(self, expected: str, actual: str) -> bool:
        """Whether `actual` is what `expected` describes; binds names on success."""
        pattern, names, position = "", [], 0
        for token in _TOKEN.finditer(expected):
            pattern += re.escape(expected[position : token.start()])
            position = token.end()
            if token[3]:
                pattern += FORMS[token[3]]
                continue
            known = self.ids.get(token[1], "")
            letters, whole = KINDS[SHORT.get(token[2], token[2])]
            length = 12 if token[2] in SHORT else whole
            if len(known) >= length:
                pattern += re.escape(known[:length])
            else:
                names.append(token[1])
                pattern += f"({known}{letters}{{{length - len(known)}}})"
        found = re.fullmatch(pattern + re.escape(expected[position:]), actual)
        if found is None:
            return False
        self.ids.update(zip(names, found.groups(), strict=True))
        return True


def differences(bindings: Bindings, expected: tuple[str, ...], actual: str) -> list[str]:
    """What is wrong with an output, as lines for a reader; empty when it is right."""
    wanted = _as_json("\n".join(expected))
    if wanted is not None:
        got = _as_json(actual)
        return [f"not JSON: {actual}"] if got is None else _json_differences(bindings, wanted, got, "")
    lines = [_squeezed(line) for line in actual.rstrip("\n").split("\n")] if actual.strip("\n") else []
    wrong = []
    for number in range(max(len(lines), len(expected))):
        want = _squeezed(expected[number]) if number < len(expected) else "<nothing more>"
        have = lines[number] if number < len(lines) else "<nothing more>"
        if not bindings.matches(want, have):
            wrong += [f"- {want}", f"+ {have}"]
    return wrong


def shuffled_differences(bindings: Bindings, expected: tuple[str, ...], actual: str) -> list[str]:
    """The same for lines that may come in any order."""
    left = [_squeezed(line) for line in actual.rstrip("\n").split("\n") if line]
    wrong = []
    for want in map(_squeezed, expected):
        found = next((have for have in left if bindings.matches(want, have)), None)
        if found is None:
            wrong.append(f"- {want}")
        else:
            left.remove(found)
    return [*wrong, *(f"+ {have}" for have in left)]


def settled(text: str) -> str:
    """An output without what the docker CLI says while it waits for a service."""
    return _WAITING.sub("", text)


def _squeezed(line: str) -> str:
    """Runs of blanks as one: how wide a column is depends on what else is in it."""
    return re.sub(r"[ \t]+", " ", line.rstrip())


def absent(bindings: Bindings, expected: tuple[str, ...], actual: str) -> list[str]:
    """Expected lines that do not appear in order (for terminals, whose echo and prompts are no contract)."""
    lines = iter(line.strip() for line in actual.replace("\r", "").split("\n"))
    return [
        f"- {want}" for want in expected if want and not any(bindings.matches(want.strip(), have) for have in lines)
    ]


def _as_json(text: str) -> Any:
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _json_differences(bindings: Bindings, want: Any, have: Any, where: str) -> list[str]:
    if isinstance(want, dict) and isinstance(have, dict):
        return _mapping_differences(bindings, want, have, where)
    if isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        pairs = enumerate(zip(want, have, strict=True))
        return [line for i, (w, h) in pairs for line in _json_differences(bindings, w, h, f"{where}[{i}]")]
    if isinstance(want, str) and isinstance(have, str) and bindings.matches(want, have):
        return []
    if isinstance(want, str) and want == "{num}" and isinstance(have, int | float):
        return []
    return [] if type(want) is type(have) and want == have else [f"{where}: wanted {want!r}, got {have!r}"]


def _mapping_differences(bindings: Bindings, want: dict[str, Any], have: dict[str, Any], where: str) -> list[str]:
    wrong, left = [], dict(have)
    for key, value in want.items():
        actual_key = next((k for k in left if bindings.matches(key, k)), None)
        if actual_key is None:
            wrong.append(f"{where}.{key}: absent")
        else:
            wrong += _json_differences(bindings, value, left.pop(actual_key), f"{where}.{key}")
    return wrong + [f"{where}.{key}: not expected" for key in left]
