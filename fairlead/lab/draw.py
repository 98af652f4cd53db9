"""A lab as a picture: text with box characters, mermaid, or SVG. Pure: a topology in, text out."""

from __future__ import annotations

from html import escape

from fairlead.lab.topology import Host, Link, Router, Topology

FORMATS = ("text", "mermaid", "svg")


def draw(topology: Topology, form: str = "text") -> str:
    """`form` is one of `FORMATS`."""
    return {"text": _text, "mermaid": _mermaid, "svg": _svg}[form](topology)


def _where(link: Link) -> str:
    return f"{link.ifname} {link.address or 'no address'}"


def _kind(node: Host | Router) -> str:
    if isinstance(node, Router):
        return "router"
    return node.role or ("host" if node.daemon is not None else "host without daemon")


def _text(topology: Topology) -> str:
    lines: list[str] = []
    for switch in topology.switches.values():
        title = f" {switch.name}" + (f"  {switch.subnet}" if switch.subnet else "") + " "
        lines += [f"┌{'─' * len(title)}┐", f"│{title}│", f"└─┬{'─' * (len(title) - 2)}┘"]
        ends = [(n, link) for n in topology.nodes.values() for link in n.links if link.switch == switch.name]
        for position, (node, link) in enumerate(ends, 1):
            corner = "└" if position == len(ends) else "├"
            lines.append(f"  {corner}── {node.name:<12} {_where(link):<28} {_kind(node)}")
        lines.append("")
    return "\n".join(lines)


def _mermaid(topology: Topology) -> str:
    lines = ["graph TD"]
    for switch in topology.switches.values():
        lines.append(f'  sw_{_safe(switch.name)}[["{switch.name}<br/>{switch.subnet or ""}"]]')
    for node in topology.nodes.values():
        left, right = ("{{", "}}") if isinstance(node, Router) else ("[", "]")
        lines.append(f'  {_safe(node.name)}{left}"{node.name}<br/>{_kind(node)}"{right}')
        lines += [f'  {_safe(node.name)} ---|"{_where(link)}"| sw_{_safe(link.switch)}' for link in node.links]
    return "\n".join(lines) + "\n"


def _safe(name: str) -> str:
    return name.replace("-", "_")


_WIDTH, _HEIGHT, _GAP, _TOP = 170, 54, 24, 40


def _svg(topology: Topology) -> str:
    nodes, switches = list(topology.nodes.values()), list(topology.switches.values())
    width = max(len(nodes), len(switches), 1) * (_WIDTH + _GAP) + _GAP
    height = _TOP + 3 * _HEIGHT + 2 * _GAP + 40
    switch_y, node_y = _TOP, _TOP + _HEIGHT + 100
    at = {s.name: _centre(i, len(switches), width) for i, s in enumerate(switches)}
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">']
    for position, node in enumerate(nodes):
        x = _centre(position, len(nodes), width)
        for row, link in enumerate(node.links):
            parts.append(_line(x, node_y, at[link.switch], switch_y + _HEIGHT))
            parts.append(_label(x, node_y - 10 - 14 * row, _where(link), 11))
        parts.append(_box(x, node_y, node.name, _kind(node), "#e8f0fe" if isinstance(node, Host) else "#fef3e0"))
    for switch in switches:
        parts.append(_box(at[switch.name], switch_y, switch.name, str(switch.subnet or ""), "#e6f4ea"))
    return "\n".join([*parts, "</svg>", ""])


def _centre(position: int, count: int, width: int) -> float:
    return width * (2 * position + 1) / (2 * max(count, 1))


def _box(x: float, y: float, title: str, below: str, colour: str) -> str:
    frame = (
        f'<rect x="{x - _WIDTH / 2:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" '
        f'fill="{colour}" stroke="#555"/>'
    )
    return frame + _label(x, y + 23, title, 15) + _label(x, y + 42, below, 12)


def _label(x: float, y: float, text: str, size: int) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="middle">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="#777"/>'
