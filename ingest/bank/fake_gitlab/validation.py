"""Whether a GraphQL document can be answered, in the words of GitLab's own library."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import define, field

from ingest.bank.fake_gitlab.documents import (
    Document,
    Operation,
    Place,
    Selected,
    Selection,
    Spread,
    Variable,
)
from ingest.bank.fake_gitlab.schema import TYPES, FieldOf, field_of

#: The most that a query may cost.
COMPLEXITY_MAX: Final = 250
_PAGE_MAX: Final = 100
_DEPTH_MAX: Final = 20

Problem = dict[str, Any]


def problem(message: str, place: Place | None = None, **more: Any) -> Problem:
    """Return an entry of ``errors``."""
    located = {} if place is None else {"locations": [{"line": place.line, "column": place.column}]}
    return {"message": message, **located, **more}


@define
class Validation:
    """One look through an operation; finds what is wrong with it."""

    document: Document
    operation: Operation
    variables: Mapping[str, Any]
    problems: list[Problem] = field(factory=list, init=False)
    _used: set[str] = field(factory=set, init=False)
    _spreading: list[str] = field(factory=list, init=False)

    def run(self) -> list[Problem]:
        """Return what is wrong; nothing if all is well."""
        label = self.operation.name or self.operation.kind
        path = ["query" if self.operation.name is None else f"query {label}"]
        complexity = self._selections("Query", self.operation.selections, path)
        declared = {one.name for one in self.operation.variables}
        for name in sorted(self._used - declared):
            self._add(f"Variable ${name} is used by {label} but not declared")
        for name in sorted(declared - self._used):
            self._add(f"Variable ${name} is declared by {label} but not used")
        for one in self.operation.variables:
            given = self.variables.get(one.name, one.default)
            if one.type.endswith("!") and given is None:
                message = f"Variable ${one.name} of type {one.type} was provided invalid value"
                self._add(message, value=None)
            elif not _fits(given, one.type):
                message = f"Variable ${one.name} of type {one.type} was provided invalid value"
                self._add(message, value=given)
        if not self.problems and complexity > COMPLEXITY_MAX:
            message = f"Query has complexity of {complexity}, which exceeds max complexity of "
            self._add(f"{message}{COMPLEXITY_MAX}")
        return self.problems

    def _selections(self, type_name: str, selections: Iterable[Selection], path: list[str]) -> int:
        """Look through selections; return what they cost."""
        complexity = 0
        for one in selections:
            self._note(one.directives)
            if isinstance(one, Spread):
                complexity += self._spread(type_name, one, path)
                continue
            found = field_of(type_name, one.name)
            here = [*path, one.alias]
            if found is None:
                extensions = {
                    "code": "undefinedField",
                    "typeName": type_name,
                    "fieldName": one.name,
                }
                message = f"Field '{one.name}' doesn't exist on type '{type_name}'"
                self.problems.append(problem(message, one.place, path=here, extensions=extensions))
                continue
            complexity += self._field(one, found, here)
        return complexity

    def _field(self, one: Selected, found: FieldOf, path: list[str]) -> int:
        self._note({"": one.arguments})
        for name, value in one.arguments.items():
            if name not in found.arguments:
                self._add(
                    f"Field '{one.name}' doesn't accept argument '{name}'", one.place, path=path
                )
            elif not isinstance(value, Variable) and not _fits(value, found.arguments[name]):
                message = f"Argument '{name}' on Field '{one.name}' has an invalid value "
                wanted = f"({value!r}). Expected type '{found.arguments[name]}'."
                self._add(message + wanted, one.place, path=path)
        missing = [
            name
            for name, kind in found.arguments.items()
            if kind.endswith("!") and name not in one.arguments
        ]
        if missing:
            names = ", ".join(missing)
            message = f"Field '{one.name}' is missing required arguments: {names}"
            self._add(message, one.place, path=path)
        within = 0
        if found.type not in TYPES:
            if one.selections:
                message = f"Selections can't be made on scalars (field '{one.name}' returns "
                self._add(f"{message}{found.type})", one.place, path=path)
        elif not one.selections:
            message = f"Field must have selections (field '{one.name}' returns {found.type} but "
            self._add(
                f"{message}has no selections. Did you mean '{one.name} {{ ... }}'?)",
                one.place,
                path=path,
            )
        elif len(path) <= _DEPTH_MAX:
            within = self._selections(found.type, one.selections, path)
        else:
            self._add(f"Query has depth of {len(path)}, which exceeds max depth of {_DEPTH_MAX}")
        complexity = within + found.cost
        if found.is_connection:
            complexity += int(complexity * 0.01 * self._page_size(one))
        return complexity

    def _spread(self, type_name: str, spread: Spread, path: list[str]) -> int:
        fragment = spread
        if spread.name is not None:
            if spread.name not in self.document.fragments:
                self._add(f"Fragment {spread.name} was used, but not defined", spread.place)
                return 0
            if spread.name in self._spreading:
                self._add(f"Fragment {spread.name} contains an infinite loop", spread.place)
                return 0
            fragment = self.document.fragments[spread.name]
        if fragment.on not in {None, type_name}:
            name = spread.name or fragment.on
            message = f"Fragment {name} on {fragment.on} can't be spread inside {type_name}"
            self._add(message, spread.place)
            return 0
        self._spreading.append(spread.name or "")
        complexity = self._selections(type_name, fragment.selections, path)
        self._spreading.pop()
        return complexity

    def _page_size(self, one: Selected) -> int:
        given = [one.arguments.get(name) for name in ("first", "last")]
        sizes = [
            self.variables.get(size.name) if isinstance(size, Variable) else size for size in given
        ]
        return min([_PAGE_MAX, *(size for size in sizes if isinstance(size, int))])

    def _note(self, arguments: Mapping[str, Mapping[str, Any]]) -> None:
        """Take note of the variables that are used."""
        for values in arguments.values():
            self._used.update(_names(values))

    def _add(self, message: str, place: Place | None = None, **more: Any) -> None:
        self.problems.append(problem(message, place, **more))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Variable):
        yield value.name
    elif isinstance(value, dict):
        for one in value.values():
            yield from _names(one)
    elif isinstance(value, list):
        for one in value:
            yield from _names(one)


def _fits(value: Any, written: str) -> bool:
    """Return whether a value is of a type, as far as its kind goes."""
    kind = written.removesuffix("!")
    if value is None:
        return not written.endswith("!")
    if isinstance(value, Variable):
        return True
    if kind.startswith("["):
        values = value if isinstance(value, list) else [value]
        return all(_fits(one, kind[1:-1]) for one in values)
    if isinstance(value, bool):
        return kind == "Boolean"
    return isinstance(value, _KINDS.get(kind, str))


_KINDS: Final[dict[str, type | tuple[type, ...]]] = {"Int": int, "ID": (str, int), "Boolean": bool}
