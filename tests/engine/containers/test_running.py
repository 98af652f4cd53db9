"""From `docker run` to the exit code, through the real CLI."""

from __future__ import annotations

import pytest

from tests.engine.containers.conftest import Desk
from tests.support.machines import wait_for

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("sh -c 'exit 7'", 7, ""),
        ("missing", 127, 'exec: "missing": executable file not found in $PATH: unknown'),
        ("/etc", 126, "permission denied"),
    ],
)
def test_exit_codes(desk: Desk, command: str, code: int, said: str) -> None:
    assert said in desk.docker(f"run --rm busybox {command}", code=code)


def test_stdin_is_passed_and_closed(desk: Desk) -> None:
    assert desk.docker("run --rm -i busybox sh -c 'cat; echo end'", stdin=b"x" * 200_000) == "x" * 200_000 + "end\n"


def test_a_failed_start_is_kept_in_the_state(desk: Desk) -> None:
    desk.docker("create --name {name} busybox missing")
    desk.docker("start {name}", code=1)
    state = desk.inspect("State")
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("created", 127, 0)
    assert "executable file not found" in state["Error"]


def test_limits_are_the_kernels(desk: Desk) -> None:
    files = "memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpuset/cpuset.cpus"
    script = f"cd /sys/fs/cgroup && cat {files}; ulimit -n"
    options = "-m 64m --pids-limit 20 --cpus 0.5 --cpuset-cpus 0 --ulimit nofile=99"
    assert desk.docker(f"run --rm {options} busybox sh -c '{script}'").split() == ["67108864", "20", "50000", "0", "99"]


def test_the_environment_of_a_process(desk: Desk) -> None:
    said = desk.docker("run --rm -h here -e A=1 -w /made/here --user 12:34 busybox sh -c 'hostname; env; pwd; id'")
    for expected in ("here\n", "HOSTNAME=here\n", "A=1\n", "/made/here\n", "uid=12 gid=34"):
        assert expected in said


def test_privileges(desk: Desk) -> None:
    assert "Operation not permitted" in desk.docker("run --rm busybox sh -c 'hostname x 2>&1 || true'")
    assert desk.docker("run --rm --cap-add SYS_ADMIN busybox sh -c 'hostname x && hostname'") == "x\n"
    assert "Read-only file system" in desk.docker("run --rm --read-only busybox touch /x", code=1)
    desk.docker("run --rm --read-only --tmpfs /run busybox touch /run/x")
    desk.docker("run --rm --privileged busybox mount -t tmpfs none /mnt", code=255)
    desk.docker("run --rm --privileged busybox mount -t tmpfs none /tmp")


def test_a_terminal(desk: Desk) -> None:
    assert desk.docker("run --rm -t busybox sh -c 'tty; echo x >&2'") == "/dev/pts/0\r\nx\r\n"


def test_binds_and_volumes(desk: Desk) -> None:
    folder = desk.machine.directory / desk.name
    desk.docker(f"run --rm -v {folder}:/host -v {desk.name}:/vol busybox sh -c 'echo a > /host/f; echo b > /vol/g'")
    assert (folder / "f").read_text() == "a\n"
    assert desk.docker(f"run --rm -v {desk.name}:/vol:ro busybox sh -c 'cat /vol/g; touch /vol/h'", code=1).startswith(
        "b\ntouch: /vol/h: Read-only file system"
    )
    missing = f"--mount type=bind,source={folder}/none,target=/x"
    assert "bind source path does not exist" in desk.docker(f"run --rm {missing} busybox true", code=125)
    desk.docker(f"volume rm {desk.name}")


def test_anonymous_volumes_go_with_their_container(desk: Desk) -> None:
    desk.docker("run --rm -v /data busybox touch /data/x")
    assert desk.docker("volume ls -q") == ""
    desk.docker("run --name {name} -v /data busybox true")
    assert len(desk.docker("volume ls -q").split()) == 1
    desk.docker("rm -v {name}")
    assert desk.docker("volume ls -q") == ""


def test_namespaces_can_be_shared(desk: Desk) -> None:
    desk.docker("run -d --name {name} --ipc shareable busybox sh -c 'echo shm > /dev/shm/x; exec sleep 1000'")
    assert "sleep 1000" in desk.docker("run --rm --pid container:{name} busybox ps")
    wait_for(lambda: desk.run("run --rm --ipc container:{name} busybox cat /dev/shm/x") == (0, "shm\n"), what="shm")
    assert desk.docker("run --rm --uts host busybox hostname") == f"{desk.machine.name}\n"


def test_init_reaps_and_passes_signals_on(desk: Desk) -> None:
    desk.docker("run -d --name {name} --init busybox sleep 1000")
    assert "docker-init" in desk.docker("top {name}")
    desk.docker("stop -t 10 {name}")
    assert desk.inspect("State")["ExitCode"] == 143


def test_what_is_not_supported_is_refused_by_name(desk: Desk) -> None:
    for options, words in (
        ("--log-driver syslog", "syslog"),
        ("--gpus all", "could not select device driver"),
        ("--storage-opt size=1g", "--storage-opt is not supported"),
        ("--device-read-bps /dev/null:1mb", "BlkioDeviceReadBps is not supported"),
        ("--runtime kata", "unknown or invalid runtime name: kata"),
    ):
        assert words in desk.docker(f"run --rm {options} busybox true", code=125)
    assert desk.docker("ps -aq") == ""
