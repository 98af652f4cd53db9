"""`fairlead lab` as a user types it, from `up` to `down`, with containers running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.lab import record
from fairlead.lab.cgroups import HIERARCHIES
from fairlead.lab.laboratory import Laboratory
from fairlead.model.errors import Failed
from tests.support import images
from tests.support.machines import missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]

NAME = f"cli{os.getpid()}"
BRIEF = 15
"""Seconds in which six hosts have to be up."""


def fairlead(*words: str, check: bool = True, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fairlead", "lab", words[0], "--name", NAME, *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=check)


@pytest.fixture(scope="module")
def lab() -> Iterator[None]:
    fairlead("up", "--hosts", "2")
    try:
        yield
    finally:
        fairlead("down")


@pytest.fixture
def healed(lab: None) -> Iterator[None]:
    yield
    fairlead("heal")


def reaches(host: str, other: str) -> bool:
    return fairlead("exec", host, "--", "ping", "-c", "1", "-W", "1", other, check=False).returncode == 0


def test_ls_shows_hosts_addresses_states_and_sockets(lab: None) -> None:
    shown = fairlead("ls").stdout
    assert f"lab {NAME}" in shown
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line.startswith("host")}
    assert [row[:3] for row in rows.values()] == [["host1", "192.168.50.11", "up"], ["host2", "192.168.50.12", "up"]]
    assert Path(rows["host1"][3]).is_socket()


def test_exec_runs_docker_on_the_host_and_passes_its_exit_code(lab: None) -> None:
    assert json.loads(fairlead("exec", "host1", "--", "docker", "info", "-f", "json").stdout)["Name"] == "host1"
    assert fairlead("exec", "host2", "--", "sh", "-c", "exit 7", check=False).returncode == 7


def test_exec_leaves_the_command_its_own_options_and_directory(lab: None, tmp_path: Path) -> None:
    assert fairlead("exec", "host1", "docker", "ps", "--format", "{{.Names}}").stdout == ""
    assert fairlead("exec", "host1", "echo", "--name", "web").stdout == "--name web\n"
    command = [sys.executable, "-m", "fairlead", "lab", "exec", "--name", NAME, "host1", "pwd"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == f"{tmp_path}\n"


def test_images_of_an_archive_come_to_a_host(lab: None, tmp_path: Path) -> None:
    one, two = Laboratory.open(NAME).hosts()
    images.provide(one, "busybox")
    one.docker(f"save -o {tmp_path}/images.tar busybox")
    two.load(tmp_path / "images.tar")
    assert two.docker("images --format '{{.Repository}}'") == "busybox"
    (tmp_path / "images.tar").write_text("no archive")
    with pytest.raises(Failed, match="host2: "):
        two.load(tmp_path / "images.tar")


def test_a_shell_is_on_the_host(lab: None) -> None:
    command = [sys.executable, "-m", "fairlead", "lab", "shell", "--name", NAME, "host2"]
    said = subprocess.run(
        command, input="hostname; docker info -f '{{.Name}}'\n", capture_output=True, text=True, timeout=30, check=True
    )
    assert said.stdout.split() == ["host2", "host2"]


def test_a_daemon_is_killed_stopped_and_started(lab: None) -> None:
    for verb in ("kill", "stop"):
        fairlead(verb, "host1")
        assert "daemon down" in fairlead("ls").stdout
        fairlead("start", "host1")
        assert "daemon down" not in fairlead("ls").stdout


def test_a_host_reboots(lab: None) -> None:
    fairlead("exec", "host1", "--", "touch", "/run/since-boot")
    before = fairlead("exec", "host1", "--", "readlink", "/proc/self/ns/net").stdout
    fairlead("reboot", "host1")
    assert fairlead("exec", "host1", "--", "readlink", "/proc/self/ns/net").stdout != before
    wait_for(lambda: reaches("host1", "192.168.50.12"), what="the rebooted host reaches the other")
    wait_for(lambda: reaches("host1", "www.example.com"), what="and the world")
    Path("/run/since-boot").unlink(missing_ok=True)


def test_cut_isolate_and_heal(healed: None) -> None:
    fairlead("cut", "host1", "host2")
    assert not reaches("host1", "192.168.50.12")
    assert reaches("host1", "192.168.50.1")
    fairlead("isolate", "host1")
    assert not reaches("host1", "192.168.50.1")
    fairlead("heal")
    assert reaches("host1", "192.168.50.12")


def test_impair_does_what_it_can_and_refuses_the_rest(healed: None) -> None:
    fairlead("impair", "host2", "--loss", "100%")
    assert not reaches("host1", "192.168.50.12")
    refused = fairlead("impair", "host2", "--loss", "lots", check=False)
    assert refused.returncode == 1
    assert refused.stderr == 'fairlead lab: loss "lots" is not a percentage such as 5%\n'


@pytest.mark.parametrize(("form", "start"), [("text", "┌"), ("mermaid", "graph TD"), ("svg", "<svg ")])
def test_draw(lab: None, form: str, start: str) -> None:
    drawn = fairlead("draw", "--format", form).stdout
    assert drawn.startswith(start)
    assert "host1" in drawn
    assert "192.168.50.12/24" in drawn


def test_capture_writes_a_pcap_that_tcpdump_reads(lab: None, tmp_path: Path) -> None:
    file = tmp_path / "ping.pcap"
    command = [sys.executable, "-m", "fairlead", "lab", "capture", "--name", NAME, "host2:eth0", "-w", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as capturing:
        assert capturing.stderr is not None
        wait_for(lambda: "listening on" in capturing.stderr.readline(), what="tcpdump listens")  # type: ignore[union-attr]
        assert reaches("host1", "192.168.50.12")
        wait_for(lambda: file.stat().st_size > 200, what="packets are written")
        os.killpg(capturing.pid, signal.SIGINT)
        capturing.wait(10)
    read = subprocess.run(["tcpdump", "-nr", str(file)], capture_output=True, text=True, check=True).stdout
    assert "192.168.50.11 > 192.168.50.12: ICMP echo request" in read


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exec", "host9", "--", "true"), 'has no host "host9"; hosts: host1, host2'),
        (("cut", "host1", "nobody"), 'has no node "nobody"'),
        (("impair", "host9:eth0", "--loss", "1%"), 'has no link "host9:eth0"; links: '),
        (("capture", "host9"), 'has no link "host9"; links: '),
        (("cut", "host1", "host1"), "are the same node"),
        (("up", "--hosts", "1"), "is up already"),
        (("up", "demo"), 'unexpected "demo": a lab is named with --name'),
        (("up", "--hosts", "1", "--subnet", "10.0.0.1/24"), "has host bits set; give one such as"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_would_be_right(lab: None, words: tuple[str, ...], said: str) -> None:
    refused = fairlead(*words, check=False)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_lab_that_is_not_there_is_named() -> None:
    command = [sys.executable, "-m", "fairlead", "lab", "down", "--name", "nosuch"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert 'no lab "nosuch"' in refused.stderr


# --- the machine is as before ---------------------------------------------------------------------


def machine() -> dict[str, object]:
    """What a lab could leave behind: links, namespaces, mounts, control groups, rules, of ours and of this name."""
    directory = str(record.root() / NAME)
    namespaces = {link.readlink() for link in Path("/proc").glob("[0-9]*/ns/net") if _is_of(link, directory)}
    return {
        "links": {path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith(("flab", "veth"))},
        "namespaces": namespaces,
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if directory in line],
        "processes": record.processes_of(Path(directory)),
        "tables": subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout,
        "directory": Path(directory).exists(),
    }


def _is_of(link: Path, directory: str) -> bool:
    try:
        return directory.encode() in (link.parents[1] / "environ").read_bytes()
    except OSError:
        return False


def groups(names: list[str]) -> list[Path]:
    return [found for name in names for found in (HIERARCHIES / name, *HIERARCHIES.glob(f"*/{name}")) if found.exists()]


@pytest.mark.timed
def test_six_hosts_come_quickly_and_go_without_a_trace() -> None:
    global NAME
    kept, NAME = NAME, f"six{os.getpid()}"
    try:
        before = machine()
        started = time.monotonic()
        fairlead("up", "--hosts", "6")
        took = time.monotonic() - started
        hosts = Laboratory.open(NAME).hosts()
        for host in hosts:
            images.provide(host, "busybox")
            host.docker("network create -d macvlan --subnet 10.70.0.0/24 -o parent=eth0 flat")
            host.docker("run -d --name c1 -p 8080:80 busybox top")
            host.docker("run -d --name c2 --net flat busybox top")
        names = [(host.directory / "exec" / "cgroup").read_text().strip().strip("/") for host in hosts]
        assert groups(names), "containers have control groups"
        fairlead("down")
        assert machine() == before
        assert groups(names) == []
        assert took < BRIEF, f"six hosts took {took:.1f} s"
    finally:
        fairlead("down", check=False)
        NAME = kept


# --- the way out ----------------------------------------------------------------------------------

OUTSIDE_WORLD = """
set -e
ip link set lo up
cd {directory} && echo "from the machine" > index.html
busybox httpd -f -p 80 -h {directory} & server=$!
trap 'kill $server' EXIT
echo 0 > /proc/sys/net/ipv4/ip_forward
fairlead() {{ {python} -m fairlead lab "$@"; }}
fairlead up --name {name} --hosts 1 --uplink >/dev/null
ip -o -4 address show type veth | grep -o '100[0-9.]*/30'
address=$(ip -o -4 address show type veth | grep -o '100[0-9.]*/30' | cut -d/ -f1)
fairlead exec --name {name} host1 -- curl -s --max-time 5 http://$address/
cat /proc/sys/net/ipv4/ip_forward
fairlead down --name {name}
cat /proc/sys/net/ipv4/ip_forward
ip -o link | grep -vc ': lo:' || true
nft list tables
"""


def test_an_uplink_leads_to_the_machine_and_is_removed_with_the_lab(tmp_path: Path) -> None:
    script = OUTSIDE_WORLD.format(directory=tmp_path, python=sys.executable, name=f"out{os.getpid()}")
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    subnet, page, on, off, left, *tables = done.stdout.splitlines()
    assert subnet.endswith("/30")
    assert page == "from the machine"
    assert (on, off, left, tables) == ("1", "0", "0", [])
