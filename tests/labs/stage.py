"""Performs a play on the machines of a lab and reports where the answers differ."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fairlead.lab.machine import Machine
from fairlead.lab.node import PATIENCE
from tests.labs.ear import Ear
from tests.labs.play import Bindings, Step, absent, differences, settled, shuffled_differences
from tests.labs.terminal import typed_on_a_terminal

TOOLS = f"{Path(__file__).parent / 'tools'}:{Path(sys.executable).parent}"
PATIENCE_WITH_A_COMMAND = 40.0


class Stage:
    """One performance: the machines, what is bound so far, and an ear at the first one's socket if there is one."""

    def __init__(self, machines: Sequence[Machine], ear: Ear | None = None) -> None:
        self.machines = {machine.name: machine for machine in machines}
        self.bindings, self.ear = Bindings(), ear

    def perform(self, title: str, steps: Sequence[Step]) -> list[str]:
        """Every difference, with the line of the play and the command."""
        wrong: list[str] = []
        for step in steps:
            found = self._step(step)
            if found:
                where = f"{title}:{step.line}: {step.kind} {step.host}: {step.command}"
                wrong += [where, *(f"    {line}" for line in found)]
        return wrong

    def _step(self, step: Step) -> list[str]:
        if step.kind == "@":
            return _daemon(self.machines[step.host], *step.command.split())
        if step.kind == "?":
            deadline = time.monotonic() + step.patience * PATIENCE
            while (found := self._run(step)) and time.monotonic() < deadline:
                time.sleep(0.05)
            return found
        return self._run(step)

    def _run(self, step: Step) -> list[str]:
        try:
            command = self.bindings.fill(step.command)
        except KeyError as name:
            return [f"{name} was never bound"]
        if step.kind == "%":
            return self._on_terminal(step, command)
        machine = self.machines[step.host]
        socket = self.ear.socket_path if self.ear else machine.socket
        names = f"SOCKET={socket} SCRATCH={machine.directory}; export DOCKER_HOST=unix://{socket} PATH={TOOLS}:$PATH"
        line = f"{names}; {{ {command}\n}} 2>&1"
        try:
            done = machine.sh(line, check=False, timeout=PATIENCE_WITH_A_COMMAND)
        except subprocess.TimeoutExpired:
            return [f"no answer within {PATIENCE_WITH_A_COMMAND:g} s"]
        compare = shuffled_differences if step.any_order else differences
        wrong = compare(self.bindings, step.expected, settled(done.stdout))
        if self.ear and (heard := self.ear.refusal()) != step.status:
            wrong.append(f"HTTP {heard}, wanted {step.status}")
        if done.returncode != step.exit_code:
            wrong.append(f"exit {done.returncode}, wanted {step.exit_code}")
        return wrong

    def _on_terminal(self, step: Step, command: str) -> list[str]:
        typed = "".join(f"{self.bindings.fill(line)}\n" for line in step.typed)
        text = f"{typed}exit\n" if typed else ""
        shown = typed_on_a_terminal(self.machines[step.host].command(["sh", "-c", command]), text)
        return absent(self.bindings, step.expected, shown)


def _daemon(machine: Machine, verb: str, *flags: str) -> list[str]:
    if verb in ("kill", "restart"):
        machine.kill() if verb == "kill" else machine.stop()
    if verb == "stop":
        machine.stop()
    if verb in ("start", "restart"):
        if flags:
            machine.flags = tuple(flag.replace("$SCRATCH", str(machine.directory)) for flag in flags)
        machine.start()
    return []
