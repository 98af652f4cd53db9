"""Cuts and impairments, as nftables and tc text; pure.

A cut is a rule in the fabric between two ports: frames are dropped without a word, as when a path dies while both
links stay up; between nodes that share no switch it is a rule about their addresses. All cuts stand in one table that
`heal` removes. An impairment holds in both directions. It is made by netem where the kernel has it; elsewhere nftables
drops at random and tbf limits the rate, and what neither can do (delay) is refused.
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
_SLOWEST = 1000
"""Bytes per second."""
_DRAWS = 1_000_000
_SMALLEST_BURST = 4000
"""Bytes: two full frames."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a link suffers: `loss` in per cent, `delay` as tc has it ("20ms"), `rate` ("100mbit"); 0 or "" is none."""

    loss: float = 0.0
    delay: str = ""
    rate: str = ""

    def __str__(self) -> str:
        loss = f"loss {self.loss:g}%" if self.loss else ""
        delay = f"delay {self.delay}" if self.delay else ""
        return " ".join(filter(None, [loss, delay, f"rate {self.rate}" if self.rate else ""]))


def parse_impairment(loss: str, delay: str, rate: str) -> Impairment:
    """From a command line. Raises `Invalid` naming the bad value and what would be right."""
    try:
        percent = float(loss.removesuffix("%")) if loss else 0.0
    except ValueError:
        raise Invalid(f'loss "{loss}" is not a percentage such as 5%') from None
    if not 0 <= percent <= 100:
        raise Invalid(f'loss "{loss}" is not between 0% and 100%')
    if percent and round(percent * _DRAWS / 100) == 0:
        raise Invalid(f'loss "{loss}" is less than one frame of a million')
    delay, rate = delay.lower(), rate.lower()
    if delay and not _TIME.fullmatch(delay):
        raise Invalid(f'delay "{delay}" is not a time such as 20ms')
    if rate and not _RATE.fullmatch(rate):
        raise Invalid(f'rate "{rate}" is not a rate such as 100mbit')
    if rate and _bytes_per_second(rate) < _SLOWEST:
        raise Invalid(f'rate "{rate}" is less than 8kbit')
    if not (percent or delay or rate):
        raise Invalid("nothing to impair: give --loss, --delay or --rate")
    return Impairment(percent, delay, rate)


def cut_rules(pairs: Iterable[tuple[str, str]], apart: Iterable[tuple[str, str]] = ()) -> str:
    """A whole nft file: no frame passes between the two ports of any pair, and no packet between the two addresses of
    any pair in `apart`, in either direction."""
    edges = _map_of("edges", "ifname . ifname", [(f'"{a}"', f'"{b}"') for a, b in pairs])
    ways = _map_of("ways", "ipv4_addr . ipv4_addr", apart)
    return f"""table bridge {CUTS}
delete table bridge {CUTS}
table bridge {CUTS} {{
{edges}
{ways}
  chain forward {{
    type filter hook forward priority -10;
    iifname . oifname @edges drop
    ip saddr . ip daddr @ways drop
  }}
}}
"""


def _map_of(name: str, kind: str, pairs: Iterable[tuple[str, str]]) -> str:
    both_ways = sorted({edge for a, b in pairs for edge in ((a, b), (b, a))})
    elements = ", ".join(f"{source} . {target}" for source, target in both_ways)
    return f"  set {name} {{ type {kind}; {f'elements = {{ {elements} }}' if elements else ''} }}"


def heal_rules() -> str:
    return f"table bridge {CUTS}\ndelete table bridge {CUTS}\n"


def netem_command(interface: str, impairment: Impairment) -> str:
    """A `tc -batch` line: what leaves by this end of a cable. Both ends are impaired, so both directions."""
    words = [f"qdisc replace dev {interface} root netem"]
    if impairment.delay:
        words.append(f"delay {impairment.delay}")
    if impairment.loss:
        words.append(f"loss {impairment.loss:g}%")
    if impairment.rate:
        words.append(f"rate {impairment.rate}")
    return " ".join(words)


def refuse_without_netem(impairment: Impairment) -> None:
    """What neither nftables nor tbf can do. Raises `Unsupported`."""
    if impairment.delay:
        raise Unsupported("this kernel has no netem: --delay cannot be done, --loss and --rate can")


def rate_command(interface: str, impairment: Impairment) -> str:
    """The same for kernels without netem: tbf holds 10 ms of packets and lets 50 ms more wait. Without a rate, nothing
    is left in the way."""
    if not impairment.rate:
        return f"qdisc replace dev {interface} root noqueue"
    burst = max(_SMALLEST_BURST, _bytes_per_second(impairment.rate) // 100)
    return f"qdisc replace dev {interface} root tbf rate {impairment.rate} burst {burst}b latency 50ms"


def loss_rules(port: str, impairment: Impairment) -> str:
    """The same for loss: a whole nft file for the fabric, both directions."""
    drawn = round(impairment.loss * _DRAWS / 100)
    rule = "drop" if drawn == _DRAWS else f"numgen random mod {_DRAWS} < {drawn} drop"
    if not drawn:
        return unimpaired(port)
    table = f"lab_impair_{port}"
    chains = "".join(
        f'  chain {direction} {{\n    type filter hook forward priority -5;\n    {selector} "{port}" {rule}\n  }}\n'
        for direction, selector in (("towards", "oifname"), ("away", "iifname"))
    )
    return f"table bridge {table}\ndelete table bridge {table}\ntable bridge {table} {{\n{chains}}}\n"


def unimpaired(port: str) -> str:
    return f"table bridge lab_impair_{port}\ndelete table bridge lab_impair_{port}\n"


def _bytes_per_second(rate: str) -> int:
    match = _RATE.fullmatch(rate)
    return int(float(match[1]) * _SCALE[match[2]] / 8) if match else 0
