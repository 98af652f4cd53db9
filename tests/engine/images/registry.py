"""A real registry: Debian's docker-registry on a loopback port, with its data in a temporary directory."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
{auth}
"""
_AUTH = "auth: {{htpasswd: {{realm: test, path: {path}}}}}"
_DEADLINE = 20.0


@contextmanager
def registry(home: Path, htpasswd: str = "") -> Iterator[str]:
    """Its "host:port". `htpasswd` is a line "user:bcrypt hash" that clients must then prove."""
    home.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (home / "htpasswd").write_text(htpasswd)
    auth = _AUTH.format(path=home / "htpasswd") if htpasswd else ""
    config = home / "config.yml"
    config.write_text(_CONFIG.format(root=home / "data", port=port, auth=auth))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/v2/")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def _wait(url: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
