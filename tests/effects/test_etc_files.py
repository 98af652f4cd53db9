"""The files of /etc that containers have mounted: rewritten in place, wholly."""

from __future__ import annotations

import os
from pathlib import Path

from fairlead.effects.etc_files import EtcFiles


def test_a_shorter_text_leaves_nothing_of_the_longer(tmp_path: Path) -> None:
    files = EtcFiles(tmp_path)
    path = files.write("c1", "hosts", "127.0.0.1\tlocalhost\n172.18.0.2\tweb\n")
    inode = os.stat(path).st_ino
    files.write("c1", "hosts", "127.0.0.1\tlocalhost\n")
    assert files.read("c1", "hosts") == "127.0.0.1\tlocalhost\n"
    assert os.stat(path).st_ino == inode, "a running container would go on seeing the old file"


def test_everybody_may_read(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        path = EtcFiles(tmp_path).write("c1", "resolv.conf", "nameserver 127.0.0.11\n")
    finally:
        os.umask(umask)
    assert os.stat(path).st_mode & 0o777 == 0o644


def test_what_was_never_written_is_empty(tmp_path: Path) -> None:
    assert EtcFiles(tmp_path).read("c1", "hosts") == ""
