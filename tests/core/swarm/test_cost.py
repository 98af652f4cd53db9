"""Cost grows with what changed and not with what exists, and the simulator says so."""

from __future__ import annotations

import json

from click.testing import CliRunner

from fairlead.sim.command import sim
from fairlead.sim.swarm.run import simulate


def test_a_change_costs_as_many_looks_in_a_swarm_ten_times_as_large() -> None:
    result = simulate(nodes=60, tasks=600, seed=3)
    for name, cost in result.large.changes.items():
        assert cost.looks <= 1.3 * result.small.changes[name].looks + 10, name


def test_the_command_prints_one_json_object() -> None:
    output = CliRunner().invoke(sim, ["swarm", "--nodes", "20", "--tasks", "40", "--json"]).output
    result = json.loads(output)
    assert (result["large"]["nodes"], result["large"]["tasks"], result["small"]["tasks"]) == (20, 40, 4)
    assert set(result["growth"]) == set(result["large"]["changes"])


def test_equal_seeds_make_equal_histories() -> None:
    first, second = simulate(10, 30, seed=7), simulate(10, 30, seed=7)
    assert first.large.placing.writes == second.large.placing.writes
    assert {name: (cost.writes, cost.looks) for name, cost in first.large.changes.items()} == {
        name: (cost.writes, cost.looks) for name, cost in second.large.changes.items()
    }
