"""Images for tests, made here: every one is busybox-static, a few scripts, and the name it stands in for.

They are loaded with `docker import`, so no registry is needed. `who.cgi` tells which container answered and
which address it saw; the pets images count their visits in the container that `$DB` names.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fairlead.lab.machine import Machine

_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP = "root:x:0:\nnogroup:x:65534:\n"
_WHO = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "host=$(hostname) client=$REMOTE_ADDR"
"""
_SERVE = """#!/bin/sh
trap 'kill $!; exit 0' TERM QUIT INT
mkdir -p /www/cgi-bin
httpd -f -p [::]:%d -h /www &
wait $!
"""
_WELCOME = """<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p><em>Thank you for using nginx.</em></p>
</body>
</html>
"""
_HIT = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
hits=$(($(cat /tmp/hits 2>/dev/null || echo 0) + 1))
echo $hits > /tmp/hits
echo "hits=$hits db=$(hostname) client=$REMOTE_ADDR"
"""
_WEB = """#!/bin/sh
echo "Starting web container $(hostname)"
echo " * Running on http://0.0.0.0:5000/ (Press CTRL+C to quit)"
trap 'kill $!; exit 0' TERM QUIT INT
httpd -f -p [::]:5000 -h /www &
wait $!
"""
_PETS = """#!/bin/sh
printf 'Content-Type: text/html\\r\\n\\r\\n'
case "$DB" in *:*) db=$DB ;; *) db=$DB:%d ;; esac
echo "<h1>pets role=$ROLE web=$(hostname) client=$REMOTE_ADDR</h1>"
echo "<p>DB $db -> $(timeout 2 wget -q -O - http://$db/cgi-bin/hit.cgi 2>&1)</p>"
"""
_ADMIN = """#!/bin/sh
printf 'Content-Type: text/html\\r\\n\\r\\n'
echo "<h1>admin web=$(hostname) client=$REMOTE_ADDR</h1>"
for db in $DB1 $DB2; do
    echo "<p>DB $db:6379 -> $(timeout 2 wget -q -O - http://$db:6379/cgi-bin/hit.cgi 2>&1)</p>"
done
"""


@dataclass(frozen=True)
class StandIn:
    """`files` are further executables by path, `programs` those of this machine that it has with the libraries they are
    linked to; `changes` are Dockerfile lines for `docker import -c`."""

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    changes: Sequence[str] = ('CMD ["sh"]',)
    programs: Sequence[str] = ()


def _pets(name: str, page: str) -> StandIn:
    return StandIn(
        name,
        {"/bin/web.sh": _WEB, "/www/cgi-bin/index.cgi": page},
        ('CMD ["/bin/web.sh"]', "EXPOSE 5000"),
    )


STAND_INS = {
    image.name: image
    for image in (
        StandIn("busybox"),
        StandIn("alpine"),
        StandIn("ubuntu", changes=('CMD ["/bin/bash"]',), programs=["/bin/bash"]),
        StandIn(
            "nginx",
            {"/bin/nginx": _SERVE % 80, "/www/index.html": _WELCOME, "/www/cgi-bin/who.cgi": _WHO},
            ('CMD ["nginx", "-g", "daemon off;"]', "EXPOSE 80"),
        ),
        StandIn(
            "redis",
            {"/bin/redis-server": _SERVE % 6379, "/www/cgi-bin/hit.cgi": _HIT},
            ('CMD ["redis-server"]', "EXPOSE 6379"),
        ),
        StandIn(
            "consul",
            {"/bin/consul": _SERVE % 8500, "/www/cgi-bin/hit.cgi": _HIT},
            ('CMD ["consul"]', "EXPOSE 8300 8301 8301/udp 8302 8302/udp 8500 8600 8600/udp"),
        ),
        _pets("chrch/docker-pets:1.0", _PETS % 8500),
        _pets("chrch/web", _PETS % 6379),
        _pets("chrch/admin", _ADMIN),
    )
}


@cache
def archive(name: str) -> bytes:
    """The root file system of a stand-in as a tar."""
    return archive_of(STAND_INS[name])


def archive_of(image: StandIn) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var", "www", "usr"):
            _add(tar, directory, kind=tarfile.DIRTYPE, mode=0o1777 if directory == "tmp" else 0o755)
        for link in ("sbin", "usr/bin", "usr/sbin"):
            _add(tar, link, kind=tarfile.SYMTYPE, target="/bin")
        _add(tar, "bin/busybox", Path(_busybox()).read_bytes(), mode=0o755)
        for applet in _applets():
            if f"/bin/{applet}" not in image.files and applet != "busybox":
                _add(tar, f"bin/{applet}", kind=tarfile.SYMTYPE, target="busybox")
        for path, text in image.files.items():
            _add(tar, path.lstrip("/"), text.encode(), mode=0o755)
        for program in image.programs:
            _add_dynamic(tar, program)
        _add(tar, "etc/passwd", _PASSWD.encode())
        _add(tar, "etc/group", _GROUP.encode())
    return buffer.getvalue()


def provide(machine: Machine, *names: str) -> None:
    """`docker import` the named stand-ins (all when none is named) on a machine."""
    for name in names or STAND_INS:
        load(machine, STAND_INS[name], archive(name))


def load(machine: Machine, image: StandIn, content: bytes) -> None:
    """`docker import` an image, whose root file system is `content`."""
    changes = [word for change in image.changes for word in ("-c", change)]
    reference = image.name if ":" in image.name else f"{image.name}:latest"
    command = machine.command(["docker", "import", *changes, "-", reference])
    subprocess.run(command, input=content, check=True, capture_output=True, timeout=60)


def _busybox() -> str:
    found = shutil.which("busybox")
    if found is None:
        raise RuntimeError("busybox-static is not installed")
    return found


@cache
def _applets() -> tuple[str, ...]:
    listed = subprocess.run([_busybox(), "--list"], capture_output=True, text=True, check=True)
    return tuple(listed.stdout.split())


def _add(
    tar: tarfile.TarFile,
    path: str,
    data: bytes = b"",
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    target: str = "",
) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, target, len(data)
    tar.addfile(entry, io.BytesIO(data) if data else None)


def _add_dynamic(tar: tarfile.TarFile, program: str) -> None:
    """A program of this machine with the libraries that it is linked to."""
    _add(tar, f"bin/{Path(program).name}", Path(program).read_bytes(), mode=0o755)
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for word in listed.split():
        if word.startswith("/"):
            _add(tar, word.lstrip("/"), Path(word).read_bytes(), mode=0o755)
