"""The verb: put the question, look where the packet goes, look again where it comes to, and say what was found.

The decision is made anew each time it asks for one more namespace: it takes a millisecond, and so it stays a function
of what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.trace.decide import decide
from fairlead.core.trace.stopping import Unseen
from fairlead.core.trace.trial import compare
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.ports import Sights
from fairlead.engine.trace.beliefs import Beliefs, Silent
from fairlead.engine.trace.ends import Asked, Ends
from fairlead.engine.trace.naming import NoQuestionError
from fairlead.model.errors import Invalid
from fairlead.model.scene import Scene
from fairlead.model.trace import Known, Question, Trace


class Tracer:
    def __init__(self, fabric: Fabric, sights: Sights, silent: Silent = lambda network_id: ()) -> None:
        self._state, self._sights = fabric.state, sights
        self._ends, self._beliefs = Ends(fabric, sights), Beliefs(fabric, silent)

    async def trace(self, asked: Asked, send: bool = False) -> Trace:
        """The answer; with `send` a packet is really sent and what came of it compared. Raises a Refusal for ends that
        are none, and KernelRefused when a namespace goes away meanwhile."""
        try:
            question = await self._ends.question(asked)
        except NoQuestionError as settled:
            return settled.trace
        if send and question.outside:
            raise Invalid("nothing can be sent from outside of this host: use --send with a container, or host")
        known = await self._beliefs.known(self._concerned(question))
        trace = await self._decide(question, known)
        if not send:
            return trace
        outcome = await self._sights.probe(question.ns, question.destination, question.protocol, question.port)
        return compare(trace, outcome, question)

    async def _decide(self, question: Question, known: Known) -> Trace:
        scenes: dict[str, Scene] = {}
        spaces = self._beliefs.spaces()
        while True:
            try:
                return decide(question, scenes, known)
            except Unseen as unseen:
                scenes[unseen.ns] = await self._sights.scene(unseen.ns, spaces)

    def _concerned(self, question: Question) -> Iterable[str]:
        """The networks of both ends, and of whoever publishes the port."""
        spaces = {question.ns, question.goal} - {""}
        containers = {each for each, sandbox in self._state.sandboxes.items() if sandbox.ns in spaces}
        shown = (question.port, question.protocol)
        return dict.fromkeys(
            endpoint.network_id
            for endpoint in self._state.endpoints.values()
            if endpoint.container_id in containers
            or any((port.host_port, port.protocol) == shown for port in endpoint.published)
        )
