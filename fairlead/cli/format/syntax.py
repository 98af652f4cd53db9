"""Go templates as a tree: actions, pipelines, control."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from fairlead.cli.format.tokens import PARSE_STATUS, TemplateFault, Token, pieces, tokens


@dataclass(frozen=True, slots=True)
class Literal:
    value: object


@dataclass(frozen=True, slots=True)
class Name:
    """A function's name."""

    text: str


@dataclass(frozen=True, slots=True)
class Variable:
    name: str


@dataclass(frozen=True, slots=True)
class Dot:
    pass


@dataclass(frozen=True, slots=True)
class Chain:
    """Fields of a base, one after another."""

    base: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each fed with the result of the one before as its last argument; `sets` are the variables set to it."""

    commands: tuple[tuple[Operand, ...], ...]
    sets: tuple[str, ...] = ()


Operand = Literal | Name | Variable | Dot | Chain | Pipeline


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(slots=True)
class Block:
    """`kind` is "if", "range" or "with"; an "else if" is a block within `otherwise`."""

    kind: str
    pipeline: Pipeline
    body: list[Node] = field(default_factory=list)
    otherwise: list[Node] = field(default_factory=list)


Node = Text | Pipeline | Block


def parse(source: str) -> list[Node]:
    return _Parser(source).parse()


class _Parser:
    def __init__(self, source: str) -> None:
        self._pieces = list(pieces(source))
        self._at = 0

    def parse(self) -> list[Node]:
        nodes, end = self._nodes()
        if end:
            raise TemplateFault(f":1: unexpected {{{{{end[0].text}}}}}", PARSE_STATUS)
        return nodes

    def _nodes(self) -> tuple[list[Node], list[Token]]:
        """Nodes up to the end of the source or an `end` or `else`, and that action."""
        nodes: list[Node] = []
        while self._at < len(self._pieces):
            is_action, text = self._pieces[self._at]
            self._at += 1
            if not is_action:
                nodes.append(Text(text))
                continue
            action = tokens(text)
            if not action:
                raise TemplateFault(":1: missing value for command", PARSE_STATUS)
            word = action[0].text
            if word in ("end", "else"):
                return nodes, action
            nodes.append(self._block(word, action[1:]) if word in ("if", "range", "with") else _pipeline(action))
        return nodes, []

    def _block(self, kind: str, condition: Sequence[Token]) -> Block:
        block = Block(kind, _pipeline(condition))
        block.body, end = self._nodes()
        if end and end[0].text == "else" and len(end) > 1:
            block.otherwise = [self._block(end[1].text, end[2:])]
            return block
        if end and end[0].text == "else":
            block.otherwise, end = self._nodes()
        if not end:
            raise TemplateFault(":1: unexpected EOF", PARSE_STATUS)
        return block


def _pipeline(action: Sequence[Token]) -> Pipeline:
    sets: tuple[str, ...] = ()
    signs = [token.kind for token in action]
    for assignment in (":=", "="):
        if assignment in signs:
            at = signs.index(assignment)
            sets = tuple(token.text for token in action[:at] if token.kind == "variable")
            action = action[at + 1 :]
            break
    operands, rest = _commands(list(action))
    if rest:
        raise TemplateFault(f':1: unexpected "{rest[0].text}" in command', PARSE_STATUS)
    return Pipeline(operands, sets)


def _commands(rest: list[Token]) -> tuple[tuple[tuple[Operand, ...], ...], list[Token]]:
    """Commands up to the end or an unmatched ")"; and what is left."""
    commands: list[tuple[Operand, ...]] = []
    operands: list[Operand] = []
    while rest and rest[0].kind != ")":
        if rest[0].kind == "|":
            rest = rest[1:]
            commands.append(tuple(operands))
            operands = []
            continue
        operand, rest = _operand(rest)
        operands.append(operand)
    commands.append(tuple(operands))
    if not all(commands):
        raise TemplateFault(":1: missing value for command", PARSE_STATUS)
    return tuple(commands), rest


def _operand(rest: list[Token]) -> tuple[Operand, list[Token]]:
    operand, rest = _primary(rest)
    names: list[str] = []
    while rest and rest[0].kind == "field" and rest[0].joined:
        names.append(rest[0].text[1:])
        rest = rest[1:]
    if isinstance(operand, Chain):
        return Chain(operand.base, operand.names + tuple(names)), rest
    return (Chain(operand, tuple(names)) if names else operand), rest


def _primary(rest: list[Token]) -> tuple[Operand, list[Token]]:
    token, rest = rest[0], rest[1:]
    match token.kind:
        case "string":
            value = token.text[1:-1] if token.text.startswith("`") else ast.literal_eval(token.text)
            return Literal(value), rest
        case "number":
            return Literal(float(token.text) if "." in token.text else int(token.text)), rest
        case "field":
            return Chain(Dot(), (token.text[1:],)), rest
        case "variable":
            return Variable(token.text), rest
        case "dot":
            return Dot(), rest
        case "word":
            constant = {"true": True, "false": False, "nil": None}
            return (Literal(constant[token.text]) if token.text in constant else Name(token.text)), rest
        case "(":
            commands, rest = _commands(rest)
            if not rest:
                raise TemplateFault(":1: unclosed left paren", PARSE_STATUS)
            return Pipeline(commands), rest[1:]
    raise TemplateFault(f':1: unexpected "{token.text}" in operand', PARSE_STATUS)
