"""The words of `docker ps`: "Up 5 minutes (healthy)", "Exited (0) 2 hours ago"."""

from __future__ import annotations

from fairlead.model.container import (
    CREATED,
    DEAD,
    PAUSED,
    REMOVING,
    RESTARTING,
    RUNNING,
    Container,
    ContainerState,
)

_SECOND = 1_000_000_000


def status_text(state: ContainerState, now: int) -> str:
    """The STATUS column. Times are ns since the epoch."""
    up, gone = ago(now - state.started), ago(now - state.finished)
    if state.status == PAUSED:
        return f"Up {up} (Paused)"
    if state.status == RESTARTING:
        return f"Restarting ({state.exit_code}) {gone} ago"
    if state.status == RUNNING:
        return f"Up {up}{_health_words(state)}"
    fixed = {CREATED: "Created", REMOVING: "Removal In Progress", DEAD: "Dead"}
    return fixed.get(state.status) or f"Exited ({state.exit_code}) {gone} ago"


def _health_words(state: ContainerState) -> str:
    if state.health is None or state.health.status == "none":
        return ""
    status = state.health.status
    return f" (health: {status})" if status == "starting" else f" ({status})"


def ago(duration: int) -> str:
    """A duration (ns) the way a person says it."""
    seconds = max(0, duration) // _SECOND
    minutes, hours = seconds // 60, int(seconds / 3600 + 0.5)
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < 60:
        return f"{seconds} seconds"
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    return _long_ago(hours)


def _long_ago(hours: int) -> str:
    for limit, unit, word in (
        (48, 1, "hours"),
        (24 * 7 * 2, 24, "days"),
        (24 * 30 * 2, 24 * 7, "weeks"),
        (24 * 365 * 2, 24 * 30, "months"),
    ):
        if hours < limit:
            return f"{hours // unit} {word}"
    return f"{hours // (24 * 365)} years"


def command_line(container: Container) -> str:
    """The COMMAND column: words with spaces in single quotes."""
    path, *arguments = container.argv
    return " ".join([path, *(f"'{word}'" if " " in word else word for word in arguments)])
