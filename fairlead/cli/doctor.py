"""`fairlead doctor`: what this host has of what Fairlead needs, and for each thing that is wrong what to do.

It changes nothing, needs no daemon, and names every problem at once. Its exit status is 1 if something is missing
that the engine cannot do without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, pass_client
from fairlead.cli.faults import Fault
from fairlead.cli.fields import text

GOOD, WARN, BAD = "ok", "warn", "fail"
PROGRAMS = (
    ("runc", BAD, "runs the containers"),
    ("conmon", BAD, "keeps the containers when the daemon restarts"),
    ("skopeo", WARN, "talks to registries: without it there is no pull and no push"),
    ("umoci", WARN, "unpacks images"),
    ("nft", WARN, "shows the packet filter in words; the engine does not need it"),
)
KINDS = (
    ("bridge", BAD, "user-defined networks"),
    ("veth", BAD, "every container with a network"),
    ("vxlan", WARN, "overlay networks"),
    ("macvlan", WARN, "macvlan networks"),
    ("ipvlan", WARN, "ipvlan networks"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """`verdict` is GOOD, WARN or BAD; `remedy` says what to do and is empty when nothing is."""

    verdict: str
    subject: str
    told: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<5} {self.subject}: {self.told}"
        return line + (f"\n      -> {self.remedy}" if self.remedy else "")


@command("doctor", help="Check this host, and say what to do about what is wrong")
@pass_client
def doctor(client: Client) -> None:
    findings = [finding for check in CHECKS for finding in check()] + list(check_daemon(client))
    for finding in findings:
        click.echo(finding)
    count = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in (GOOD, WARN, BAD)}
    click.echo(f"\n{count[GOOD]} good, {count[WARN]} to look at, {count[BAD]} in the way")
    if count[BAD]:
        sys.exit(1)


def check_rights() -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield Finding(GOOD, "rights", "root")
    else:
        yield Finding(BAD, "rights", f"user {os.geteuid()}", "run the daemon as root: it makes links and namespaces")


def check_programs() -> Iterator[Finding]:
    for name, verdict, purpose in PROGRAMS:
        if path := shutil.which(name):
            yield Finding(GOOD, name, path)
        else:
            yield Finding(verdict, name, f"not found; it {purpose}", f"apt-get install {_PACKAGES.get(name, name)}")


_PACKAGES = {"nft": "nftables"}


def check_kernel() -> Iterator[Finding]:
    """Tries what the engine does, in a network namespace of its own that ends with the try."""
    if os.geteuid() != 0:
        return
    for kind, verdict, purpose in KINDS:
        fault = _try_link(kind)
        if fault:
            remedy = f"modprobe {kind}, or use a kernel that has it; it is for {purpose}"
            yield Finding(verdict, f"kernel: {kind}", fault, remedy)
        else:
            yield Finding(GOOD, f"kernel: {kind}", "works")
    fault = _in_namespace("nft add table inet fairlead_probe") if shutil.which("nft") else ""
    if fault:
        yield Finding(BAD, "kernel: nf_tables", fault, "modprobe nf_tables; it is the packet filter of every network")


def _try_link(kind: str) -> str:
    """Empty when a link of this kind can be made; else the kernel's words."""
    below = "ip link add below type veth peer name other && " if kind in ("macvlan", "ipvlan") else ""
    extra = {"macvlan": "link below", "ipvlan": "link below", "vxlan": ""}.get(kind, "")
    options = "id 7 dstport 4789" if kind == "vxlan" else ""
    return _in_namespace(f"{below}ip link add probe {extra} type {kind} {options}")


def _in_namespace(script: str) -> str:
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, timeout=10, check=False
    )
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed"


def check_sysctls() -> Iterator[Finding]:
    forwarding = _read("/proc/sys/net/ipv4/ip_forward")
    if forwarding == "1":
        yield Finding(GOOD, "net.ipv4.ip_forward", "1")
    else:
        yield Finding(WARN, "net.ipv4.ip_forward", forwarding, "the daemon turns it on when it starts")
    for name, least in (("fs.inotify.max_user_instances", 128), ("fs.file-max", 65536), ("kernel.pid_max", 32768)):
        value = _read("/proc/sys/" + name.replace(".", "/"))
        if value.isdecimal() and int(value) < least:
            yield Finding(WARN, name, value, f"sysctl -w {name}={least}: hundreds of containers need more")
    if _read("/proc/sys/net/bridge/bridge-nf-call-iptables") == "1":
        yield Finding(
            WARN,
            "net.bridge.bridge-nf-call-iptables",
            "1",
            "bridged packets also pass the rules of iptables: set it to 0 unless something else needs it",
        )


def check_cgroups() -> Iterator[Finding]:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        yield Finding(GOOD, "cgroups", "version 2")
    elif Path("/sys/fs/cgroup/memory").is_dir():
        yield Finding(GOOD, "cgroups", "version 1")
    else:
        yield Finding(
            BAD, "cgroups", "not mounted", "mount -t cgroup2 none /sys/fs/cgroup: containers cannot be limited"
        )


def check_overlay() -> Iterator[Finding]:
    if "overlay" in _read("/proc/filesystems").split():
        yield Finding(GOOD, "overlayfs", "works")
    else:
        yield Finding(BAD, "overlayfs", "not in this kernel", "modprobe overlay: images share their layers with it")


def check_leftovers() -> Iterator[Finding]:
    """Namespaces that no process holds and no daemon's directory owns any more."""
    directory = Path("/run/fairlead/netns")
    if not directory.is_dir() or Path("/run/fairlead/fairlead.sock").exists():
        return
    names = sorted(path.name for path in directory.iterdir())
    if names:
        remedy = "start the daemon: it takes over what belongs to its containers and removes the rest"
        yield Finding(WARN, "leftovers", f"{len(names)} namespaces in {directory}", remedy)


def check_others() -> Iterator[Finding]:
    """Another engine's bridge of the name that ours wants."""
    for bridge in ("docker0",):
        alias = _read(f"/sys/class/net/{bridge}/ifalias")
        if Path(f"/sys/class/net/{bridge}").exists() and not alias.startswith("fairlead"):
            remedy = f"stop dockerd and `ip link del {bridge}`, or start with --bridge for a name of its own"
            yield Finding(WARN, bridge, "exists and is not Fairlead's", remedy)


def check_daemon(client: Client) -> Iterable[Finding]:
    host = client.endpoint.host
    try:
        version = text(client.get("/version"), "Version")
    except Fault as fault:
        start = f"fairlead daemon -H {host}" if host.startswith("unix://") else "start it, or choose another with -H"
        return [Finding(WARN, "daemon", fault.text, start)]
    return [Finding(GOOD, "daemon", f"version {version} answers at {host}")]


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    check_rights,
    check_programs,
    check_kernel,
    check_overlay,
    check_cgroups,
    check_sysctls,
    check_others,
    check_leftovers,
)
