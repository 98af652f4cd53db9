"""From recorded exchanges with a real dockerd to what is kept here: the requests in order, and shapes of the answers.

    python -m tests.conformance.distil DIRECTORY NAME...

reads `DIRECTORY/api-NAME.jsonl.gz` and writes `recordings/NAME.jsonl` and `shapes.json`. Ids become `<id N>`.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.shapes import merged, shape_of

HERE = Path(__file__).parent
_ID = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"^/v1\.\d+")
_OBJECT = re.compile(
    r"^/(containers|networks|images|volumes|plugins|exec|services|tasks|nodes)"
    r"/(?!json|create|prune|get)[^?]+?(?=(/\w+)?(\?|$))"
)


_NAMED = ("EndpointsConfig", "ExposedPorts", "Volumes")
"""Maps that say something by their keys alone."""


def route_of(method: str, path: str) -> str:
    """A route's name: its method and path with {} for what names an object."""
    path = _VERSION.sub("", path)
    return f"{method} {_OBJECT.sub(lambda found: f'/{found[1]}/{{}}', path).partition('?')[0]}"


def exchanges(directory: Path, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(directory / f"api-{name}.jsonl.gz", "rt") as file:
        recorded = [json.loads(line) for line in file]
    yield from sorted(recorded, key=lambda exchange: exchange["ts"])


class Names:
    """Gives the ids of a recording names that do not change from one run to the next."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def within(self, text: str) -> str:
        return _ID.sub(lambda found: self._names.setdefault(found[0], f"<id {len(self._names) + 1}>"), text)


def step(exchange: dict[str, Any], names: Names) -> dict[str, Any]:
    """One line of a recording."""
    answer = exchange.get("resp_body")
    kept = {
        "command": exchange["cmd_id"],
        "method": exchange["method"],
        "path": names.within(exchange["path"]),
        "status": exchange["status"],
    }
    if exchange.get("req_body") is not None:
        body = exchange["req_body"]
        kept["body"] = names.within(body if isinstance(body, str) else json.dumps(_said(body)))
    content_type = exchange["req_headers"].get("content-type", "")
    if exchange["status"] != 101 and content_type not in ("", "application/json"):
        kept["content_type"] = content_type
    if exchange["status"] >= 400 and isinstance(answer, dict):
        kept["message"] = names.within(str(answer.get("message", "")))
    if isinstance(answer, dict) and isinstance(answer.get("Id"), str) and exchange["status"] == 201:
        kept["id"] = names.within(answer["Id"])
    return kept


def _said(body: Any, of: str = "") -> Any:
    """Without what the client sent only to say nothing; a false that differs from leaving out begins with "Enable"."""
    if isinstance(body, list):
        return [_said(item) for item in body]
    if not isinstance(body, dict):
        return body
    told = {key: _said(value, key) for key, value in body.items()}
    return {key: value for key, value in told.items() if value or key.startswith("Enable") or of in _NAMED}


def main(directory: Path, wanted: list[str]) -> None:
    shapes: dict[str, Any] = {}
    for name in wanted:
        names = Names()
        lines = []
        for exchange in exchanges(directory, name):
            if exchange["path"].endswith("/_ping"):
                continue
            lines.append(json.dumps(step(exchange, names)))
            if exchange["status"] in (200, 201) and "resp_body" in exchange:
                key = f"{route_of(exchange['method'], exchange['path'])} {exchange['status']}"
                shapes[key] = merged([shapes.get(key), shape_of(exchange["resp_body"])])
        (HERE / "recordings" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (HERE / "shapes.json").write_text(json.dumps(shapes, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
