"""What of GitLab's API is used: every call, with its parameters and the fields that are read.

The client asks nothing that does not stand here, so that a test can hold all of it against
GitLab's own description of its API.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from attrs import frozen


@frozen(kw_only=True)
class Call:
    """One kind of request to the REST API."""

    method: str = "GET"
    #: Below the API's root, with the ids' names in braces.
    path: str
    #: The parameters that are sent, in the query or in the body.
    parameters: frozenset[str] = frozenset()
    #: The fields of the answer that are read; those of its parts with dots.
    fields: frozenset[str] = frozenset()

    def at(self, ids: Mapping[str, str | int]) -> str:
        """Return the path for these ids, each percent-encoded whole: a slash is part of an id."""
        return self.path.format(**{name: quote(str(value), safe="") for name, value in ids.items()})


_PROJECT_FIELDS: Final = frozenset(
    {
        "id",
        "path",
        "path_with_namespace",
        "default_branch",
        "archived",
        "empty_repo",
        "last_activity_at",
    }
)

#: Without saying so, a hundred of its projects come along.
GROUP: Final = Call(
    path="/groups/{id}",
    parameters=frozenset({"with_projects"}),
    fields=frozenset({"id", "full_path"}),
)

GROUP_PROJECTS: Final = Call(
    path="/groups/{id}/projects",
    parameters=frozenset(
        {
            *("include_subgroups", "with_shared", "archived", "search"),
            *("order_by", "sort", "per_page", "page"),
        }
    ),
    fields=_PROJECT_FIELDS,
)

#: Those that the token's user is a member of; the only listing that pages by keyset.
MEMBER_PROJECTS: Final = Call(
    path="/projects",
    parameters=frozenset(
        {"membership", "archived", "order_by", "sort", "per_page", "pagination", "id_after"}
    ),
    fields=_PROJECT_FIELDS,
)

PROJECT: Final = Call(path="/projects/{id}", fields=_PROJECT_FIELDS)

BRANCH: Final = Call(
    path="/projects/{id}/repository/branches/{branch}", fields=frozenset({"name", "commit.id"})
)

COMMITS: Final = Call(
    path="/projects/{id}/repository/commits",
    parameters=frozenset({"ref_name", "first_parent", "path", "per_page", "page"}),
    fields=frozenset({"id", "author_name", "committed_date"}),
)

#: The root folder at a commit. By numbered pages: as a keyset GitLab takes the last entry's object,
#: and two files that hold the same are one.
TREE: Final = Call(
    path="/projects/{id}/repository/tree",
    parameters=frozenset({"ref", "per_page", "page"}),
    fields=frozenset({"id", "name", "type", "mode"}),
)

DOCUMENT: Final = Call(
    path="/projects/{id}/repository/files/{file}/raw", parameters=frozenset({"ref"})
)

HOOKS: Final = Call(
    path="/projects/{id}/hooks",
    parameters=frozenset({"per_page", "page"}),
    fields=frozenset({"id", "url", "push_events"}),
)

NEW_HOOK: Final = Call(
    method="POST",
    path="/projects/{id}/hooks",
    parameters=frozenset({"url", "token", "push_events"}),
    fields=frozenset({"id"}),
)

CALLS: Final = (
    *(GROUP, GROUP_PROJECTS, MEMBER_PROJECTS, PROJECT, BRANCH, COMMITS, TREE, DOCUMENT),
    *(HOOKS, NEW_HOOK),
)

#: A hundred projects, each with the commit that its default branch stands at. `empty` tells a
#: repository without a commit from one that the token may not read.
PROJECTS_QUERY: Final = """
query($group: ID!, $subgroups: Boolean!, $first: Int!, $after: String) {
  group(fullPath: $group) {
    id
    projects(includeSubgroups: $subgroups, first: $first, after: $after) {
      count
      nodes {
        id
        path
        fullPath
        archived
        repository { empty rootRef tree { lastCommit { sha } } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
""".strip()
