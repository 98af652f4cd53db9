"""The daemon goes and comes back, by a stop, a crash, or with the whole host: what runs goes on, all else is known."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import OUTSIDE, simple
from tests.chaos.api import Api, spec
from tests.chaos.audit import Audit
from tests.support.images import provide
from tests.support.machines import laboratory, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

ECHO = "exec nc -ll -p 7 -e cat"
_TALK = """
import json, socket, sys, time
for attempt in range(100):
    try:
        talk = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
worst = count = 0
print("talking", flush=True)
end = time.monotonic() + 60
while time.monotonic() < end and not sys.stdin.closed:
    began = time.monotonic()
    talk.sendall(b"x")
    assert talk.recv(1) == b"x"
    worst, count = max(worst, time.monotonic() - began), count + 1
    if open(sys.argv[3]).read() == "stop":
        break
    time.sleep(0.005)
print(json.dumps([count, worst]))
"""


@pytest.fixture
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(["host1"])) as lab:
        provide(lab.host("host1"), "busybox")
        yield lab


def stop(host: Machine) -> None:
    host.stop()


def crash(host: Machine) -> None:
    host.kill()


@pytest.mark.timed
@pytest.mark.parametrize("end", [stop, crash])
def test_established_connections_do_not_notice(lab: Laboratory, end: Callable[[Machine], None]) -> None:
    host = lab.host("host1")
    Api(host.socket).run("echo", spec(ports={7007: 7}, command=ECHO))
    note = lab.directory / "note"
    note.write_text("go on")
    command = [sys.executable, "-c", _TALK, host.address, "7007", str(note)]
    with subprocess.Popen(
        lab.node(OUTSIDE).inside(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as talk:
        assert talk.stdout is not None
        assert talk.stdout.readline() == "talking\n"
        for _ in range(2):
            end(host)
            host.start()
        note.write_text("stop")
        count, worst = json.loads(talk.stdout.read())
    assert count > 50
    assert worst < 0.2, "seconds that one byte waited for its echo: a lost segment costs at least as much"


def test_ends_while_nobody_watched(lab: Laboratory) -> None:
    host = lab.host("host1")
    api = Api(host.socket)
    api.create_network("pets")
    api.run("ends", spec("pets", command="while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 7"))
    once = "while [ ! -e /tmp/go ]; do sleep 0.05; done; rm /tmp/go; exit 7"
    api.run("again", spec("pets", command=once, restart="on-failure"))
    api.run("stays", spec("pets"))
    pids = [api.inspect(name)["State"]["Pid"] for name in ("ends", "again")]
    host.kill()
    for pid in pids:
        host.sh(f"touch /proc/{pid}/root/tmp/go")
    wait_for(lambda: host.sh(f"ps -o stat= -p {pids[0]},{pids[1]}", check=False).stdout == "", what="both to end")
    host.start()
    wait_for(lambda: api.inspect("ends")["State"]["Status"] == "exited", what="the end to be noticed")
    assert api.inspect("ends")["State"]["ExitCode"] == 7
    wait_for(lambda: api.inspect("again")["State"]["Pid"] not in (0, pids[1]), what="the policy to be followed")
    assert api.inspect("again")["RestartCount"] == 1
    api.delete("/containers/again?force=1")
    assert not Audit(host).faults()


def test_health_checks_go_on(lab: Laboratory) -> None:
    host = lab.host("host1")
    api = Api(host.socket)
    check = {"Test": ["CMD-SHELL", "test ! -e /tmp/ill"], "Interval": 200_000_000, "Retries": 2}
    api.run("web", {**spec(), "Healthcheck": check})
    wait_for(lambda: api.inspect("web")["State"]["Health"]["Status"] == "healthy", what="it to be healthy")
    host.kill()
    host.start()
    host.sh(f"touch /proc/{api.inspect('web')['State']['Pid']}/root/tmp/ill")
    wait_for(lambda: api.inspect("web")["State"]["Health"]["Status"] == "unhealthy", what="it to be unhealthy")


def test_the_host_reboots(lab: Laboratory) -> None:
    """Processes, links, rules, mounts and exec-root are gone; the pidfile names a process of the new life."""
    host = lab.host("host1")
    api = Api(host.socket)
    api.create_network("pets")
    for name, policy in (("always", "always"), ("unless", "unless-stopped"), ("never", "")):
        api.run(name, spec("pets", restart=policy))
    api.run("shown", spec(ports={8080: 80}, restart="always"))
    api.post("/networks/pets/connect", {"Container": "shown"})
    api.run("stopped", spec("pets", restart="unless-stopped"))
    api.post("/containers/stopped/stop?t=0")
    api.run("passing", {**spec("pets"), "HostConfig": {**spec("pets")["HostConfig"], "AutoRemove": True}})
    reboot(host)
    host.start()
    assert {each["Name"][1:] for each in api.containers() if not each["State"]["Pid"]} >= {"never", "stopped"}
    assert not any(each["Name"] == "/passing" for each in api.containers())
    back = {"always", "unless", "shown"}
    wait_for(
        lambda: {each["Name"][1:] for each in api.containers() if each["State"]["Pid"]} == back, 20, "all to be back"
    )
    wait_for(lambda: "passing" not in {each["Name"][1:] for each in api.containers()}, what="--rm to be done")
    assert api.inspect("never")["State"]["ExitCode"] == 137
    assert not Audit(host, [8080]).faults()


def reboot(host: Machine) -> None:
    folder = host.directory
    host.kill()
    host.sh(
        f"""
        for pid in $(ps -eo pid=,ppid=,comm= | awk '$1 > 2 && $3 != "sh" && $3 != "ps" && $3 != "awk" {{print $1}}'); do
            kill -9 $pid 2>/dev/null
        done
        for file in {folder}/exec/netns/*; do umount $file; done
        umount {folder}/exec/netns
        grep -o '{folder}/data/rootfs/[^ ]*' /proc/mounts | xargs -r umount
        for controller in /sys/fs/cgroup/*; do
            find $controller/$(cat {folder}/exec/cgroup) -mindepth 1 -depth -type d -exec rmdir {{}} + 2>/dev/null
        done
        rm -rf {folder}/exec
        for link in $(ip -o link | grep -oE ' (br-[0-9a-f]+|docker0)' | sort -u); do ip link delete $link; done
        nft flush ruleset
        echo 2 > {host.pidfile}
        """
    )


@pytest.mark.parametrize("content", ["2", "999999", "not a number", ""])
def test_a_pidfile_of_another_life_refuses_nobody(lab: Laboratory, content: str) -> None:
    host = lab.host("host1")
    host.kill()
    host.pidfile.write_text(content)
    host.start()
    assert host.answers()
