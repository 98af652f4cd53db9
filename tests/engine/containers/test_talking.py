"""attach, exec, logs, cp, top, stats: everything that flows between a user and a container."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from typing import Any

import pytest

from tests.engine.containers.conftest import Desk
from tests.support.machines import wait_for

pytestmark = pytest.mark.lab


def test_exec(desk: Desk) -> None:
    desk.docker("run -d --name {name} -e A=1 -w /tmp busybox sleep 1000")
    assert desk.docker("exec {name} sh -c 'echo $A $B; pwd; exit 4'", code=4) == "1\n/tmp\n"
    assert desk.docker("exec -i {name} cat", stdin=b"y" * 100_000) == "y" * 100_000
    assert desk.docker("exec -e B=2 -w / -u 5 {name} sh -c 'echo $B; pwd; id -u'") == "2\n/\n5\n"
    assert "executable file not found" in desk.docker("exec {name} missing", code=127)
    assert desk.docker("exec -t {name} tty") == "/dev/pts/0\r\n"
    desk.docker("exec -d {name} touch /tmp/detached")
    wait_for(lambda: desk.run("exec {name} ls /tmp/detached")[0] == 0, what="the detached process")
    desk.docker("stop -t 0 {name}")
    assert "is not running" in desk.docker("exec {name} true", code=1)


def test_exec_by_docker_py(desk: Desk) -> None:
    desk.docker("run -d --name {name} busybox sleep 1000")
    container = desk.client().containers.get(desk.name)
    done = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 2"], demux=True)
    assert (done.exit_code, done.output) == (2, (b"out\n", b"err\n"))
    assert b"".join(container.exec_run("echo streamed", stream=True).output) == b"streamed\n"


def test_exec_sees_nothing_of_a_network_that_was_disconnected(desk: Desk) -> None:
    desk.docker("network create {name}")
    desk.docker("run -d --name {name} busybox sleep 1000")
    network, container = desk.client().networks.get(desk.name), desk.client().containers.get(desk.name)
    for _ in range(5):
        network.connect(container)
        assert container.exec_run("ls /sys/class/net").output == b"eth0\neth1\nlo\n"
        network.disconnect(container)
        assert container.exec_run("ls /sys/class/net").output == b"eth0\nlo\n"


def test_a_guest_sees_nothing_of_a_network_that_its_host_was_disconnected_from(desk: Desk) -> None:
    desk.docker("network create {name}")
    desk.docker("run -d --name {name} busybox sleep 1000")
    containers = desk.client().containers
    network, container = desk.client().networks.get(desk.name), containers.get(desk.name)
    guests = [
        containers.create("busybox", "ls /sys/class/net", network_mode=f"container:{container.id}") for _ in range(3)
    ]
    for guest in guests:
        network.connect(container)
        network.disconnect(container)
        guest.start()
        guest.wait()
        assert guest.logs() == b"eth0\nlo\n"
        guest.remove()


def test_attach_to_what_runs(desk: Desk) -> None:
    desk.docker("run -d -i --name {name} busybox cat")
    container = desk.client().containers.get(desk.name)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    stream._sock.sendall(b"typed\n")
    header = stream.read(8)
    assert (header[0], int.from_bytes(header[4:], "big")) == (1, 6)
    assert stream.read(6) == b"typed\n"
    stream.close()
    assert desk.inspect("State")["Running"]


def test_the_detach_keys_leave_it_running(desk: Desk) -> None:
    desk.docker("create -it --name {name} busybox cat")
    container = desk.client().containers.get(desk.name)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1, "detachKeys": "ctrl-a,x"})
    container.start()
    stream._sock.sendall(b"a\n")
    assert stream.read(3) == b"a\r\n"
    stream._sock.sendall(b"\x01x")
    stream._sock.settimeout(10)
    while stream._sock.recv(100):
        pass  # what cat had still to say
    assert desk.inspect("State")["Running"]


def test_logs(desk: Desk) -> None:
    desk.docker("run --name {name} busybox sh -c 'for i in 1 2 3; do echo out$i; done'")
    assert desk.docker("logs {name}") == "out1\nout2\nout3\n"
    assert desk.docker("logs --tail 1 {name}") == "out3\n"
    first = desk.docker("logs -t {name}").splitlines()[0]
    assert first.endswith("Z out1")
    assert desk.docker(f"logs --since {first.split()[0]} {{name}}") == "out1\nout2\nout3\n"
    assert desk.docker("logs --until 1h {name}") == ""
    assert "No such container" in desk.docker("logs nobody", code=1)


def test_logs_are_followed_to_the_end(desk: Desk) -> None:
    desk.docker("run -d -i --name {name} busybox sh -c 'echo first; read x; echo last'")
    container = desk.client().containers.get(desk.name)
    seen: list[bytes] = []
    follower = threading.Thread(target=lambda: seen.extend(container.logs(stream=True, follow=True)))
    follower.start()
    wait_for(lambda: b"first\n" in seen, what="the first line")
    stream = container.attach_socket(params={"stdin": 1, "stream": 1})
    stream._sock.sendall(b"go\n")
    follower.join(10)
    assert not follower.is_alive()
    assert b"".join(seen) == b"first\nlast\n"


def test_logs_of_a_terminal_are_raw(desk: Desk) -> None:
    desk.docker("run -t --name {name} busybox echo hi")
    assert desk.docker("logs {name}") == "hi\r\n"


def test_logs_stay_within_their_limits(desk: Desk) -> None:
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done"
    desk.docker(f"run --name {{name}} --log-opt max-size=20k busybox sh -c '{script}'")
    lines = desk.docker("logs {name}").splitlines()
    assert lines[-1] == "line 2999"
    assert len(lines) < 1500


def test_no_log(desk: Desk) -> None:
    desk.docker("run --name {name} --log-driver none busybox echo hi")
    assert "does not support reading" in desk.docker("logs {name}", code=1)


@pytest.mark.parametrize("running", [True, False])
def test_copying_in_and_out(desk: Desk, running: bool) -> None:
    desk.docker(f"{'run -d' if running else 'create'} --name {{name}} -v {desk.name}:/vol busybox sleep 1000")
    folder = desk.machine.directory / desk.name
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text("content")
    desk.docker(f"cp {folder} {{name}}:/tmp/copied")
    desk.docker(f"cp {folder}/file {{name}}:/vol/")
    desk.docker(f"cp {{name}}:/tmp/copied/file {folder}/back")
    assert (folder / "back").read_text() == "content"
    assert desk.docker(f"run --rm -v {desk.name}:/v busybox cat /v/file") == "content"
    assert "Could not find the file /none" in desk.docker(f"cp {{name}}:/none {folder}", code=1)
    assert "A /tmp/copied/file" in desk.docker("diff {name}")
    desk.docker("rm -f {name}")
    desk.docker(f"volume rm {desk.name}")


def test_export(desk: Desk) -> None:
    desk.docker("create --name {name} busybox true")
    data = b"".join(desk.client().containers.get(desk.name).export())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {"bin/busybox", "etc/passwd"} <= set(tar.getnames())


def test_top_and_stats(desk: Desk) -> None:
    desk.docker("run -d --name {name} -m 100m busybox sh -c 'sleep 1000; true'")
    assert "sleep 1000" in desk.docker("top {name}")
    stats: dict[str, Any] = desk.client().containers.get(desk.name).stats(stream=False)
    assert stats["memory_stats"]["limit"] == 100 << 20
    assert stats["cpu_stats"]["system_cpu_usage"] > stats["precpu_stats"]["system_cpu_usage"]
    assert set(stats["networks"]) == {"eth0"}
    assert json.loads(desk.docker("stats --no-stream --format '{{json .}}' {name}"))["PIDs"] == "2"
