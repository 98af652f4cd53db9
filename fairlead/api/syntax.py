"""What is wrong with a text that is not JSON, in the words that clients of Docker know: those of Go's scanner.

Only read when msgspec has refused a body, so it may take its time.
"""

from __future__ import annotations

import re

_BLANK = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_HEX = "0123456789abcdefABCDEF"
_KEY = "looking for beginning of object key string"
_DIGITS = "0123456789"
_ESCAPED = {"'": r"\'", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_LITERALS = {"t": "true", "f": "false", "n": "null"}


class _Wrong(Exception):  # noqa: N818 - the finding itself
    """`args[0]` says what."""


def complaint(body: bytes) -> str:
    """Why `body` is not one JSON value; "" when it is one."""
    scan = _Scan(body.decode("utf-8", "replace"))
    try:
        scan.value()
    except _Wrong as wrong:
        return f"invalid JSON: {wrong.args[0]}"
    except RecursionError:
        return "invalid JSON: exceeded max depth"
    return "unexpected content after JSON" if scan.peek() else ""


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def peek(self) -> str:
        """The next character that is not blank, "" at the end."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, wanted: str, where: str) -> str:
        """Step over one of the characters `wanted`."""
        found = self._text[self._at : self._at + 1]
        if not found:
            raise _Wrong("unexpected EOF")
        if found not in wanted:
            raise _Wrong(f"invalid character {_quoted(found)} {where}")
        self._at += 1
        return found

    def value(self) -> None:
        self.peek()
        first = self._take('{["-' + _DIGITS + "".join(_LITERALS), "looking for beginning of value")
        if first == "{":
            self._object()
        elif first == "[":
            self._array()
        elif first == '"':
            self._string()
        elif first in _LITERALS:
            for letter in _LITERALS[first][1:]:
                self._take(letter, f"in literal {_LITERALS[first]} (expecting {_quoted(letter)})")
        else:
            self._number(first)

    def _object(self) -> None:
        if self.peek() == "}":
            self._at += 1
            return
        more = True
        while more:
            self.peek()
            self._take('"', _KEY)
            self._string()
            self.peek()
            self._take(":", "after object key")
            self.value()
            self.peek()
            more = self._take(",}", "after object key:value pair") == ","

    def _array(self) -> None:
        if self.peek() == "]":
            self._at += 1
            return
        more = True
        while more:
            self.value()
            self.peek()
            more = self._take(",]", "after array element") == ","

    def _string(self) -> None:
        while True:
            plain = _PLAIN.match(self._text, self._at)
            self._at = plain.end() if plain else self._at
            if self._take('"\\', "in string literal") == '"':
                return
            if self._take('"\\/bfnrtu', "in string escape code") == "u":
                for _ in range(4):
                    self._take(_HEX, "in \\u hexadecimal character escape")

    def _number(self, first: str) -> None:
        if first == "-":
            first = self._take(_DIGITS, "in numeric literal")
        if first != "0":
            self._digits()
        if self._text[self._at : self._at + 1] == ".":
            self._at += 1
            self._take(_DIGITS, "after decimal point in numeric literal")
            self._digits()
        if self._text[self._at : self._at + 1] in ("e", "E"):
            self._at += 1
            if self._text[self._at : self._at + 1] in ("+", "-"):
                self._at += 1
            self._take(_DIGITS, "in exponent of numeric literal")
            self._digits()

    def _digits(self) -> None:
        while self._text[self._at : self._at + 1] in tuple(_DIGITS):
            self._at += 1


def _quoted(character: str) -> str:
    if character in _ESCAPED:
        return f"'{_ESCAPED[character]}'"
    return f"'{character}'" if character.isprintable() else f"'\\x{ord(character):02x}'"
