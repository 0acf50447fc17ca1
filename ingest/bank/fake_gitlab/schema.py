"""The part of GitLab's GraphQL schema that the fake answers.

What is not in here is refused as if GitLab did not have it. A test holds every name against
GitLab's published reference.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen


@frozen
class FieldOf:
    """A field of a type."""

    #: The type's name, without brackets and marks.
    type: str
    #: The types of its arguments, as they are written.
    arguments: Mapping[str, str] = MappingProxyType({})
    is_connection: bool = False
    #: What it costs beside what is selected in it.
    cost: int = 1


_PAGING: Final = {"first": "Int", "last": "Int", "after": "String", "before": "String"}

TYPES: Final[Mapping[str, Mapping[str, FieldOf]]] = MappingProxyType(
    {
        "Query": {
            "group": FieldOf("Group", {"fullPath": "ID!"}),
            "project": FieldOf("Project", {"fullPath": "ID!"}),
            "projects": FieldOf(
                "ProjectConnection",
                {**_PAGING, "ids": "[ID!]", "membership": "Boolean", "search": "String"},
                is_connection=True,
            ),
        },
        "Group": {
            "id": FieldOf("ID"),
            "name": FieldOf("String"),
            "path": FieldOf("String"),
            "fullPath": FieldOf("ID"),
            "fullName": FieldOf("String"),
            "webUrl": FieldOf("String"),
            "projectsCount": FieldOf("Int"),
            "projects": FieldOf(
                "ProjectConnection",
                {
                    **_PAGING,
                    "includeSubgroups": "Boolean",
                    "includeArchived": "Boolean",
                    "notAimedForDeletion": "Boolean",
                    "search": "String",
                    "ids": "[ID!]",
                },
                is_connection=True,
                cost=11,
            ),
        },
        "ProjectConnection": {
            "count": FieldOf("Int"),
            "nodes": FieldOf("Project"),
            "edges": FieldOf("ProjectEdge"),
            "pageInfo": FieldOf("PageInfo"),
        },
        "ProjectEdge": {"cursor": FieldOf("String"), "node": FieldOf("Project")},
        "PageInfo": {
            "hasNextPage": FieldOf("Boolean"),
            "hasPreviousPage": FieldOf("Boolean"),
            "startCursor": FieldOf("String"),
            "endCursor": FieldOf("String"),
        },
        "Project": {
            "id": FieldOf("ID"),
            "name": FieldOf("String"),
            "path": FieldOf("String"),
            "fullPath": FieldOf("ID"),
            "nameWithNamespace": FieldOf("String"),
            "description": FieldOf("String"),
            "archived": FieldOf("Boolean"),
            "createdAt": FieldOf("Time"),
            "lastActivityAt": FieldOf("Time"),
            "markedForDeletionOn": FieldOf("Time"),
            "visibility": FieldOf("String"),
            "webUrl": FieldOf("String"),
            "group": FieldOf("Group"),
            "repository": FieldOf("Repository"),
        },
        "Repository": {
            "empty": FieldOf("Boolean", cost=2),
            "exists": FieldOf("Boolean", cost=2),
            "rootRef": FieldOf("String", cost=2),
            "tree": FieldOf("Tree", {"path": "String", "ref": "String"}, cost=2),
        },
        "Tree": {"lastCommit": FieldOf("Commit", cost=2)},
        "Commit": {
            "id": FieldOf("ID"),
            "sha": FieldOf("String"),
            "shortId": FieldOf("String"),
            "title": FieldOf("String"),
            "message": FieldOf("String"),
            "authorName": FieldOf("String"),
            "authorEmail": FieldOf("String"),
            "authoredDate": FieldOf("Time"),
            "committerName": FieldOf("String"),
            "committerEmail": FieldOf("String"),
            "committedDate": FieldOf("Time"),
            "webUrl": FieldOf("String"),
        },
    }
)

#: Every object has it.
TYPENAME: Final = FieldOf("String")


def field_of(type_name: str, name: str) -> FieldOf | None:
    """Return a field; None where the type has no such one."""
    return TYPENAME if name == "__typename" else TYPES[type_name].get(name)
