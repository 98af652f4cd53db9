"""Performs a play on a machine of a lab and reports where the answers differ."""

from __future__ import annotations

import time
from pathlib import Path

from fairlead.lab.machine import Machine
from tests.labs.play import Bindings, Step, absent, differences, parse

PATIENCE = 5.0


class Stage:
    """One performance: the machine, and what is bound so far."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.bindings = machine, Bindings()

    def perform(self, play: Path) -> list[str]:
        """Every difference, with the line of the play and the command."""
        wrong: list[str] = []
        for step in parse(play.read_text()):
            found = self._step(step)
            if found:
                wrong += [f"{play.name}:{step.line}: {step.kind} {step.command}", *(f"    {line}" for line in found)]
        return wrong

    def _step(self, step: Step) -> list[str]:
        if step.kind == "@":
            return self._daemon(*step.command.split())
        if step.kind == "?":
            deadline = time.monotonic() + PATIENCE
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
        done = self.machine.sh(f"{{ {command}\n}} 2>&1", check=False, timeout=60)
        wrong = differences(self.bindings, step.expected, done.stdout)
        if done.returncode != step.exit_code:
            wrong.append(f"exit {done.returncode}, wanted {step.exit_code}")
        return wrong

    def _on_terminal(self, step: Step, command: str) -> list[str]:
        typed = "".join(f"{self.bindings.fill(line)}\n" for line in step.typed)
        quoted = command.replace("'", "'\\''")
        script = f"script -qefc '{quoted}' /dev/null"
        line = f"{{ sleep 0.5; printf '%s' '{typed}'; [ -z '{typed}' ] || echo exit; sleep 0.5; }} | {script}"
        done = self.machine.sh(line, check=False, timeout=60)
        return absent(self.bindings, step.expected, done.stdout)

    def _daemon(self, verb: str, *flags: str) -> list[str]:
        if verb in ("kill", "restart"):
            self.machine.kill() if verb == "kill" else self.machine.stop()
        if verb == "stop":
            self.machine.stop()
        if verb in ("start", "restart"):
            if flags:
                self.machine.flags = flags
            self.machine.start()
        return []
