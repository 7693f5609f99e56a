"""Strings that another machine wrote, made fit for a terminal: a pod must not set its title, clipboard or screen."""

from typing import Any

KEPT = "\n\t"
_CONTROLS = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in KEPT}


def printable(text: str) -> str:
    """The text with every control character (C0, DEL and C1) but newline and tab replaced."""
    return text.translate(_CONTROLS)


def printable_line(line: bytes) -> bytes:
    """The same of a line of a log, which may hold bytes that are no UTF-8."""
    return printable(line.decode("utf-8", "replace")).encode()


def printable_document(value: Any) -> Any:
    """The same of all strings of a JSON document, its keys included."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [printable_document(each) for each in value]
    if isinstance(value, dict):
        return {printable(name): printable_document(each) for name, each in value.items()}
    return value
