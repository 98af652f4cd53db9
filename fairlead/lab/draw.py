"""A lab as a picture: text with box characters, mermaid, or SVG. Pure: a topology and its faults in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fairlead.lab.parts import DEFAULT_MTU, Host, Link, Router, Topology

FORMATS = ("text", "mermaid", "svg")


def draw(topology: Topology, form: str = "text", notes: Sequence[str] = ()) -> str:
    """`form` is one of `FORMATS`; `notes` are written below: what is cut and impaired."""
    return {"text": _text, "mermaid": _mermaid, "svg": _svg}[form](topology, notes)


def _where(link: Link) -> str:
    mtu = f" mtu {link.mtu}" if link.mtu != DEFAULT_MTU else ""
    return f"{link.ifname} {link.address or 'no address'}{mtu}"


def _kind(node: Host | Router) -> str:
    if isinstance(node, Router):
        nat = f", NAT towards {node.nat}" if node.nat else ""
        return f"router{nat}{', uplink' if node.uplink else ''}"
    return node.role or ("host" if node.daemon is not None else "host without daemon")


def _text(topology: Topology, notes: Sequence[str]) -> str:
    lines: list[str] = []
    for switch in topology.switches.values():
        title = f" {switch.name}" + (f"  {switch.subnet}" if switch.subnet else "") + " "
        lines += [f"┌{'─' * len(title)}┐", f"│{title}│", f"└─┬{'─' * (len(title) - 2)}┘"]
        ends = [(n, link) for n in topology.nodes.values() for link in n.links if link.switch == switch.name]
        for position, (node, link) in enumerate(ends, 1):
            corner = "└" if position == len(ends) else "├"
            lines.append(f"  {corner}── {node.name:<12} {_where(link):<28} {_kind(node)}")
        lines.append("")
    return "\n".join([*lines, *(f"{note}\n" for note in notes)])


def _mermaid(topology: Topology, notes: Sequence[str]) -> str:
    lines = ["graph TD"]
    for switch in topology.switches.values():
        lines.append(f'  sw_{_safe(switch.name)}[["{switch.name}<br/>{switch.subnet or ""}"]]')
    for node in topology.nodes.values():
        left, right = ("{{", "}}") if isinstance(node, Router) else ("[", "]")
        lines.append(f'  {_safe(node.name)}{left}"{node.name}<br/>{_kind(node)}"{right}')
        lines += [f'  {_safe(node.name)} ---|"{_where(link)}"| sw_{_safe(link.switch)}' for link in node.links]
    return "\n".join([*lines, *(f"  %% {note}" for note in notes)]) + "\n"


def _safe(name: str) -> str:
    return name.replace("-", "_")


# --- SVG --------------------------------------------------------------------------------------------

_GAP, _MARGIN, _LINE, _WIRES = 24, 24, 16, 90
_TITLE, _SMALL = 15, 12
_NARROWEST, _LETTER = 150, 7.2
"""Pixels: of a box, and of a letter of the small size, generously."""


def _svg(topology: Topology, notes: Sequence[str]) -> str:
    rows = {node.name: [_kind(node), *map(_where, node.links)] for node in topology.nodes.values()}
    widest = max((len(line) for lines in rows.values() for line in lines), default=0)
    box = max(_NARROWEST, int(widest * _LETTER) + 2 * _GAP)
    width = max(len(topology.nodes), len(topology.switches), 1) * (box + _GAP) + _GAP
    switches_end = _MARGIN + _height(1)
    nodes_at = switches_end + _WIRES
    notes_at = nodes_at + max((_height(len(lines)) for lines in rows.values()), default=0) + _GAP
    height = notes_at + _LINE * len(notes)
    centres = {name: _centre(i, len(topology.switches), width) for i, name in enumerate(topology.switches)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for position, node in enumerate(topology.nodes.values()):
        x = _centre(position, len(topology.nodes), width)
        for place, link in enumerate(node.links):
            start = x - box / 2 + box * (2 * place + 1) / (2 * len(node.links))
            parts.append(_line(start, nodes_at, centres[link.switch], switches_end))
        colour = "#e8f0fe" if isinstance(node, Host) else "#fef3e0"
        parts.append(_box(x, nodes_at, box, [node.name, *rows[node.name]], colour))
    for name, switch in topology.switches.items():
        parts.append(_box(centres[name], _MARGIN, box, [switch.name, str(switch.subnet or "")], "#e6f4ea"))
    for place, note in enumerate(notes):
        parts.append(_label(width / 2, notes_at + _LINE * place, note, _SMALL, "#b3261e"))
    return "\n".join([*parts, "</svg>", ""])


def _centre(position: int, count: int, width: int) -> float:
    return width * (2 * position + 1) / (2 * max(count, 1))


def _height(lines: int) -> int:
    """Of a box with a title and so many lines below it."""
    return 24 + _LINE * lines + 10


def _box(x: float, y: float, width: int, lines: Sequence[str], colour: str) -> str:
    frame = (
        f'<rect x="{x - width / 2:g}" y="{y:g}" width="{width}" height="{_height(len(lines) - 1)}" rx="8" '
        f'fill="{colour}" stroke="#555"/>'
    )
    below = [_label(x, y + 24 + _LINE * row, line, _SMALL) for row, line in enumerate(lines[1:], 1)]
    return "".join([frame, _label(x, y + 23, lines[0], _TITLE), *below])


def _label(x: float, y: float, text: str, size: int, colour: str = "#202124") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="middle" fill="{colour}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="#777"/>'
