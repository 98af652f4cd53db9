"""Cuts and impairments as text."""

from __future__ import annotations

import pytest

from fairlead.lab import faults
from fairlead.model.errors import Invalid, Unsupported


def test_a_cut_goes_both_ways_and_replaces_the_former_ones() -> None:
    rules = faults.cut_rules([("p1", "p2"), ("p1", "p2")])
    assert '"p1" . "p2"' in rules
    assert '"p2" . "p1"' in rules
    assert rules.count('"p1" . "p2"') == 1
    assert rules.index("delete table bridge") < rules.index("chain forward")


def test_an_impairment_is_read_from_words() -> None:
    assert faults.parse_impairment("5%", "20ms", "100mbit") == faults.Impairment(5.0, "20ms", "100mbit")
    command = faults.netem_command("p1", faults.parse_impairment("5%", "20ms", "1Gbit"))
    assert command == "qdisc replace dev p1 root netem delay 20ms loss 5% rate 1gbit"


@pytest.mark.parametrize(
    ("loss", "delay", "rate", "words"),
    [
        ("x", "", "", 'loss "x"'),
        ("101%", "", "", "between 0% and 100%"),
        ("", "20", "", 'delay "20"'),
        ("", "", "fast", 'rate "fast"'),
        ("", "", "0mbit", 'rate "0mbit" is less than 8kbit'),
        ("0.00001%", "", "", "less than one frame of a million"),
        ("nan", "", "", "between 0% and 100%"),
        ("", "", "", "nothing to impair"),
    ],
)
def test_a_refusal_names_the_bad_value(loss: str, delay: str, rate: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        faults.parse_impairment(loss, delay, rate)
    assert words in refused.value.message


def test_without_netem_loss_and_rate_are_done_and_delay_is_refused() -> None:
    both = faults.parse_impairment("2.5%", "", "8mbit")
    faults.refuse_without_netem(both)
    assert faults.loss_rules("p1", both).count("numgen random mod 1000000 < 25000 drop") == 2
    assert faults.rate_command("p1", both) == "qdisc replace dev p1 root tbf rate 8mbit burst 10000b latency 50ms"
    with pytest.raises(Unsupported):
        faults.refuse_without_netem(faults.parse_impairment("", "20ms", ""))


def test_a_link_that_loses_everything_does_not_draw() -> None:
    assert "numgen" not in faults.loss_rules("p1", faults.parse_impairment("100%", "", ""))


def test_a_better_cable_takes_the_place_of_a_worse_one() -> None:
    assert faults.loss_rules("p1", faults.parse_impairment("", "", "1mbit")) == faults.unimpaired("p1")
    assert faults.rate_command("p1", faults.parse_impairment("5%", "", "")).endswith("root noqueue")


def test_a_cut_by_addresses_goes_both_ways() -> None:
    rules = faults.cut_rules([], [("10.1.0.11", "10.2.0.11")])
    assert "10.1.0.11 . 10.2.0.11, 10.2.0.11 . 10.1.0.11" in rules
