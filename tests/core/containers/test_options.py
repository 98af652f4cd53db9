"""Requests that make no sense are refused before anything is touched."""

from __future__ import annotations

import signal

import pytest

from fairlead.core.containers.options import check, check_processors, check_update, log_limits, signal_number
from fairlead.model.container import ContainerSpec, NetworkingSpec, Resources, RestartPolicy, Ulimit
from fairlead.model.errors import Conflict, Invalid, Refusal, Unsupported


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ContainerSpec("i", restart=RestartPolicy("sometimes")), "unknown policy 'sometimes'"),
        (ContainerSpec("i", restart=RestartPolicy("always", 3)), "can only be used with 'on-failure'"),
        (ContainerSpec("i", restart=RestartPolicy("always"), auto_remove=True), "AutoRemove"),
        (ContainerSpec("i", resources=Resources(memory=1024)), "Minimum memory limit allowed is 6MB"),
        (ContainerSpec("i", resources=Resources(memory=1 << 27, memory_swap=1 << 26)), "memoryswap"),
        (ContainerSpec("i", resources=Resources(nano_cpus=1, cpu_quota=5000)), "Nano CPUs and CPU Quota"),
        (ContainerSpec("i", resources=Resources(ulimits=(Ulimit("nofile", 9, 3),))), "9 > 3"),
        (ContainerSpec("i", pid_mode="container:"), "invalid PID mode"),
        (ContainerSpec("i", ipc_mode="foo"), "invalid IPC mode: foo"),
        (ContainerSpec("i", uts_mode="host", network=NetworkingSpec(hostname="x")), "hostname and the UTS mode"),
        (ContainerSpec("i", working_dir="rel"), "needs to be an absolute path"),
        (ContainerSpec("i", log_options={"foo": "1"}), "unknown log opt 'foo'"),
        (ContainerSpec("i", log_options={"max-size": "lots"}), "lots"),
        (ContainerSpec("i", stop_signal="SIGFOO"), "invalid signal: SIGFOO"),
        (ContainerSpec("i", oom_score_adj=2000), "2000"),
        (ContainerSpec("i", runtime="kata"), "unknown or invalid runtime name: kata"),
        (ContainerSpec("i", log_driver="asdf"), 'error looking up logging plugin asdf: plugin "asdf" not found'),
        (ContainerSpec("i", resources=Resources(cpuset_cpus="1-42,,")), "Invalid value 1-42,, for cpuset cpus"),
        (ContainerSpec("i", resources=Resources(cpuset_mems="0-")), "Invalid value 0- for cpuset mems"),
        (ContainerSpec("i", annotations={"": "x"}), "the empty string is not permitted as an annotation key"),
    ],
)
def test_nonsense_is_refused(spec: ContainerSpec, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        check(spec, init_available=True)


def test_what_is_not_offered_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="no log driver named 'syslog'"):
        check(ContainerSpec("i", log_driver="syslog"), init_available=True)
    with pytest.raises(Unsupported, match="--init"):
        check(ContainerSpec("i", init=True), init_available=False)


def test_a_plain_request_passes() -> None:
    try:
        check(ContainerSpec("i", resources=Resources(memory=64 << 20, nano_cpus=500_000_000)), init_available=False)
    except Refusal as refusal:
        pytest.fail(refusal.message)


@pytest.mark.parametrize(
    ("text", "number"),
    [("9", 9), ("KILL", signal.SIGKILL), ("sigterm", signal.SIGTERM), ("SIGRTMIN+3", signal.SIGRTMIN + 3)],
)
def test_signals_by_name_and_number(text: str, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize("text", ["0", "99", "FOO", "SIGRTMIN+x", "HUP+1"])
def test_unknown_signals_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="invalid signal"):
        signal_number(text)


@pytest.mark.parametrize(
    ("options", "limits"),
    [({}, (0, 1)), ({"max-size": "10k"}, (10240, 1)), ({"max-size": "1.5M", "max-file": "3"}, (3 << 19, 3))],
)
def test_log_limits(options: dict[str, str], limits: tuple[int, int]) -> None:
    assert log_limits(ContainerSpec("i", log_options=options)) == limits


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"nano_cpus": 5}, {"cpu_quota": 5000}, "CPU Quota cannot be updated as NanoCPUs has already been set"),
        ({"cpu_period": 5000}, {"nano_cpus": 5}, "Nano CPUs cannot be updated as CPU Period has already been set"),
        ({"memory": 300 << 20}, {"memory": 800 << 20}, "Memory limit should be smaller than already set memoryswap"),
        ({}, {"memory": 300 << 20}, "update the memoryswap at the same time"),
    ],
)
def test_an_update_does_not_contradict_what_was_set(before: dict[str, int], after: dict[str, int], words: str) -> None:
    with pytest.raises(Conflict, match=words):
        check_update(Resources(**before), Resources(**before | after))  # type: ignore[arg-type]


def test_an_update_may_move_within_what_was_set() -> None:
    check_update(Resources(memory=300 << 20), Resources(memory=500 << 20))
    check_update(Resources(memory=300 << 20), Resources(memory=800 << 20, memory_swap=900 << 20))
    check_update(Resources(nano_cpus=5), Resources(nano_cpus=7))


def test_there_are_no_more_processors_than_the_host_has() -> None:
    check_processors(Resources(nano_cpus=2_000_000_000, cpuset_cpus="0-1"), 2)
    with pytest.raises(Invalid, match=r"range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"):
        check_processors(Resources(nano_cpus=2_000_000_001), 2)
    with pytest.raises(Invalid, match="Requested CPUs are not available - requested 0,2-3, available: 0-1"):
        check_processors(Resources(cpuset_cpus="0,2-3"), 2)
