"""Go templates over JSON values, as far as people use them in `--format`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fairlead.cli.format.functions import FUNCTIONS, NO_VALUE, NoValue, is_true, shown
from fairlead.cli.format.syntax import Block, Chain, Dot, Literal, Name, Node, Operand, Pipeline, Text, Variable, parse
from fairlead.cli.format.tokens import PARSE_STATUS, TemplateFault

OPEN_MAPS = frozenset(
    {"Annotations", "AuxiliaryAddresses", "Containers", "Data", "DriverOpts", "ExposedPorts", "Labels", "Networks"}
    | {"Options", "Ports", "Status", "Sysctls", "Volumes"}
)
"""Maps of the API whose keys are users' words: a key that is not there has no value, elsewhere it is a mistake."""


class Template:
    """`strict`: naming a field that is not there is an error, as in `inspect`."""

    def __init__(self, source: str, strict: bool = False) -> None:
        self._nodes = parse(source.replace("\\t", "\t").replace("\\n", "\n"))
        _check_functions(self._nodes)
        self._strict = strict

    def render(self, data: object) -> str:
        """Raises `TemplateFault`, which is a `Fault`."""
        return "".join(_Run(self._strict, data).nodes(self._nodes, data))


class _Run:
    """One execution: holds the variables."""

    def __init__(self, strict: bool, root: object) -> None:
        self._strict = strict
        self._variables: dict[str, object] = {"$": root}

    def nodes(self, nodes: Iterable[Node], dot: object) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, Text):
                yield node.text
            elif isinstance(node, Block):
                yield from self._block(node, dot)
            else:
                value = self._pipeline(node, dot)
                if not node.sets:
                    yield shown(value)

    def _block(self, block: Block, dot: object) -> Iterator[str]:
        value = self._pipeline(block.pipeline, dot)
        if block.kind == "range" and is_true(value):
            yield from self._range(block, value)
        elif is_true(value):
            yield from self.nodes(block.body, value if block.kind == "with" else dot)
        else:
            yield from self.nodes(block.otherwise, dot)

    def _range(self, block: Block, value: object) -> Iterator[str]:
        for key, item in _items(value):
            for name, bound in zip(reversed(block.pipeline.sets), (item, key), strict=False):
                self._variables[name] = bound
            yield from self.nodes(block.body, item)

    def _pipeline(self, pipeline: Pipeline, dot: object) -> object:
        result: tuple[object, ...] = ()
        for command in pipeline.commands:
            result = (self._command(command, dot, result),)
        for name in pipeline.sets:
            self._variables[name] = result[0]
        return result[0]

    def _command(self, command: Sequence[Operand], dot: object, piped: tuple[object, ...]) -> object:
        first, arguments = command[0], command[1:]
        given = (*(self._value(operand, dot) for operand in arguments), *piped)
        if isinstance(first, Name):
            return _call(first.text, given)
        if isinstance(first, Chain):
            value = self._value(first, dot, call=False)
            return value(*given) if callable(value) else value
        return self._value(first, dot)

    def _value(self, operand: Operand, dot: object, call: bool = True) -> object:
        match operand:
            case Literal(value):
                return value
            case Dot():
                return dot
            case Variable(name):
                if name not in self._variables:
                    raise TemplateFault(f':1: undefined variable "{name}"', PARSE_STATUS)
                return self._variables[name]
            case Name(text):
                return _call(text, ())
            case Pipeline():
                return self._pipeline(operand, dot)
            case Chain(base, names):
                value = self._chain(self._value(base, dot), names)
                return value() if call and callable(value) else value

    def _chain(self, value: object, names: tuple[str, ...]) -> object:
        parent = ""
        for at, name in enumerate(names):
            value = self._field(value, name, parent, "." + ".".join(names[: at + 1]))
            parent = name
        return value

    def _field(self, value: object, name: str, parent: str, path: str) -> object:
        if isinstance(value, Mapping):
            if name in value:
                return value[name]
            if self._strict and parent not in OPEN_MAPS:
                raise _fault(path, f'map has no entry for key "{name}"')
            return NO_VALUE
        if isinstance(value, NoValue):
            return value
        if value is None:
            raise _fault(path, f"nil pointer evaluating interface {{}}.{name}")
        raise _fault(path, f"can't evaluate field {name} in type {_go_type(value)}")


def _items(value: object) -> Iterator[tuple[object, object]]:
    if isinstance(value, Mapping):
        yield from ((key, value[key]) for key in sorted(value))
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, int):
        yield from ((number, number) for number in range(value))
    else:
        raise TemplateFault(f":1: range can't iterate over {shown(value)}")


def _call(name: str, arguments: tuple[object, ...]) -> object:
    try:
        return FUNCTIONS[name](*arguments)
    except (TypeError, ValueError, AttributeError) as error:
        raise TemplateFault(f":1: error calling {name}: {error}") from error


def _fault(path: str, what: str) -> TemplateFault:
    return TemplateFault(f':1:2: executing "" at <{path}>: {what}')


def _go_type(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[]interface {}"
    return {bool: "bool", str: "string", int: "int", float: "float64"}.get(type(value), "interface {}")


def _check_functions(nodes: Iterable[Node]) -> None:
    """An unknown function is a fault of the template, found before anything is shown."""
    for node in nodes:
        if isinstance(node, Block):
            _check_operand(node.pipeline)
            _check_functions([*node.body, *node.otherwise])
        elif isinstance(node, Pipeline):
            _check_operand(node)


def _check_operand(operand: Operand) -> None:
    if isinstance(operand, Name) and operand.text not in FUNCTIONS:
        raise TemplateFault(f':1: function "{operand.text}" not defined', PARSE_STATUS)
    if isinstance(operand, Chain):
        _check_operand(operand.base)
    elif isinstance(operand, Pipeline):
        for command in operand.commands:
            for part in command:
                _check_operand(part)
