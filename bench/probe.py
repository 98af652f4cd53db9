"""The two ends of a traffic measurement, run inside namespaces: `probe.py MODE ADDRESS PORT SECONDS`.

`serve` echoes; `rr` sends one byte and waits for it, again and again, and prints microseconds per round at the median;
`http` opens a connection per request and prints requests per second; `resolve` asks for a name (the fifth argument)
until it is known, and prints the time of day at which it was.

`answer` answers each connection with one byte, in the network namespaces of the processes whose pids follow; `ask`
makes such connections one after the other, and prints microseconds for one, one in ten being quicker.
"""

from __future__ import annotations

import ctypes
import selectors
import socket
import statistics
import sys
import time


def serve(address: str, port: int, seconds: float) -> None:
    with socket.create_server((address, port)) as listener:
        listener.settimeout(seconds)
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while data := connection.recv(4096):
                    connection.sendall(data)


def round_trips(address: str, port: int, seconds: float) -> float:
    with socket.create_connection((address, port), 5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken = []
        end = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < end:
            connection.sendall(b"x")
            connection.recv(1)
            taken.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(taken)


def requests(address: str, port: int, seconds: float) -> float:
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        with socket.create_connection((address, port), 5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while connection.recv(65536):
                pass
        done += 1
    return done / seconds


def resolve(address: str, port: int, seconds: float, name: str) -> float:
    """Asks every 2 ms, whether answered or not."""
    question = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    end = time.time() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.002)
        while time.time() < end:
            asking.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + question, (address, port))
            try:
                answers = int.from_bytes(asking.recv(512)[6:8])
            except OSError:
                continue
            if answers:
                return time.time()
            time.sleep(0.002)
    raise TimeoutError(f"nobody knows {name}")


def answer(address: str, port: int, seconds: float, pids: list[str]) -> None:
    end, waiting = time.monotonic() + seconds, selectors.DefaultSelector()
    for pid in pids:
        with open(f"/proc/{pid}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000):
                raise OSError(f"cannot enter the namespace of {pid}")
        waiting.register(socket.create_server((address, port), backlog=1024), selectors.EVENT_READ)
    print("ready", flush=True)
    while time.monotonic() < end:
        for key, _ in waiting.select(1):
            with key.fileobj.accept()[0] as connection:  # type: ignore[union-attr]
                connection.recv(1)
                connection.sendall(b"x")


def ask(address: str, port: int, seconds: float) -> float:
    taken = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        with socket.create_connection((address, port), 5) as connection:
            connection.sendall(b"x")
            connection.recv(1)
        taken.append(time.perf_counter() - begin)
    return 1e6 * sorted(taken)[len(taken) // 10]


if __name__ == "__main__":
    mode, where, number, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    if mode == "serve":
        serve(where, number, length)
    elif mode == "answer":
        answer(where, number, length, sys.argv[5:])
    elif mode == "resolve":
        print(resolve(where, number, length, sys.argv[5]))
    else:
        print({"rr": round_trips, "http": requests, "ask": ask}[mode](where, number, length))
