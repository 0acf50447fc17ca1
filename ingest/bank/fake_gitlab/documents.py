"""What a GraphQL document says, once it is parsed."""

from typing import Any

from attrs import field, frozen


@frozen
class Place:
    """Where something stands in a document, counted from 1."""

    line: int
    column: int


@frozen
class Variable:
    """A variable that stands for a value."""

    name: str


@frozen
class Enum:
    """A word of an enumeration."""

    name: str


@frozen(kw_only=True)
class Selected:
    """A field that is asked for."""

    name: str
    alias: str
    arguments: dict[str, Any]
    selections: "tuple[Selection, ...]"
    directives: dict[str, dict[str, Any]]
    place: Place = field(eq=False)


@frozen(kw_only=True)
class Spread:
    """A fragment: by its name, or by what it selects where it stands."""

    name: str | None
    on: str | None
    selections: "tuple[Selection, ...]"
    directives: dict[str, dict[str, Any]]
    place: Place = field(eq=False)


Selection = Selected | Spread


@frozen(kw_only=True)
class Declared:
    """A variable of an operation; the type as it is written."""

    name: str
    type: str
    default: Any = None
    has_default: bool = False


@frozen(kw_only=True)
class Operation:
    """One operation of a document."""

    kind: str
    name: str | None
    variables: tuple[Declared, ...]
    selections: tuple[Selection, ...]


@frozen
class Document:
    """A whole document."""

    operations: tuple[Operation, ...]
    fragments: dict[str, Spread]
