"""Tables that somebody else took away are written anew, wherever they are.

Whoever writes tables says here how they are written again: those of the host by their names, those of sandboxes by
whoever has something to write there. Namespaces of networks hold what their drivers expect.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from fairlead.engine.state import State
from fairlead.model.plan import ChangeRules, Operation
from fairlead.model.ruleset import Element, Transaction
from fairlead.model.sandbox import Sandbox

Rewrite = Callable[[], Awaitable[None]]
RewriteIn = Callable[[Sandbox], Awaitable[None]]

_log = logging.getLogger("fairlead.engine.reconcile")


class Upkeep:
    def __init__(self, state: State) -> None:
        self._state = state
        self.on_host: dict[str, Rewrite] = {}
        self.in_sandboxes: list[RewriteIn] = []

    async def host(self, tables: Iterable[str]) -> None:
        """These tables of the host are not what they were."""
        for name, rewrite in self.on_host.items():
            if name in tables:
                _log.warning("repairing", extra={"reason": "somebody changed our nftables", "missing": f"table {name}"})
                await rewrite()

    async def sandbox(self, ns: str) -> None:
        """Tables in a sandbox are not what they were."""
        for sandbox in [found for found in self._state.sandboxes.values() if found.ns == ns]:
            _log.warning("repairing", extra={"reason": "somebody changed our nftables", "missing": f"tables in {ns}"})
            for rewrite in self.in_sandboxes:
                await rewrite(sandbox)


def written_anew(operations: Iterable[Operation], ns: str, table: str) -> Transaction | None:
    """One transaction that writes the table in `ns` with everything that the operations put there piece by piece."""
    changes = [each.transaction for each in operations if isinstance(each, ChangeRules) and each.ns == ns]
    found = [change for change in changes if change.table == table]
    shape = next((shape for change in found if (shape := change.replace or change.ensure)), None)
    if shape is None:
        return None
    elements: dict[Element, None] = {}
    for change in found:
        elements.update(dict.fromkeys((*change.add, *change.likely)))
    return Transaction(shape.family, shape.name, replace=shape, add=tuple(elements))
