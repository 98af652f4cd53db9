"""Mutated packets through `fairlead.core.gossip.fuzz_entry`: none may raise, and the process must not grow."""

from __future__ import annotations

import random
import resource
import time

from fairlead.core.gossip import Entry, fuzz_entry
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.messages import (
    Ack,
    Alive,
    Dead,
    Left,
    Message,
    Nack,
    Ping,
    Relay,
    Suspect,
    Tombstone,
    Verdict,
    Who,
    Witness,
)
from fairlead.core.gossip.wire.stream import Check, Deliver, Difference, Here, Reply, Request, Summary, Sync, Wanted

_PEER = Alive("peer", b"\xc0\x00\x02\x02", 7946, 1, 0, b"another", b"")


def corpus() -> list[bytes]:
    """One packet, question and answer of every kind, and a packet of everything."""
    messages: list[Message] = [
        _PEER,
        Alive("own", b"\xc0\x00\x02\x09", 7946, 3, 1, b"rival!!", b""),
        Suspect("own", 1, 0, (Witness("peer", Verdict.REFUSED),)),
        Dead("peer", 1, 0, 5),
        Left("peer", 1, 0, 5),
        Entry("net", "table", "key", "peer", 1, 7, b"value"),
        Entry("", "networks", "net", "peer", 1, 3, b""),
        Tombstone("net", "table", "key", "own", 1, 9, 60),
        Ping(1, "own", bytes(20), 5),
        Ack(1, bytes(20)),
        Relay(4, "peer"),
        Nack(1, Verdict.SILENT),
        Who(),
    ]
    head = codec.packet_head("peer")
    packets = [codec.packet(head, [codec.encode(message)]) for message in messages]
    packets.append(codec.packet(head, [codec.encode(message) for message in messages]))
    records = [_PEER, messages[5], messages[7]]
    questions = (Check("own"), Sync(bytes(8), [Summary("net", bytes(32))]), Deliver(records))  # type: ignore[arg-type]
    answers = (Here(5), Difference(records, [Wanted(None, [0]), Wanted("net", [0])], more=False))  # type: ignore[arg-type]
    packets += [codec.encode(Request(_PEER, question)) for question in questions]
    packets += [codec.encode(Reply(_PEER, answer)) for answer in answers]
    return packets


def mutated(packet: bytes, rng: random.Random) -> bytes:
    body = bytearray(packet)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        place = rng.randrange(len(body) + 1)
        match rng.randrange(4):
            case 0 if place < len(body):
                body[place] = rng.randrange(256)
            case 1:
                body[place:place] = rng.randbytes(rng.randrange(1, 9))
            case 2:
                del body[place : place + rng.randrange(1, 9)]
            case _:
                body[place:place] = body[: rng.randrange(1, 40)]
    return bytes(body)


def invented(rng: random.Random) -> bytes:
    """A packet that decodes, of records whose fields are drawn from what is likely to matter."""

    def name() -> str:
        return rng.choice(("own", "peer", "third", f"n{rng.randrange(200)}"))

    def number() -> int:
        return rng.choice((0, 1, 1, 2, rng.randrange(1000), (1 << 48) - 1))

    def record() -> Message:
        row = (
            rng.choice(("net", "", "elsewhere")),
            rng.choice(("table", "networks")),
            rng.choice(("key", "net", name())),
        )
        match rng.randrange(7):
            case 0:
                session = rng.choice((b"another", b"another", b"session", rng.randbytes(7)))
                return Alive(
                    name(), rng.choice((b"\xc0\x00\x02\x02", bytes(5))), 7946, number(), number(), session, b""
                )
            case 1:
                return Suspect(name(), number(), number(), (Witness(name(), rng.choice(list(Verdict))),))
            case 2:
                return rng.choice((Dead, Left))(name(), number(), number(), number() % (1 << 32))
            case 3:
                return Entry(*row, name(), number(), number(), rng.randbytes(rng.randrange(2000)))
            case 4:
                return Tombstone(*row, name(), number(), number(), number() % (1 << 32))
            case 5:
                return Ping(number(), name(), rng.choice((b"", bytes(20), rng.randbytes(20))), number())
            case _:
                return rng.choice(
                    (Ack(number(), rng.randbytes(20)), Relay(number(), name()), Nack(number(), Verdict(1)))
                )

    messages = [codec.encode(record()) for _ in range(rng.randrange(1, 5))]
    return codec.packet(codec.packet_head(rng.choice(("peer", "peer", name()))), messages)


def run(count: int, seed: int) -> dict[str, float]:
    rng, packets = random.Random(seed), corpus()
    started, warm, early = time.process_time(), count // 10, 0
    for number in range(count):
        if number == warm:
            early = _resident()
        packet = invented(rng) if rng.random() < 0.3 else rng.choice(packets)
        fuzz_entry(mutated(packet, rng))
    spent = time.process_time() - started
    return {"packets": count, "seed": seed, "cpu_s": round(spent, 1), "grown_kB_since_a_tenth": _resident() - early}


def _resident() -> int:
    """The largest resident size so far, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
