"""What the control plane promises, in simulations small enough to run every time. docs/gossip.md has the large ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fairlead.sim.command import sim
from fairlead.sim.gossip.result import Result
from fairlead.sim.gossip.run import simulate
from fairlead.sim.gossip.settings import Settings, parse_partition, with_scenario

ASKED_FOR = {
    "dissemination_p50_s", "dissemination_p90_s", "dissemination_p99_s", "dissemination_max_s", "detection_first_s",
    "detection_all_s", "false_positives", "bytes_per_node_s", "packets_per_node_s", "converged",
}  # fmt: skip


def run(**options: object) -> Result:
    defaults = {"nodes": 25, "scenario": "quiet", "duration": 60.0}
    result, _ = simulate(Settings(**with_scenario({**defaults, **options})))  # type: ignore[arg-type]
    return result


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_write_reaches_25_quiet_nodes_in_less_than_a_second(seed: int) -> None:
    result = run(scenario="writes", seed=seed)
    assert result.writes > 30
    assert result.writes_incomplete == 0
    assert result.dissemination_p50_s <= 0.4
    assert result.dissemination_p99_s <= 0.8


def test_chance_leaves_nobody_out() -> None:
    result = run(scenario="writes", writes=5.0, seed=33)
    assert result.writes > 200
    assert result.dissemination_max_s <= 0.1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_under_churn_nine_of_ten_writes_take_less_than_two_seconds_and_none_ten(seed: int) -> None:
    result = run(scenario="churn", duration=120.0, seed=seed)
    assert result.converged
    assert result.joins > 10
    assert result.writes_incomplete == 0
    assert result.dissemination_p90_s <= 2.0
    assert max(result.dissemination_max_s, result.join_max_s) <= 10.0


def test_the_traffic_of_a_node_does_not_grow_with_the_cluster() -> None:
    small, large = run(nodes=50, duration=20.0), run(nodes=500, duration=20.0)
    assert large.bytes_per_node_s == pytest.approx(small.bytes_per_node_s, rel=0.2)


@pytest.mark.parametrize(("machines", "bound"), [(False, 4.0), (True, 14.0)])
def test_a_crash_is_known_to_all_within_the_bound(machines: bool, bound: float) -> None:
    result = run(nodes=100, scenario="crash", crash=4, machines=machines, duration=80.0)
    assert result.detection_all_max_s <= bound
    assert result.false_positives == 0


def test_loss_buries_nobody() -> None:
    result = run(nodes=50, loss=0.05, duration=120.0)
    assert result.false_positives == 0
    assert result.converged


def test_stalls_have_twenty_times_fewer_declared_dead_than_under_plain_swim() -> None:
    ours = run(nodes=60, scenario="pause", pause=0.05, duration=120.0)
    plain = run(nodes=60, scenario="pause", pause=0.05, duration=120.0, plain=True)
    assert plain.false_positives >= 20
    assert 20 * ours.false_positives <= plain.false_positives


def test_a_partition_heals_without_help() -> None:
    result = run(scenario="partition", duration=90.0)
    assert result.converged
    assert result.writes_incomplete == 0


def test_all_weathers_at_once_end_in_agreement() -> None:
    result = run(
        nodes=30, loss=0.05, duplication=0.02, reordering=0.05, skew=5.0, latency="multi-region", churn=0.5, writes=1.0,
        partition=parse_partition("30%@20+20", 60.0), pause=0.03, seed=7,
    )  # fmt: skip
    assert result.converged
    assert result.writes_incomplete == 0


def test_nodes_that_know_nobody_find_each_other() -> None:
    result = run(cold=True, writes=1.0)
    assert result.converged
    assert result.writes_incomplete == 0


def test_a_seed_names_one_history() -> None:
    first, second = (replace(run(scenario="churn", loss=0.1, seed=9), cpu_s=0.0, speed=0.0) for _ in range(2))
    assert first == second
    assert first != replace(run(scenario="churn", loss=0.1, seed=10), cpu_s=0.0, speed=0.0)


def test_the_command_prints_one_json_object_and_writes_plots(tmp_path: Path) -> None:
    options = ["gossip", "--nodes", "10", "--loss", "5%", "--churn", "50%", "--partition", "30%@5+5", "--seed", "3"]
    extra = ["--scenario", "crash", "--writes", "1", "--duration", "30", "--json", "--plot", str(tmp_path)]
    outcome = CliRunner().invoke(sim, [*options, *extra])
    assert outcome.exit_code == 0, outcome.output
    assert set(json.loads(outcome.output)) >= ASKED_FOR
    assert {path.name for path in tmp_path.iterdir()} == {"detection.svg", "dissemination.svg", "load.svg"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--loss", "200%"], "200% is not a share; it must lie between 0% and 100%"),
        (["--loss", "x"], "x is not a share"),
        (["--duration", "inf"], "inf is not a number to reckon with"),
        (["--nodes", "5", "--crash", "5"], "5 of 5 hosts leave nobody to notice"),
        (["--partition", "30%@99"], "30%@99 begins when all is over"),
        (["--partition", "half"], "half is not a partition; write SHARE or SHARE@START+LENGTH"),
        (["--nodes", "1"], "1 is not in the range"),
    ],
)
def test_refusals_say_what_would_be_right(options: list[str], text: str) -> None:
    outcome = CliRunner().invoke(sim, ["gossip", *options])
    assert outcome.exit_code == 2
    assert text in outcome.output
