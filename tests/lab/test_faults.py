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
    assert faults.netem_commands("p1", faults.parse_impairment("5%", "20ms", "1gbit")) == [
        "qdisc replace dev p1 root netem delay 20ms loss 5% rate 1gbit"
    ]


@pytest.mark.parametrize(
    ("loss", "delay", "rate", "words"),
    [
        ("x", "", "", 'loss "x"'),
        ("101%", "", "", "between 0% and 100%"),
        ("", "20", "", 'delay "20"'),
        ("", "", "fast", 'rate "fast"'),
        ("", "", "", "nothing to impair"),
    ],
)
def test_a_refusal_names_the_bad_value(loss: str, delay: str, rate: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        faults.parse_impairment(loss, delay, rate)
    assert words in refused.value.message


def test_without_netem_loss_and_rate_are_done_and_delay_is_refused() -> None:
    rules = faults.nft_impairment("p1", faults.parse_impairment("2.5%", "", "8mbit"))
    assert "numgen random mod 10000 < 250 drop" in rules
    assert "limit rate over 1000000 bytes/second" in rules
    with pytest.raises(Unsupported):
        faults.nft_impairment("p1", faults.parse_impairment("", "20ms", ""))


def test_a_link_that_loses_everything_does_not_draw() -> None:
    assert "numgen" not in faults.nft_impairment("p1", faults.parse_impairment("100%", "", ""))
