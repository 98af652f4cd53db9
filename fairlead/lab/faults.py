"""Cuts and impairments, as nftables and tc text; pure.

A cut is a rule in the fabric between two ports: frames are dropped without a word, as when a path dies while both
links stay up. All cuts stand in one table that `heal` removes. Loss and rate come from netem where the kernel has it;
elsewhere nftables drops at random and polices, and what it cannot do (delay) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fairlead.model.errors import Invalid, Unsupported

CUTS = "lab_cuts"
_RATE = re.compile(r"(\d+(?:\.\d+)?)(k|m|g)bit")
_TIME = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
_SCALE = {"k": 1e3, "m": 1e6, "g": 1e9}


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a link suffers: `loss` in per cent, `delay` as tc has it ("20ms"), `rate` ("100mbit"); 0 or "" is none."""

    loss: float = 0.0
    delay: str = ""
    rate: str = ""


def parse_impairment(loss: str, delay: str, rate: str) -> Impairment:
    """From a command line. Raises `Invalid` naming the bad value and what would be right."""
    try:
        percent = float(loss.removesuffix("%")) if loss else 0.0
    except ValueError:
        raise Invalid(f'loss "{loss}" is not a percentage such as 5%') from None
    if not 0 <= percent <= 100:
        raise Invalid(f'loss "{loss}" is not between 0% and 100%')
    if delay and not _TIME.fullmatch(delay):
        raise Invalid(f'delay "{delay}" is not a time such as 20ms')
    if rate and not _RATE.fullmatch(rate):
        raise Invalid(f'rate "{rate}" is not a rate such as 100mbit')
    if not (percent or delay or rate):
        raise Invalid("nothing to impair: give --loss, --delay or --rate")
    return Impairment(percent, delay, rate)


def cut_rules(pairs: Iterable[tuple[str, str]]) -> str:
    """A whole nft file: no frame passes between the two ports of any pair, in either direction."""
    both_ways = sorted({edge for a, b in pairs for edge in ((a, b), (b, a))})
    elements = ", ".join(f'"{source}" . "{target}"' for source, target in both_ways)
    body = f"elements = {{ {elements} }}" if elements else ""
    return f"""table bridge {CUTS}
delete table bridge {CUTS}
table bridge {CUTS} {{
  set edges {{ type ifname . ifname; {body} }}
  chain forward {{
    type filter hook forward priority -10;
    iifname . oifname @edges drop
  }}
}}
"""


def heal_rules() -> str:
    return f"table bridge {CUTS}\ndelete table bridge {CUTS}\n"


def netem_commands(port: str, impairment: Impairment) -> list[str]:
    """`tc -batch` lines for the fabric's end of a cable: what goes towards the node."""
    words = [f"qdisc replace dev {port} root netem"]
    if impairment.delay:
        words.append(f"delay {impairment.delay}")
    if impairment.loss:
        words.append(f"loss {impairment.loss:g}%")
    if impairment.rate:
        words.append(f"rate {impairment.rate}")
    return [" ".join(words)]


def nft_impairment(port: str, impairment: Impairment) -> str:
    """The same for kernels without netem, both directions; refuses delay."""
    if impairment.delay:
        raise Unsupported("this kernel has no netem: --delay cannot be done, --loss and --rate can")
    rules = []
    if impairment.loss:
        share = round(impairment.loss * 100)
        rules.append("drop" if share == 10_000 else f"numgen random mod 10000 < {share} drop")
    if impairment.rate:
        rules.append(f"limit rate over {_bytes_per_second(impairment.rate)} bytes/second burst 65536 bytes drop")
    table = f"lab_impair_{port}"
    chains = "".join(
        f"  chain {direction} {{\n    type filter hook forward priority -5;\n"
        + "".join(f'    {selector} "{port}" {rule}\n' for rule in rules)
        + "  }\n"
        for direction, selector in (("towards", "oifname"), ("away", "iifname"))
    )
    return f"table bridge {table}\ndelete table bridge {table}\ntable bridge {table} {{\n{chains}}}\n"


def unimpaired(port: str) -> str:
    return f"table bridge lab_impair_{port}\ndelete table bridge lab_impair_{port}\n"


def _bytes_per_second(rate: str) -> int:
    match = _RATE.fullmatch(rate)
    if match is None:
        raise Invalid(f'rate "{rate}" is not a rate such as 100mbit')
    return int(float(match[1]) * _SCALE[match[2]] / 8)
