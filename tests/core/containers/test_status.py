"""The words of `docker ps`."""

from __future__ import annotations

import pytest

from fairlead.core.containers.status import ago, command_line, status_text
from fairlead.model.container import Container, ContainerSpec, ContainerState, HealthState

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
NOW = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (0, "Less than a second"),
        (SECOND, "1 second"),
        (59 * SECOND, "59 seconds"),
        (60 * SECOND, "About a minute"),
        (119 * SECOND, "About a minute"),
        (2 * 60 * SECOND, "2 minutes"),
        (HOUR, "About an hour"),
        (HOUR + 31 * 60 * SECOND, "2 hours"),
        (47 * HOUR, "47 hours"),
        (48 * HOUR, "2 days"),
        (14 * 24 * HOUR, "2 weeks"),
        (60 * 24 * HOUR, "2 months"),
        (730 * 24 * HOUR, "2 years"),
    ],
)
def test_durations_as_a_person_says_them(duration: int, words: str) -> None:
    assert ago(duration) == words


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (ContainerState(), "Created"),
        (ContainerState("running", started=NOW - 5 * SECOND), "Up 5 seconds"),
        (ContainerState("paused", started=NOW - 5 * SECOND), "Up 5 seconds (Paused)"),
        (ContainerState("restarting", exit_code=3, finished=NOW - SECOND), "Restarting (3) 1 second ago"),
        (ContainerState("exited", exit_code=137, finished=NOW - 2 * SECOND), "Exited (137) 2 seconds ago"),
        (ContainerState("removing"), "Removal In Progress"),
        (
            ContainerState("running", started=NOW, health=HealthState("starting")),
            "Up Less than a second (health: starting)",
        ),
        (ContainerState("running", started=NOW, health=HealthState("healthy")), "Up Less than a second (healthy)"),
    ],
)
def test_status(state: ContainerState, text: str) -> None:
    assert status_text(state, NOW) == text


def test_arguments_with_spaces_are_quoted() -> None:
    argv = ("nginx", "-g", "daemon off;")
    assert command_line(Container("a" * 64, "n", 0, ContainerSpec("i"), "sha256:0", argv)) == "nginx -g 'daemon off;'"
