"""`stats`: what containers use, once or continuously."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import click

from fairlead.cli.client import Client
from fairlead.cli.command import command, pass_client
from fairlead.cli.fields import Json, get, mapping, number, objects, text
from fairlead.cli.format.table import Listing
from fairlead.cli.format.units import BINARY, size
from fairlead.cli.rows import short

STATS = Listing(
    {
        "BlockIO": "BLOCK I/O",
        "CPUPerc": "CPU %",
        "Container": "CONTAINER",
        "ID": "CONTAINER ID",
        "MemPerc": "MEM %",
        "MemUsage": "MEM USAGE / LIMIT",
        "Name": "NAME",
        "NetIO": "NET I/O",
        "PIDs": "PIDS",
    },
    r"{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
)
CLEAR = "\x1b[2J\x1b[H"
REFRESH_SECONDS = 0.5


def stats_row(container: str, sample: Json, no_trunc: bool = False) -> Mapping[str, object]:
    memory = mapping(sample, "memory_stats")
    used, limit = used_memory(memory), number(memory, "limit")
    networks = mapping(sample, "networks").values()
    received, sent = (sum(number(one, key) for one in networks) for key in ("rx_bytes", "tx_bytes"))
    read, written = _block_io(sample)
    return {
        "BlockIO": f"{size(read, 3)} / {size(written, 3)}",
        "CPUPerc": f"{cpu_percent(sample):.2f}%",
        "Container": container,
        "ID": short(text(sample, "id"), no_trunc) or "--",
        "MemPerc": f"{100 * used / limit if limit else 0:.2f}%",
        "MemUsage": f"{size(used, 4, BINARY)} / {size(limit, 4, BINARY)}",
        "Name": text(sample, "name").removeprefix("/") or "--",
        "NetIO": f"{size(received, 3)} / {size(sent, 3)}",
        "PIDs": str(number(sample, "pids_stats", "current")),
    }


def used_memory(memory: Json) -> int:
    """Without the page cache that the kernel would give back: v1 calls it total_inactive_file, v2 inactive_file."""
    usage = number(memory, "usage")
    for key in ("total_inactive_file", "inactive_file"):
        if get(memory, "stats", key) is not None:
            cache = number(memory, "stats", key)
            return usage - cache if cache < usage else usage
    return usage


def cpu_percent(sample: Json) -> float:
    """Of one CPU, between this sample and the one before."""
    container = number(sample, "cpu_stats", "cpu_usage", "total_usage") - number(
        sample, "precpu_stats", "cpu_usage", "total_usage"
    )
    host = number(sample, "cpu_stats", "system_cpu_usage") - number(sample, "precpu_stats", "system_cpu_usage")
    cpus = number(sample, "cpu_stats", "online_cpus") or 1
    return 100.0 * cpus * container / host if container > 0 and host > 0 else 0.0


def _block_io(sample: Json) -> tuple[int, int]:
    rows = objects(sample, "blkio_stats", "io_service_bytes_recursive")
    by_kind = {"r": 0, "w": 0}
    for row in rows:
        kind = text(row, "op")[:1].lower()
        if kind in by_kind:
            by_kind[kind] += number(row, "value")
    return by_kind["r"], by_kind["w"]


@command("stats", help="Display a live stream of container(s) resource usage statistics")
@click.option("-a", "--all", "everything", is_flag=True, help="Show all containers (default shows just running)")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@click.option("--no-stream", is_flag=True, help="Disable streaming stats and only pull the first result")
@click.option("--no-trunc", is_flag=True, help="Do not truncate output")
@click.argument("containers", nargs=-1, metavar="[CONTAINER...]")
@pass_client
def stats(
    client: Client, everything: bool, template: str, no_stream: bool, no_trunc: bool, containers: tuple[str, ...]
) -> None:
    names = containers or tuple(_listed(client, everything))
    if no_stream:
        rows = [stats_row(name, _sample(client, name), no_trunc) for name in names]
        click.echo(STATS.render(rows, template), nl=False)
        return
    _watch(client, names, template, no_trunc)


def _listed(client: Client, everything: bool) -> list[str]:
    return [text(one, "Id")[:12] for one in client.get_list("/containers/json", {"all": everything})]


def _sample(client: Client, name: str) -> Json:
    return client.get_object(f"/containers/{name}/stats", {"stream": "false"})


def _watch(client: Client, names: tuple[str, ...], template: str, no_trunc: bool) -> None:
    """One thread for each container's stream; the screen is drawn anew at intervals until all have ended."""
    rows: dict[str, Mapping[str, object]] = {name: stats_row(name, {}) for name in names}

    def follow(name: str) -> None:
        for sample in client.request("GET", f"/containers/{name}/stats", {"stream": "true"}).lines():
            rows[name] = stats_row(name, sample, no_trunc)

    threads = [threading.Thread(target=follow, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        click.echo(CLEAR + STATS.render(rows.values(), template), nl=False)
        threads[0].join(REFRESH_SECONDS)
