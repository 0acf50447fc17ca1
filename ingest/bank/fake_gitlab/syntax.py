"""GraphQL's syntax, as far as queries go: a document becomes operations, fields and arguments."""

import re
from typing import Any, Final

from ingest.bank.fake_gitlab.documents import (
    Declared,
    Document,
    Enum,
    Operation,
    Place,
    Selected,
    Selection,
    Spread,
    Variable,
)

_TOKEN: Final = re.compile(
    r"(?P<skip>[\s,\ufeff]+|\#[^\n\r]*)"
    r'|(?P<block>"""(?:\\"""|[^"]|"(?!""))*""")'
    r'|(?P<string>"(?:[^"\\\n]|\\.)*")'
    r"|(?P<float>-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+))"
    r"|(?P<int>-?(?:0|[1-9]\d*))"
    r"|(?P<name>[_A-Za-z][_0-9A-Za-z]*)"
    r"|(?P<punctuator>\.\.\.|[!$&():=@\[\]{}|])"
)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class SyntaxFault(Exception):  # noqa: N818 - an answer, not a fault of the program
    """A document that is none; the message is GitLab's, or like it.

    The place is counted from 1; 0 where there is none.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def parse(text: str) -> Document:
    """Return what a document says.

    Raises:
        SyntaxFault: It is none.
    """
    parser = _Parser(text)
    operations: list[Operation] = []
    fragments: dict[str, Spread] = {}
    while parser.kind != "end":
        if parser.at("fragment"):
            parser.take("fragment")
            name = parser.name()
            parser.take("on")
            on, place = parser.name(), parser.place
            directives, selections = parser.directives(), parser.selections()
            fragments[name] = Spread(
                name=name, on=on, selections=selections, directives=directives, place=place
            )
        else:
            operations.append(parser.operation())
    return Document(tuple(operations), fragments)


class _Parser:
    """Reads tokens from left to right; holds the one that is next."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self.kind = ""
        self.value = ""
        self.place = Place(1, 1)
        self._advance()

    def operation(self) -> Operation:
        if self.at("{"):
            return Operation(kind="query", name=None, variables=(), selections=self.selections())
        kind = self.name()
        if kind not in {"query", "mutation", "subscription"}:
            raise self._fault("a definition")
        name = self.name() if self.kind == "name" else None
        variables: list[Declared] = []
        if self.at("("):
            self.take("(")
            while not self.at(")"):
                variables.append(self._declared())
            self.take(")")
        self.directives()
        return Operation(
            kind=kind, name=name, variables=tuple(variables), selections=self.selections()
        )

    def selections(self) -> tuple[Selection, ...]:
        found: list[Selection] = []
        self.take("{")
        while not self.at("}"):
            found.append(self._spread() if self.at("...") else self._selected())
        if not found:
            raise self._fault("a field")
        self.take("}")
        return tuple(found)

    def directives(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        while self.at("@"):
            self.take("@")
            name = self.name()
            found[name] = self._arguments()
        return found

    def name(self) -> str:
        if self.kind != "name":
            raise self._fault("NAME")
        return self._advance()

    def at(self, value: str) -> bool:
        return self.kind in {"name", "punctuator"} and self.value == value

    def take(self, value: str) -> None:
        if not self.at(value):
            raise self._fault(f'"{value}"')
        self._advance()

    def _selected(self) -> Selected:
        place, alias = self.place, self.name()
        name = alias
        if self.at(":"):
            self.take(":")
            name = self.name()
        arguments, directives = self._arguments(), self.directives()
        return Selected(
            name=name,
            alias=alias,
            arguments=arguments,
            selections=self.selections() if self.at("{") else (),
            directives=directives,
            place=place,
        )

    def _spread(self) -> Spread:
        place = self.place
        self.take("...")
        if self.kind == "name" and self.value != "on":
            name = self.name()
            return Spread(
                name=name, on=None, selections=(), directives=self.directives(), place=place
            )
        on = None
        if self.at("on"):
            self.take("on")
            on = self.name()
        directives = self.directives()
        return Spread(
            name=None, on=on, selections=self.selections(), directives=directives, place=place
        )

    def _declared(self) -> Declared:
        self.take("$")
        name = self.name()
        self.take(":")
        written = self._type()
        if not self.at("="):
            return Declared(name=name, type=written)
        self.take("=")
        return Declared(name=name, type=written, default=self._value(), has_default=True)

    def _type(self) -> str:
        if self.at("["):
            self.take("[")
            written = f"[{self._type()}]"
            self.take("]")
        else:
            written = self.name()
        if self.at("!"):
            self.take("!")
            written += "!"
        return written

    def _arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.at("("):
            self.take("(")
            while not self.at(")"):
                name = self.name()
                self.take(":")
                found[name] = self._value()
            self.take(")")
        return found

    def _value(self) -> Any:
        if self.kind in _READ:
            kind = self.kind
            return _READ[kind](self._advance())
        if self.kind == "name":
            word = self._advance()
            return _WORDS[word] if word in _WORDS else Enum(word)
        if self.at("$"):
            self.take("$")
            return Variable(self.name())
        if self.at("["):
            return self._list()
        if self.at("{"):
            return self._object()
        raise self._fault("a value")

    def _list(self) -> list[Any]:
        self.take("[")
        found = []
        while not self.at("]"):
            found.append(self._value())
        self.take("]")
        return found

    def _object(self) -> dict[str, Any]:
        self.take("{")
        found = {}
        while not self.at("}"):
            name = self.name()
            self.take(":")
            found[name] = self._value()
        self.take("}")
        return found

    def _advance(self) -> str:
        """Go to the next token; return the value of the one that was it."""
        before = self.value
        while True:
            if self._position == len(self._text):
                self.kind, self.value = "end", ""
                return before
            match = _TOKEN.match(self._text, self._position)
            self.place = self._placed(self._position)
            if match is None or match.lastgroup is None:
                self.kind, self.value = "unknown", self._text[self._position]
                return before
            self._position = match.end()
            if match.lastgroup != "skip":
                self.kind, self.value = match.lastgroup, match[0]
                return before

    def _placed(self, position: int) -> Place:
        line = self._text.count("\n", 0, position) + 1
        return Place(line, position - self._text.rfind("\n", 0, position))

    def _fault(self, expected: str) -> SyntaxFault:
        where = self.place
        if self.kind == "end":
            return SyntaxFault("Unexpected end of document", where.line, where.column)
        actual = f'{self.kind.upper()} ("{self.value}")'
        message = f"Expected {expected}, actual: {actual} at [{where.line}, {where.column}]"
        return SyntaxFault(message, where.line, where.column)


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if code[0] == "u" else _ESCAPES.get(code, code)


def _string(token: str) -> str:
    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", _unescape, token[1:-1])


_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_READ: Final[dict[str, Any]] = {
    "int": int,
    "float": float,
    "string": _string,
    "block": lambda token: token[3:-3].strip(),
}
