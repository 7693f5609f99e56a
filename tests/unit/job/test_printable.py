"""Strings of pods on a terminal."""

import pytest

from job.printable import printable_document, printable_line


@pytest.mark.parametrize(
    "escape", ["\x1b]52;c;aGk=\x07", "\x1b]0;title\x07", "\x1b[2J", "\x9b2J", "\x7f", "\x00", "\r"]
)
def test_no_control_character_is_left(escape: str) -> None:
    document = {f"k{escape}": [f"a{escape}b\tc\n", 1, None, {"x": escape}]}
    said = str(printable_document(document)) + printable_line(f"a{escape}\n".encode()).decode()
    assert not any(sign in said for sign in "\x1b\x07\x9b\x7f\x00\r")


def test_words_of_any_script_stay() -> None:
    assert printable_document("తెలుగు\tand ü\n") == "తెలుగు\tand ü\n"
    assert printable_line(b"\xff ok\n") == "\ufffd ok\n".encode()
