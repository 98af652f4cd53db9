"""The daemon's log: one line per event, `time=... level=... msg="..." key=value ...`, on standard error.

What a level means:

- `fatal`: the daemon cannot run and ends.
- `error`: something that a user asked for or relies on does not work, and Fairlead cannot mend it by itself.
- `warn`: something is not as it should be; Fairlead carried on or mended it, and somebody may want to know why.
- `info`: something that changes how this host works: start, stop, forwarding turned on, what was repaired.
- `debug`: every verb and every kernel transaction.

Fields come from `extra={...}` of the logging call.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
_WORDS = {number: word for word, number in LEVELS.items()}
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class KeyValueFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": _WORDS.get(record.levelno, record.levelname.lower()),
            "msg": record.getMessage(),
            "part": record.name.removeprefix("fairlead."),
            **{key: value for key, value in vars(record).items() if key not in _OWN},
        }
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return " ".join(f"{key}={_quoted(str(value))}" for key, value in fields.items())


def _quoted(text: str) -> str:
    """Bare when it is one harmless word, else in quotes with escapes, so that a line stays a line."""
    if text and not any(character in ' "=\\' or not character.isprintable() for character in text):
        return text
    escaped = "".join(_escape(character) for character in text)
    return f'"{escaped}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def start(level: str) -> None:
    """Send everything that `fairlead` logs to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("fairlead").setLevel(LEVELS[level])
