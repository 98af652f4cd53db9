"""Says again to our daemon what a recorded client said to dockerd, and collects where the answers differ.

Streams that are taken over (attach, exec) and `wait` run beside the rest, as they did for the client, and end before
the next command of the recording, because the client waited for them too.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.distil import route_of
from tests.conformance.shapes import differences

HERE = Path(__file__).parent
DEADLINE = 30.0
_NAME = re.compile(r"<id \d+>")
_CHANCE = re.compile(r"[0-9a-f]{64}|<id \d+>|\b[0-9a-f]{12}\b|endpoint [a-z]+_[a-z]+")

Step = dict[str, Any]


def recording(name: str) -> list[Step]:
    return [json.loads(line) for line in (HERE / "recordings" / f"{name}.jsonl").read_text().splitlines()]


def shapes() -> dict[str, Any]:
    return json.loads((HERE / "shapes.json").read_text())


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class Replay:
    """One recording against one socket. `found` are the differences, as lines for people."""

    path: Path
    found: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    streams: list[threading.Thread] = field(default_factory=list)
    waits: list[http.client.HTTPResponse] = field(default_factory=list)
    refused: bool = False
    """Something of the present command was refused: its client leaves."""

    def run(self, steps: list[Step]) -> list[str]:
        shape = shapes()
        command = 0
        for step in steps:
            if step["command"] != command:
                self._end_command(command)
                command = step["command"]
            for line in self._step(step, shape):
                self.found.append(f"{step['method']} {step['path']}: {line}")
        self._end_command(command)
        return self.found

    def _end_command(self, command: int) -> None:
        """A command in the foreground ends with its stream, and then has the exit status; others wait for nothing."""
        in_foreground = bool(self.streams) and not self.refused
        if not self.refused:
            self._end_streams()
        for answer in self.waits:
            if in_foreground and not self._ended(answer):
                self.found.append(f"the container of command {command} did not end")
            answer.close()
        self.waits.clear()
        self.streams.clear()
        self.refused = False

    @staticmethod
    def _ended(answer: http.client.HTTPResponse) -> bool:
        try:
            answer.read()
        except TimeoutError:
            return False
        return True

    def _end_streams(self) -> None:
        for thread in self.streams:
            thread.join(DEADLINE)
        self.streams.clear()

    def _step(self, step: Step, known: dict[str, Any]) -> Iterator[str]:
        if _NAME.search(self._filled(step["path"])):
            yield "names an object that our daemon did not make"
            return
        status, answer = self._say(step)
        self.refused |= status >= 400
        if status != step["status"]:
            yield f"status {status} instead of {step['status']}: {answer}"
        elif status >= 400 and "message" in step:
            said = answer.get("message") if isinstance(answer, dict) else answer
            if _masked(str(said)) != _masked(step["message"]):
                yield f"says {said!r} instead of {step['message']!r}"
        elif answer is not None:
            yield from differences(answer, known.get(f"{route_of(step['method'], step['path'])} {status}"))
        if "id" in step and isinstance(answer, dict) and "Id" in answer:
            self.ids[step["id"]] = answer["Id"]

    def _say(self, step: Step) -> tuple[int, Any]:
        if step["path"].endswith("/json") and "/exec/" in step["path"]:
            self._end_streams()
        connection = UnixConnection(self.path)
        headers = {"Content-Type": step.get("content_type", "application/json")} if "body" in step else {}
        if step["status"] == 101:
            headers |= {"Connection": "Upgrade", "Upgrade": "tcp"}
        body = self._filled(step["body"]).encode() if "body" in step else None
        connection.request(step["method"], self._filled(step["path"]).replace(" ", "%20"), body, headers)
        answer = connection.getresponse()
        if answer.status == 101:
            self.streams.append(threading.Thread(target=_drain, args=(answer,), daemon=True))
            self.streams[-1].start()
            return answer.status, None
        if "/wait" in step["path"]:
            self.waits.append(answer)
            return answer.status, None
        data = answer.read()
        connection.close()
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer.status, json.loads(data) if data and is_json else None

    def _filled(self, text: str) -> str:
        return _NAME.sub(lambda found: self.ids.get(found[0], found[0]), text)


def _drain(answer: http.client.HTTPResponse) -> None:
    with contextlib.suppress(OSError):
        while answer.fp.read1(1 << 16):
            pass


def _masked(message: str) -> str:
    """Without ids and names that are drawn."""
    return _CHANCE.sub("<any>", message)
