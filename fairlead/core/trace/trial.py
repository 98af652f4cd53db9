"""What a packet that was really sent says about what was foretold."""

from __future__ import annotations

from dataclasses import replace

from fairlead.model.trace import (
    ANSWERED,
    DROPPED,
    REACHES,
    REFUSED,
    SILENT,
    UNSURE,
    Question,
    Trace,
)


def compare(trace: Trace, outcome: str, question: Question) -> Trace:
    """The trace with the outcome of its trial. Where nothing could be foretold the trial decides."""
    sent = f"{question.protocol} to {question.destination}" + (f" port {question.port}" if question.port else "")
    tried = f"sent {sent}: {outcome}"
    found = _verdict(outcome, question)
    if found == UNSURE:
        return replace(trace, tried=tried)
    if trace.verdict == UNSURE:
        told = f"{question.source} {found} {question.target}, as a packet that was sent shows"
        return replace(trace, verdict=found, told=told, remedy="", tried=tried)
    return replace(trace, tried=tried, agrees=found == trace.verdict)


def _verdict(outcome: str, question: Question) -> str:
    """Who takes a datagram need not answer, so its silence says nothing."""
    if outcome == ANSWERED:
        return REACHES
    if outcome == SILENT and question.protocol == "udp":
        return UNSURE
    return DROPPED if outcome in (SILENT, REFUSED) or outcome.startswith("unreachable") else UNSURE
