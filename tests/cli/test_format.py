"""Durations, sizes, tables and rows as docker prints them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cli.format.table import Listing, align
from fairlead.cli.format.units import BINARY, ago, parse_duration, parse_size, parse_time, size
from fairlead.cli.rows import displayed_ports, ellipsis

HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * 60, "59 minutes"),
        (HOUR, "About an hour"),
        (1.4 * HOUR, "About an hour"),
        (1.6 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (61 * DAY, "2 months"),
        (800 * DAY, "2 years"),
    ],
)
def test_how_long_ago(seconds, text):
    assert ago(seconds) == text


@pytest.mark.parametrize(
    ("count", "digits", "units", "text"),
    [
        (0, 4, None, "0B"),
        (999, 3, None, "999B"),
        (1000, 3, None, "1kB"),
        (1_984_000, 3, None, "1.98MB"),
        (123_456_789, 4, None, "123.5MB"),
        (1024, 4, BINARY, "1KiB"),
        (25_276_514_304, 4, BINARY, "23.54GiB"),
    ],
)
def test_sizes(count, digits, units, text):
    assert (size(count, digits, units) if units else size(count, digits)) == text


@pytest.mark.parametrize(
    ("written", "count"), [("512", 512), ("64k", 65536), ("1.5m", 1572864), ("2g", 2 << 30), ("1GiB", 1 << 30)]
)
def test_sizes_are_read(written, count):
    assert parse_size(written) == count


@pytest.mark.parametrize("written", ["", "x", "1q", "-1m", "1 2"])
def test_what_is_no_size_is_refused(written):
    with pytest.raises(ValueError, match="invalid size"):
        parse_size(written)


def test_durations_are_read():
    assert parse_duration("1h2m3.5s") == 3723.5
    assert parse_duration("250ms") == 0.25
    for bad in ("", "5", "1y", "s"):
        with pytest.raises(ValueError, match="invalid duration"):
            parse_duration(bad)


def test_times_of_the_api_are_read():
    assert parse_time("2026-11-21T08:05:47.768348211Z") == datetime(2026, 11, 21, 8, 5, 47, 768348, tzinfo=UTC)
    assert parse_time("2026-11-21T08:05:47+01:00").hour == 8
    assert parse_time("0001-01-01T00:00:00Z") is None


def test_columns_are_at_least_ten_wide_and_three_apart():
    assert align([("NETWORK ID", "NAME", "SCOPE"), ("60389e25d422", "a-rather-long-name", "local")]) == (
        "NETWORK ID     NAME                 SCOPE\n60389e25d422   a-rather-long-name   local\n"
    )
    assert align([("NETWORK ID", "NAME", "SCOPE")]) == "NETWORK ID   NAME      SCOPE\n"


@given(st.lists(st.lists(st.text("abc", max_size=20), min_size=3, max_size=3), min_size=1, max_size=6))
def test_a_column_begins_at_one_place_in_all_rows(rows):
    lines = align(rows).splitlines()
    widths = [max(10, 3 + max(len(row[at]) for row in rows)) for at in range(2)]
    for line, row in zip(lines, rows, strict=True):
        assert line[: widths[0]].rstrip() == row[0]
        assert line[widths[0] : sum(widths)].rstrip() == row[1]
        assert line[sum(widths) :] == row[2]


THINGS = Listing({"ID": "THING ID", "Name": "NAME", "Size": "SIZE"}, r"{{.ID}}\t{{.Name}}")
ROWS = [{"ID": "1", "Name": "one", "Size": "3B"}, {"ID": "2", "Name": "two", "Size": "4B"}]


@pytest.mark.parametrize(
    ("template", "quiet", "text"),
    [
        ("", False, "THING ID   NAME\n1          one\n2          two\n"),
        ("", True, "1\n2\n"),
        ("table {{.Name}}\\t{{.Size}}", False, "NAME      SIZE\none       3B\ntwo       4B\n"),
        ("{{.Name}}:{{.Size}}", False, "one:3B\ntwo:4B\n"),
        ("json", False, '{"ID":"1","Name":"one","Size":"3B"}\n{"ID":"2","Name":"two","Size":"4B"}\n'),
        ("{{json .Name}}", True, '"one"\n"two"\n'),
    ],
)
def test_a_list_in_every_format(template, quiet, text):
    assert THINGS.render(ROWS, template, quiet) == text


def port(inside: int, outside: int = 0, address: str = "", protocol: str = "tcp") -> dict[str, object]:
    return {"PrivatePort": inside, "PublicPort": outside, "IP": address, "Type": protocol}


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ([], ""),
        ([port(80)], "80/tcp"),
        ([port(80), port(81), port(83)], "80-81/tcp, 83/tcp"),
        ([port(80), port(80, protocol="udp")], "80/tcp, 80/udp"),
        ([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"),
        (
            [port(number, number, address) for number in (90, 91, 92) for address in ("0.0.0.0", "::")],
            "0.0.0.0:90-92->90-92/tcp, [::]:90-92->90-92/tcp",
        ),
        ([port(80, 8080, "10.0.0.1"), port(443)], "443/tcp, 10.0.0.1:8080->80/tcp"),
    ],
)
def test_ports_are_folded(ports, text):
    assert displayed_ports(ports) == text


def test_long_words_end_in_an_ellipsis():
    assert ellipsis("0123456789", 10) == "0123456789"
    assert ellipsis("0123456789a", 10) == "012345678…"
