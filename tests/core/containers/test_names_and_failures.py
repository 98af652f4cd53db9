"""Names for those who gave none, and what a runtime's refusal means."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.containers.failure import exec_failure, start_failure
from fairlead.core.containers.names import ADJECTIVES, SURNAMES, suggest
from fairlead.model.errors import Failed, Invalid
from fairlead.model.ids import is_container_name


@given(st.integers())
def test_names_are_names(seed: int) -> None:
    assert is_container_name(suggest(Random(seed).randrange, lambda name: False))


def test_a_taken_name_is_never_suggested() -> None:
    taken = {f"{adjective}_{surname}" for adjective in ADJECTIVES for surname in SURNAMES}
    name = suggest(Random(1).randrange, taken.__contains__)
    assert name not in taken
    assert name[-1].isdigit()


@pytest.mark.parametrize(
    ("text", "code", "blame"),
    [
        ('runc create failed: exec: "x": executable file not found in $PATH', 127, Invalid),
        ("runc create failed: open /proc/sys/net/foo: no such file or directory", 127, Invalid),
        ('runc create failed: exec: "/etc": permission denied', 126, Invalid),
        ('runc create failed: sysctl "net.x" not allowed in host network namespace', 128, Failed),
    ],
)
def test_a_refused_start_has_a_shells_exit_code(text: str, code: int, blame: type[Exception]) -> None:
    found, refusal = start_failure(text)
    assert (found, type(refusal)) == (code, blame)
    assert refusal.message == (
        f"failed to create task for container: failed to create shim task: OCI runtime create failed: {text}: unknown"
    )


def test_a_refused_exec_is_told_on_its_stream() -> None:
    assert exec_failure('exec failed: exec: "x": executable file not found in $PATH') == (
        127,
        'OCI runtime exec failed: exec failed: exec: "x": executable file not found in $PATH: unknown',
    )
    assert exec_failure("exec failed: strange")[0] == 126
