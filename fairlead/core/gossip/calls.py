"""Questions over streams, from the asking side: what is under way and who waits for the answer.

The shell connects, reads the server's hello, asks `seal` for the question's bytes, reads the answer, and reports it or
how the attempt failed. A failure is a `Verdict`: it is evidence about the peer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fairlead.core.gossip import member as members
from fairlead.core.gossip.errors import PeerError
from fairlead.core.gossip.member import Address, Member
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.envelope import NONCE_BYTES, VERSION, Envelope
from fairlead.core.gossip.wire.messages import Verdict
from fairlead.core.gossip.wire.stream import Answer, Question, Reply, Request

OnAnswer = Callable[[Reply, Address], None]
OnFailure = Callable[[Verdict], None]

HELLO_BYTES = NONCE_BYTES


@dataclass(frozen=True, slots=True)
class Call:
    """An order to the shell: connect to `to`, give up after `patience` seconds."""

    id: int
    to: Address
    patience: float


@dataclass(slots=True)
class _Pending:
    to: Address
    question: Question
    on_answer: OnAnswer
    on_failure: OnFailure
    nonce: bytes = b""


def _question_context(hello: bytes) -> bytes:
    return b"question" + hello


def _answer_context(nonce: bytes) -> bytes:
    return b"answer" + nonce


class Calls:
    def __init__(self, turn: Turn, envelope: Envelope, own: Callable[[], Member]) -> None:
        self._turn = turn
        self._envelope = envelope
        self._own = own
        self._pending: dict[int, _Pending] = {}
        self._orders: list[Call] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._pending)

    def ask(self, to: Address, question: Question, patience: float, answer: OnAnswer, failure: OnFailure) -> bool:
        """False: too many are under way already, nothing will happen."""
        if len(self._pending) >= self._turn.config.max_calls:
            return False
        self._count += 1
        self._pending[self._count] = _Pending(to, question, answer, failure)
        self._orders.append(Call(self._count, to, patience))
        self._turn.counters.calls_made += 1
        return True

    def take_orders(self) -> list[Call]:
        if not self._orders:
            return []
        orders, self._orders = self._orders, []
        return orders

    def seal(self, call: int, hello: bytes) -> bytes | None:
        """The question's bytes, None when the answer is no longer wanted or the hello is not one of ours."""
        pending = self._pending.get(call)
        if pending is None or len(hello) != HELLO_BYTES:
            return None
        body = codec.encode(Request(members.to_alive(self._own()), pending.question))
        sealed = self._envelope.seal(body, _question_context(hello))
        pending.nonce = sealed[3 : 3 + NONCE_BYTES]
        self._turn.counters.call_bytes_sent += len(sealed)
        return sealed

    def answered(self, call: int, data: bytes) -> None:
        """Raises PeerError when the answer does not open or decode; whoever asked is told of a failure then."""
        pending = self._pending.pop(call, None)
        if pending is None:
            return
        self._turn.counters.call_bytes_received += len(data)
        try:
            opened = self._envelope.open(data, _answer_context(pending.nonce))
            reply = codec.decode_reply(opened.body)
            if reply.sender.session != opened.session:
                raise PeerError("session")
        except PeerError:
            pending.on_failure(Verdict.STALLED)
            raise
        pending.on_answer(reply, pending.to)

    def failed(self, call: int, verdict: Verdict) -> None:
        pending = self._pending.pop(call, None)
        if pending is not None:
            pending.on_failure(verdict)

    def open_question(self, hello: bytes, data: bytes) -> tuple[Request, bytes]:
        """The answering side: the question, and its nonce to seal the answer with."""
        if len(data) < 3 + NONCE_BYTES or data[0] != VERSION:
            raise PeerError("foreign")
        opened = self._envelope.open(data, _question_context(hello))
        request = codec.decode_request(opened.body)
        if request.sender.session != opened.session:
            raise PeerError("session")
        self._turn.counters.calls_answered += 1
        self._turn.counters.call_bytes_received += len(data)
        return request, data[3 : 3 + NONCE_BYTES]

    def seal_answer(self, nonce: bytes, answer: Answer) -> bytes:
        body = codec.encode(Reply(members.to_alive(self._own()), answer))
        sealed = self._envelope.seal(body, _answer_context(nonce))
        self._turn.counters.call_bytes_sent += len(sealed)
        return sealed
