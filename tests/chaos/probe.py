"""Runs inside a lab host: reads questions as JSON lines on stdin, answers in one JSON list.

A question is [namespace file ("" for the host), kind, subject, wanted]:

- "http", "ADDRESS:PORT": fetch / and compare the body;
- "name", "NAME": ask 127.0.0.11 for A and compare the sorted addresses;
- "free", "PORT": whether the TCP port can be bound on the host, "yes" or "no".

The answer is what was found where that differs, "" where it does not.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import dns.exception
import dns.message
import dns.query

from fairlead.effects.kernel.netns import entered

PATIENCE = 4.0


def main() -> None:
    questions = [json.loads(line) for line in sys.stdin]
    with ThreadPoolExecutor(16) as pool:
        json.dump(list(pool.map(_answer, questions)), sys.stdout)


def _answer(question: list[str]) -> str:
    """A server may still be on its way up: a wrong answer counts after `PATIENCE`."""
    ns, kind, subject, wanted = question
    deadline = time.monotonic() + PATIENCE
    while True:
        found = _ASK[kind](ns, subject)
        if found == wanted:
            return ""
        if time.monotonic() > deadline:
            return f"found {found!r} instead"
        time.sleep(0.1)


def _http(ns: str, subject: str) -> str:
    host, _, port = subject.rpartition(":")
    with entered(ns):
        client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    with client:
        client.settimeout(1)
        try:
            client.connect((host, int(port)))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            said = b""
            while chunk := client.recv(4096):
                said += chunk
        except OSError as error:
            return repr(error)
    return said.partition(b"\r\n\r\n")[2].decode().strip()


def _name(ns: str, subject: str) -> str:
    query = dns.message.make_query(subject, "A")
    with entered(ns):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.setblocking(False)
        try:
            reply = dns.query.udp(query, "127.0.0.11", timeout=1, sock=client)
        except (OSError, dns.exception.DNSException) as error:
            return repr(error)
    return ",".join(sorted(str(item) for answer in reply.answer for item in answer))


def _free(_: str, subject: str) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections may linger
        try:
            probe.bind(("0.0.0.0", int(subject)))
        except OSError:
            return "no"
    return "yes"


_ASK = {"http": _http, "name": _name, "free": _free}

if __name__ == "__main__":
    main()
