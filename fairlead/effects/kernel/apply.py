"""Doing a plan: operations become requests, requests of one namespace travel together, what changed can be undone.

Requests wait in a queue as long as they go to the same namespace. They are sent when another namespace has its turn,
when an operation needs the index of a link that may only just be being made, or at the end. A link is made at once and
alone, because what follows (alias, flags, up) must not touch a stranger of the same name.

An operation is undone only if it changed something: an object that was there as wanted is left alone, a missing one
need not come back.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from fairlead.effects.kernel.netlink import Ack, Message
from fairlead.effects.kernel.places import Place
from fairlead.effects.kernel.reaper import Reaper
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import HOST, Operation, Plan


@dataclass(frozen=True, slots=True)
class Request:
    """Messages that one operation sends together, and how to read what comes back.

    `undo` reverses them. `tolerated` errors mean that nothing was to do. `on_exists` decides about EEXIST: it may send
    other messages, and returns what undoes them.
    """

    words: str
    messages: tuple[Message, ...]
    undo: Operation | None = None
    tolerated: frozenset[int] = frozenset()
    on_exists: Callable[[], Operation | None] | None = None


@dataclass(slots=True)
class Run:
    """One plan on its way. `changed` holds the undo operations in the order of the changes, `made` the links (namespace
    and name) that undo will remove anyway; whether anything will be undone at all, `undoes` tells."""

    host: Place
    reaper: Reaper
    undoes: bool = True
    changed: list[Operation] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    made: set[tuple[str, str]] = field(default_factory=set)
    _places: dict[str, Place] = field(default_factory=dict)
    _waiting: list[Request] = field(default_factory=list)
    _at: Place | None = None

    def place(self, ns: str) -> Place:
        if ns == HOST:
            return self.host
        if ns not in self._places:
            self._places[ns] = Place(ns)
        return self._places[ns]

    def leave(self, ns: str) -> None:
        """Forget what is open of a namespace that comes or goes."""
        place = self._places.pop(ns, None)
        if place is not None:
            place.close()
            self._at = None

    def index(self, place: Place, name: str, words: str) -> int:
        """The index of a link. Raises KernelRefused when there is none."""
        if name not in place.indexes:
            self.flush()
        found = place.index(name)
        if not found:
            raise KernelRefused(words, errno.ENODEV, f"no link {name}")
        return found

    def send(self, place: Place, request: Request) -> None:
        """Put it into the queue of its namespace."""
        if self._at is not place:
            self.flush()
            self._at = place
        self._waiting.append(request)

    def now(self, place: Place, *messages: Message) -> Ack:
        """Send behind the queue and wait; the outcome of the last message."""
        self.flush()
        return place.route.request(messages)[-1]

    def flush(self) -> None:
        """Send what waits and take note of every outcome."""
        if not self._waiting or self._at is None:
            return
        waiting, self._waiting = self._waiting, []
        try:
            outcome = self._at.route.request([message for request in waiting for message in request.messages])
        except KernelRefused as refused:
            missing_is_fine = refused.missing and all(request.tolerated for request in waiting)
            self.failures += [] if missing_is_fine else [refused]
            return
        except OSError as refused:
            self.failures.append(KernelRefused(waiting[0].words, refused.errno or 0))
            return
        acks = iter(outcome)
        for request in waiting:
            self._settle(request, [next(acks) for _ in request.messages])

    def _settle(self, request: Request, acks: list[Ack]) -> None:
        failed = [ack for ack in acks if ack.errno and ack.errno not in request.tolerated]
        if not failed:
            if request.undo is not None and not any(ack.errno for ack in acks):
                self.changed.append(request.undo)
            return
        try:
            if failed[0].errno != errno.EEXIST or request.on_exists is None:
                raise KernelRefused(request.words, failed[0].errno, failed[0].detail)
            undo = request.on_exists()
            if undo is not None:
                self.changed.append(undo)
        except KernelRefused as refused:
            self.failures.append(refused)

    def close(self) -> None:
        self.host.indexes.clear()
        for place in self._places.values():
            place.close()


class Executor:
    """Carries out plans in the thread that calls it."""

    def __init__(self, perform: Callable[[Run, Operation], None], reaper: Reaper) -> None:
        self.host = Place(HOST)
        self._perform, self._reaper = perform, reaper

    def apply(self, plan: Plan, first: Callable[[], None] | None = None) -> None:
        """All of it, or nothing: on failure what was changed is undone and KernelRefused raised. `first` goes before
        everything, and may raise what it likes."""
        if first is not None:
            first()
        run = Run(self.host, self._reaper)
        try:
            for operation in plan.operations:
                self._step(run, operation)
                if run.failures:
                    break
            else:
                run.flush()
            if run.failures:
                self._undo(run)
                raise run.failures[0]
        finally:
            run.close()

    def _step(self, run: Run, operation: Operation) -> None:
        try:
            self._perform(run, operation)
        except KernelRefused as refused:
            run.failures.append(refused)
        except OSError as refused:
            run.failures.append(KernelRefused(type(operation).__name__, refused.errno or 0, refused.strerror or ""))

    def _undo(self, run: Run) -> None:
        """Messages that were sent behind the failed one may have succeeded: they are in `changed` too."""
        first = run.failures[0]
        run.flush()
        undo, run.changed = run.changed[::-1], []
        run.failures = []
        for operation in undo:
            self._step(run, operation)
        run.flush()
        for failure in run.failures:
            first.add_note(f"and undoing: {failure}")
        run.failures = [first]

    def attempt(self, plan: Plan, first: Callable[[], None] | None = None) -> list[Exception]:
        """As much as possible, in order; returns what failed."""
        if first is not None:
            first()
        run = Run(self.host, self._reaper, undoes=False)
        try:
            for operation in plan.operations:
                self._step(run, operation)
            run.flush()
            return run.failures
        finally:
            run.close()

    def open(self) -> None:
        """Open the host's sockets in the thread that calls, whose namespace is the host."""
        self.host.open()

    def close(self) -> None:
        self.host.close()
