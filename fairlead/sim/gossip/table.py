"""The result for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fairlead.sim.gossip.result import Result

_WORDS = {
    "converged": "all nodes agree at the end",
    "agreed_after_s": "… after the last event, s",
    "writes": "table writes",
    "writes_incomplete": "… that did not reach everybody",
    "dissemination_p50_s": "a write reaches all nodes: median, s",
    "dissemination_p90_s": "… 90 %, s",
    "dissemination_p99_s": "… 99 %, s",
    "dissemination_max_s": "… worst, s",
    "arrival_p99_s": "a write reaches 99 % of the nodes within, s",
    "joins": "hosts that came back",
    "join_p90_s": "… and had all rows: 90 %, s",
    "join_max_s": "… worst, s",
    "crashes": "crashes",
    "detection_first_s": "a crash is known to the first: median, s",
    "detection_all_s": "… to all, s",
    "detection_all_max_s": "… to all, worst, s",
    "false_positives": "living members declared dead",
    "bytes_per_node_s": "bytes sent per node and second",
    "packets_per_node_s": "packets sent per node and second",
    "calls_per_node_s": "streams opened per node and second",
    "cpu_s": "processor time, s",
    "speed": "virtual seconds per processor second",
}


def print_table(result: Result) -> None:
    title = f"{result.nodes} nodes, {result.scenario}, {result.duration_s:g} s, seed {result.seed}"
    table = Table(title=title, title_justify="left", show_header=False)
    values = result.as_dict()
    for name, words in _WORDS.items():
        value = values[name]
        if value is not None:
            table.add_row(words, ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}")
    Console().print(table)
