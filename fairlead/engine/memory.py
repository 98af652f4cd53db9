"""What every part of the engine works on: the state, where it is kept, and who tells the time and who is told."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.engine.events import EventBus
from fairlead.engine.ports import Clock, Entropy, Store
from fairlead.engine.state import State
from fairlead.model.config import DaemonConfig


@dataclass(frozen=True, slots=True)
class Memory:
    """`state` is the working copy of what `store` keeps: a change is committed there first."""

    config: DaemonConfig
    state: State
    store: Store
    events: EventBus
    clock: Clock
    entropy: Entropy
