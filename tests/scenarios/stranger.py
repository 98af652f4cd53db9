"""Speaks to a manager from wherever it is run, as whoever it is told to be: for tests of what managers refuse.

Reads one JSON document per line: {"as": {"peer": [node id, role, cluster id], "certificate", "key", "trust"}, "call",
"body", "stream": whether its first line is the answer}. Answers each by {"answer": text} or {"refused": class, "why":
text}. Streams stay open until the end of the input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any

from fairlead.effects.wire.nodes.caller import Caller
from fairlead.model.errors import Refusal
from fairlead.model.swarm.identity import Identity, Peer


async def main(address: str) -> None:
    async with AsyncExitStack() as open_ends:
        for line in sys.stdin:
            asked = json.loads(line)
            caller = Caller()
            open_ends.push_async_callback(caller.close)
            caller.renew(_identity(asked["as"]))
            try:
                if asked["stream"]:
                    stream = caller.stream(address, asked["call"], asked["body"].encode())
                    answer = await anext(await open_ends.enter_async_context(aclosing(stream)))
                else:
                    answer = await caller.call(address, asked["call"], asked["body"].encode())
                said = {"answer": answer.decode()}
            except Refusal as refusal:
                said = {"refused": type(refusal).__name__, "why": refusal.message}
            print(json.dumps(said), flush=True)


def _identity(shown: Mapping[str, Any]) -> Identity:
    return Identity(Peer(*shown["peer"]), shown["certificate"], shown["key"], shown["trust"])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
