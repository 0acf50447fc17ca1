"""A container file, read as far as ours goes: what is not known is refused."""

import json
import re
import shlex
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

_CONTINUED: Final = re.compile(r"\\\n")
_COMMENT: Final = re.compile(r"^\s*#.*\n?", re.MULTILINE)
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")


@frozen
class Instruction:
    """A word such as RUN, its options, and the rest as it stands there."""

    word: str
    options: tuple[str, ...]
    rest: str

    @property
    def exec_form(self) -> list[str]:
        """The command as a list, which is what ours are written as."""
        command: list[str] = json.loads(self.rest)
        return command


@define
class Stage:
    """What is built on one base."""

    base: str
    name: str
    instructions: list[Instruction] = field(factory=list)

    def only(self, word: str) -> Instruction:
        """Return the one instruction of this word."""
        (found,) = (one for one in self.instructions if one.word == word)
        return found

    def environ(self) -> dict[str, str]:
        """Return the variables that ENV sets."""
        words = [shlex.split(one.rest) for one in self.instructions if one.word == "ENV"]
        return dict(word.split("=", 1) for some in words for word in some)


def stages(path: Path, **arguments: str) -> list[Stage]:
    """Read a container file; *arguments* are what `--build-arg` would give."""
    text = _CONTINUED.sub(" ", _COMMENT.sub("", path.read_text()))
    found: list[Stage] = []
    given: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        options = []
        while match := re.match(r"\s*(--[\w-]+=\S+)\s+", rest):
            options.append(match[1])
            rest = rest[match.end() :]
        rest = _VARIABLE.sub(lambda variable: given[variable[1]], rest.strip())
        if word == "ARG":
            name, _, default = rest.partition("=")
            given[name] = arguments.get(name, default)
        elif word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base, name))
        else:
            found[-1].instructions.append(Instruction(word, tuple(options), rest))
    return found
