"""What a runtime's refusal means: the exit code that a shell would give, and whose fault it is."""

from __future__ import annotations

from fairlead.model.errors import Failed, Invalid, Refusal

NOT_FOUND, NOT_EXECUTABLE, UNKNOWN = 127, 126, 128

_NOT_FOUND_WORDS = ("executable file not found", "no such file or directory")
_NOT_EXECUTABLE_WORDS = ("permission denied", "is a directory")


def start_failure(text: str) -> tuple[int, Refusal]:
    """Exit code and refusal for a container that its runtime would not create; `text` is the runtime's."""
    message = (
        f"failed to create task for container: failed to create shim task: OCI runtime create failed: {text}: unknown"
    )
    code = exit_code(text)
    return code, (Failed(message) if code == UNKNOWN else Invalid(message))


def exec_failure(text: str) -> tuple[int, str]:
    """Exit code and what the user reads when an exec could not start its process."""
    code = exit_code(text)
    return (NOT_EXECUTABLE if code == UNKNOWN else code), f"OCI runtime exec failed: {text}: unknown"


def exit_code(text: str) -> int:
    if any(words in text for words in _NOT_FOUND_WORDS):
        return NOT_FOUND
    if any(words in text for words in _NOT_EXECUTABLE_WORDS):
        return NOT_EXECUTABLE
    return UNKNOWN
