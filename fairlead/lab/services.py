"""What a lab's routers offer: names, and a web server that stands for the rest of the world.

Each router that is some host's gateway has a name server that knows the hosts. On the router called `outside` every
.com, .net, .org and .io name resolves to one address beyond it, and a web server answers there. So
`ping www.example.com` and `curl http://anything/` work on a machine without any internet.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from fairlead.lab.node import Node, until
from fairlead.lab.topology import OUTSIDE, Topology
from fairlead.model.errors import Failed

WORLD = "203.0.113.80"
"""The one address of the world (TEST-NET-3, RFC 5737)."""
DOMAIN = "lab.internal"
TOP_LEVEL = "com/net/org/io"
"""Where every name exists; names without a dot, and others, do not."""


_WORLD_PAGE = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "outside web; you are $REMOTE_ADDR"
"""


def dnsmasq_flags(topology: Topology, upstream: Sequence[str] = ()) -> list[str]:
    """Pure: the resolver's flags for this topology. With `upstream` servers the world is the real one; without, it is
    the one behind `outside`, or there is none."""
    records = [
        f"--host-record={host.name}.{DOMAIN},{host.name},{link.address.ip}"
        for host in topology.hosts.values()
        for link in host.links[:1]
        if link.address
    ]
    world = ["--local=/#/"]
    if OUTSIDE in topology.routers:
        world = [f"--address=/{TOP_LEVEL}/{WORLD}", f"--local=/{TOP_LEVEL}/", *world]
    if upstream:
        world = [f"--server={server}" for server in upstream]
    return ["--no-hosts", "--no-resolv", f"--local=/{DOMAIN}/", *records, *world]


def start_names(node: Node, topology: Topology, upstream: Sequence[str] = ()) -> None:
    """Start a name server in the node; it ends with it."""
    _require("dnsmasq", "dnsmasq-base")
    node.spawn(
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file", "--bind-dynamic"]
        + dnsmasq_flags(topology, upstream),
        node.directory / "services.log",
    )
    until(lambda: node.listens("udp", 53), f"the name server of {node.name}", 10)


def start_world(node: Node) -> None:
    """Start the web server in the node; it ends with it."""
    _require("busybox", "busybox-static")
    node.batch("ip", [f"address add {WORLD}/32 dev lo"])
    page = node.directory / "www"
    script = page / "cgi-bin" / "index.cgi"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_WORLD_PAGE)
    script.chmod(0o755)
    node.spawn(["busybox", "httpd", "-f", "-p", f"{WORLD}:80", "-h", str(page)], node.directory / "services.log")
    until(lambda: node.listens("tcp", 80), f"the web server of {node.name}", 10)


def _require(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise Failed(f'{program} is not installed: run "make setup", or "apt-get install {package}"')
