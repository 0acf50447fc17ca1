"""What the service sends reaches a terminal as text and nothing else."""

import pytest

from ingest.cli.show import clean


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("plain, Núñez 日本", "plain, Núñez 日本"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b2Jgone", "gone"),
        ("a\tb\r\nc", "a b  c"),
        ("bell\x07 back\x08 del\x7f c1\x85", "bell back del c1 "),
        ("\u202eright to left", "right to left"),
        ("\x1b", ""),
    ],
)
def test_nothing_that_a_terminal_obeys_is_left(sent: str, shown: str) -> None:
    """Escapes and controls are taken out, line ends and tabs become spaces."""
    assert clean(sent) == shown
