"""Answering a GraphQL query that has been found valid."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from ingest.bank.fake_gitlab import nodes
from ingest.bank.fake_gitlab.access import Token
from ingest.bank.fake_gitlab.connections import chosen, cursor, part_of
from ingest.bank.fake_gitlab.documents import (
    Document,
    Operation,
    Selected,
    Selection,
    Spread,
    Variable,
)
from ingest.bank.fake_gitlab.nodes import ExecutionFault, Node
from ingest.bank.fake_gitlab.projects import Project
from ingest.bank.fake_gitlab.schema import TYPES, field_of
from ingest.bank.fake_gitlab.validation import problem
from ingest.bank.fake_gitlab.world import World

#: What a look at a repository tells of a commit; the rest must be read.
_CHEAP: Final = frozenset({"id", "sha", "shortId", "committedDate"})


@define
class Execution:
    """One query being answered."""

    world: World
    token: Token
    base: str
    document: Document
    variables: Mapping[str, Any]
    problems: list[dict[str, Any]] = field(factory=list, init=False)
    _flat: dict[int, list[Selected]] = field(factory=dict, init=False)

    async def run(self, operation: Operation) -> dict[str, Any]:
        """Return ``data``."""
        data: dict[str, Any] = {}
        for one in self._fields(operation.selections):
            if one.name == "group":
                data[one.alias] = await self._group(one)
            elif one.name == "project":
                data[one.alias] = await self._project(one)
            elif one.name == "projects":
                seen = self.world.visible(self.token, self.world.projects.all())
                data[one.alias] = await self._connection(one, seen, [one.alias])
            else:
                data[one.alias] = "Query"
        return data

    async def _group(self, one: Selected) -> dict[str, Any] | None:
        wanted = str(self._arguments(one)["fullPath"])
        found = self.world.projects.find_group(wanted)
        # Other than REST, GraphQL finds none in another case.
        if found is None or found.full_path != wanted or not self.token.sees_group:
            return None
        own = self.world.projects.within(found, subgroups=False)
        node = nodes.group(found, self.base, len(own))
        shown: dict[str, Any] = {}
        for inner in self._fields(one.selections):
            if inner.name != "projects":
                shown |= self._shape("Group", node, [inner])
                continue
            arguments = self._arguments(inner)
            all_of_them = self.world.projects.within(
                found,
                subgroups=bool(arguments.get("includeSubgroups")),
                archived=False if arguments.get("includeArchived") is False else None,
            )
            if arguments.get("notAimedForDeletion"):
                all_of_them = [one for one in all_of_them if one.marked_for_deletion_on is None]
            seen = self.world.visible(self.token, all_of_them)
            path = [one.alias, inner.alias]
            shown[inner.alias] = await self._connection(inner, seen, path)
        return shown

    async def _project(self, one: Selected) -> dict[str, Any] | None:
        found = self.world.projects.find(str(self._arguments(one)["fullPath"]))
        if found is None or found.hidden or not self.token.sees_projects:
            return None
        (node,) = await self._nodes([found], one.selections)
        return self._shape("Project", node, self._fields(one.selections), [one.alias])

    async def _connection(
        self, one: Selected, projects: Sequence[Project], path: Sequence[str | int]
    ) -> dict[str, Any] | None:
        try:
            part = part_of(chosen(projects, self._arguments(one)), self._arguments(one))
        except ExecutionFault as fault:
            self.problems.append(problem(str(fault), one.place, path=path))
            return None
        within = [
            inner.selections
            for inner in self._fields(one.selections)
            if inner.name in {"nodes", "edges"}
        ]
        found = await self._nodes(part.projects, *within)
        cursors = [cursor(project) for project in part.projects]
        node = {
            "count": part.total,
            "nodes": found,
            "edges": [
                {"cursor": cursor, "node": each}
                for cursor, each in zip(cursors, found, strict=True)
            ],
            "pageInfo": {
                "hasNextPage": part.has_next,
                "hasPreviousPage": part.has_previous,
                "startCursor": cursors[0] if cursors else None,
                "endCursor": cursors[-1] if cursors else None,
            },
        }
        return self._shape("ProjectConnection", node, self._fields(one.selections), path)

    async def _nodes(
        self, projects: Sequence[Project], *selections: tuple[Selection, ...]
    ) -> list[Node]:
        """Return projects, with what is read of their repositories if that is asked for."""
        names = {name for one in selections for name in self._names(one)}
        found = [nodes.project(project, self.base) for project in projects]
        if not names & {"repository", "lastActivityAt"}:
            return found
        looks = await self.world.look(projects)
        commits = [nodes.brief_commit(look) for look in looks]
        if names & (TYPES["Commit"].keys() - _CHEAP - TYPES["Project"].keys()):
            described = await self.world.describe(projects)
            commits = [
                None if one is None else nodes.whole_commit(one, project, self.base)
                for one, project in zip(described, projects, strict=True)
            ]
        return [
            {
                **node,
                "lastActivityAt": nodes.in_utc(self.world.activity.of(project, look)),
                "repository": nodes.repository(look, commit),
            }
            for node, project, look, commit in zip(found, projects, looks, commits, strict=True)
        ]

    def _shape(
        self,
        type_name: str,
        node: Node,
        fields: Sequence[Selected],
        path: Sequence[str | int] = (),
    ) -> dict[str, Any]:
        """Return of an object what is selected."""
        shown: dict[str, Any] = {}
        for one in fields:
            if one.name == "__typename":
                shown[one.alias] = type_name
                continue
            value = node[one.name]
            here = [*path, one.alias]
            if callable(value):
                try:
                    value = value(self._arguments(one))
                except ExecutionFault as fault:
                    self.problems.append(problem(str(fault), one.place, path=here))
                    value = None
            shown[one.alias] = self._value(type_name, one, value, here)
        return shown

    def _value(self, type_name: str, one: Selected, value: Any, path: list[str | int]) -> Any:
        found = field_of(type_name, one.name)
        if found is None or found.type not in TYPES or value is None:
            return value
        inner = self._fields(one.selections)
        if not isinstance(value, list):
            return self._shape(found.type, value, inner, path)
        return [
            self._shape(found.type, each, inner, [*path, index]) for index, each in enumerate(value)
        ]

    def _fields(self, selections: tuple[Selection, ...]) -> list[Selected]:
        """Return selections without fragments, and without what directives leave out."""
        known = self._flat.get(id(selections))
        if known is not None:
            return known
        merged: dict[str, Selected] = {}
        for one in selections:
            if not self._included(one):
                continue
            if isinstance(one, Spread):
                spread = one if one.name is None else self.document.fragments[one.name]
                found = self._fields(spread.selections)
            else:
                found = [one]
            for each in found:
                before = merged.get(each.alias)
                merged[each.alias] = each if before is None else _merge(before, each)
        self._flat[id(selections)] = list(merged.values())
        return self._flat[id(selections)]

    def _names(self, selections: tuple[Selection, ...]) -> set[str]:
        names: set[str] = set()
        for one in self._fields(selections):
            names |= {one.name} | self._names(one.selections)
        return names

    def _included(self, one: Selection) -> bool:
        skipped = self._resolved(one.directives.get("skip", {}).get("if", False))
        return bool(self._resolved(one.directives.get("include", {}).get("if", True))) and (
            not skipped
        )

    def _arguments(self, one: Selected) -> dict[str, Any]:
        return {name: self._resolved(value) for name, value in one.arguments.items()}

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, Variable):
            return self.variables.get(value.name)
        if isinstance(value, list):
            return [self._resolved(one) for one in value]
        return value


def _merge(one: Selected, other: Selected) -> Selected:
    if not one.selections:
        return one
    return Selected(
        name=one.name,
        alias=one.alias,
        arguments=one.arguments,
        selections=one.selections + other.selections,
        directives=one.directives,
        place=one.place,
    )
