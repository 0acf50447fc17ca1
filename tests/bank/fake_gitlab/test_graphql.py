"""GraphQL queries, good and bad, and what the fake GitLab makes of them."""

from pathlib import Path
from typing import Any

import pytest

from ingest.bank.fake_gitlab.syntax import SyntaxFault, parse
from tests.bank.fake_gitlab.conftest import Asker
from tests.support.repositories import Repository

HEADS = """
query heads($group: ID!, $first: Int = 100, $after: String) {
  group(fullPath: $group) {
    id
    projects(includeSubgroups: true, first: $first, after: $after) {
      count
      nodes {
        id path fullPath archived lastActivityAt
        repository { empty exists rootRef tree { lastCommit { sha committedDate } } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


def _projects(document: Any) -> Any:
    assert "errors" not in document
    return document["data"]["group"]["projects"]


async def test_heads_of_many_projects_at_once(asker: Asker, bank: Path) -> None:
    """A page has each project with its default branch's commit, as it stands at that moment."""
    item = Repository(bank / "7.git", branch="trunk")
    Repository(bank / "8.git")
    (bank / "9").mkdir()
    commit = item.commit(b"{}")
    page = _projects(await asker.graphql(HEADS, group="itembank"))
    assert page["count"] == 3
    assert page["pageInfo"]["hasNextPage"] is False
    broken, empty, one = page["nodes"]
    assert (one["id"], one["fullPath"]) == ("gid://gitlab/Project/1000007", "itembank/7")
    assert one["repository"] == {
        "empty": False,
        "exists": True,
        "rootRef": "trunk",
        "tree": {"lastCommit": {"sha": commit, "committedDate": "2020-01-01T12:00:00Z"}},
    }
    assert one["lastActivityAt"].endswith("Z")
    assert empty["repository"] == {"empty": True, "exists": True, "rootRef": None, "tree": None}
    assert broken["repository"]["exists"] is False

    pushed = item.commit(b"[]")
    page = _projects(await asker.graphql(HEADS, group="itembank"))
    assert page["nodes"][2]["repository"]["tree"]["lastCommit"]["sha"] == pushed


async def test_pages_go_from_the_newest_to_the_oldest(asker: Asker, bank: Path) -> None:
    """A cursor goes on behind a project's number, whatever has come or gone."""
    for number in range(1, 6):
        (bank / f"{number}.git").mkdir()
    seen, after = [], None
    going = iter([0, 1])  # first one before the cursor, then the one that the cursor names
    while True:
        page = _projects(await asker.graphql(HEADS, group="itembank", first=2, after=after))
        seen += [node["path"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        asker.gitlab.delete(page["nodes"][next(going)]["path"])
        (bank / f"9{len(seen)}.git").mkdir()
    assert seen == ["5", "4", "3", "2", "1"]


async def test_a_page_has_a_hundred_nodes_at_most(asker: Asker, bank: Path) -> None:
    """Asking for more gets a hundred and the word that there are more."""
    for number in range(1, 103):
        (bank / f"{number}.git").mkdir()
    page = _projects(await asker.graphql(HEADS, group="itembank", first=500))
    assert (len(page["nodes"]), page["pageInfo"]["hasNextPage"]) == (100, True)


async def test_archived_projects_are_left_out_on_request(asker: Asker, bank: Path) -> None:
    """By default they belong to the list."""
    for number in (1, 2):
        (bank / f"{number}.git").mkdir()
    asker.gitlab.archive("1")
    query = '{group(fullPath: "itembank") {projects(%sfirst: 9) {nodes {path}}}}'
    whole = _projects(await asker.graphql(query % ""))
    part = _projects(await asker.graphql(query % "includeArchived: false, "))
    assert [node["path"] for node in whole["nodes"]] == ["2", "1"]
    assert [node["path"] for node in part["nodes"]] == ["2"]


async def test_projects_by_their_ids_and_one_by_its_path(asker: Asker, item: Repository) -> None:
    """Other ways to the same nodes, with all that is known of a commit."""
    commit = item.commit(b"{}", author="Zoë")
    query = """
      query ($ids: [ID!]) {
        some: projects(ids: $ids, first: 5) {
          edges { cursor node { ...whole } }
        }
        project(fullPath: "itembank/7") { ...whole name }
        nobody: project(fullPath: "itembank/8") { id }
        other: group(fullPath: "other") { id }
      }
      fragment whole on Project {
        __typename
        repository { tree(ref: "HEAD") { lastCommit { sha authorName message } } }
        id @skip(if: true)
      }
    """
    document = await asker.graphql(query, ids=["gid://gitlab/Project/1000007"])
    data = document["data"]
    whole = {
        "__typename": "Project",
        "repository": {"tree": {"lastCommit": {"sha": commit, "authorName": "Zoë", "message": ""}}},
    }
    assert data["project"] == {**whole, "name": "7"}
    assert data["some"]["edges"][0]["node"] == whole
    assert (data["nobody"], data["other"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('{group(fullPath: "a") {nope}}', "Field 'nope' doesn't exist on type 'Group'"),
        ('{group(fullPath: "a", x: 1) {id}}', "Field 'group' doesn't accept argument 'x'"),
        ("{group {id}}", "Field 'group' is missing required arguments: fullPath"),
        ('{group(fullPath: "a")}', "Field must have selections (field 'group' returns Group"),
        ('{group(fullPath: "a") {id {x}}}', "Selections can't be made on scalars (field 'id'"),
        ("query q($g: ID!) {group(fullPath: $g) {id}}", "Variable $g of type ID! was provided"),
        ("query q {group(fullPath: $g) {id}}", "Variable $g is used by q but not declared"),
        ('query q($g: ID) {group(fullPath: "a") {id}}', "Variable $g is declared by q but not"),
        ('{group(fullPath: "a") {...f}}', "Fragment f was used, but not defined"),
        ("{group(fullPath: true) {id}}", "Argument 'fullPath' on Field 'group' has an invalid"),
        ("mutation {x}", "Schema is not configured for mutations"),
        ("{", "Unexpected end of document"),
        ("{a:}", 'Expected NAME, actual: PUNCTUATOR ("}") at [1, 4]'),
        ("", "No query string was present"),
    ],
)
async def test_a_query_that_cannot_be_answered_gets_errors_with_status_200(
    asker: Asker, query: str, message: str
) -> None:
    """Errors come in the document, without data, and in the words GitLab's clients know."""
    document = await asker.graphql(query)
    assert "data" not in document
    assert document["errors"][0]["message"].startswith(message)


async def test_an_unknown_field_is_placed(asker: Asker) -> None:
    """An error says where in the query it is, and which type lacks what."""
    document = await asker.graphql('{\n  group(fullPath: "a") {\n    nope\n  }\n}')
    (error,) = document["errors"]
    assert error["locations"] == [{"line": 3, "column": 5}]
    assert error["path"] == ["query", "group", "nope"]
    assert error["extensions"] == {
        "code": "undefinedField",
        "typeName": "Group",
        "fieldName": "nope",
    }


async def test_a_bad_cursor_makes_its_field_null(asker: Asker) -> None:
    """What fails while it is answered is null, with an error that has its path."""
    document = await asker.graphql(HEADS, group="itembank", after="nonsense")
    assert document["data"]["group"]["projects"] is None
    (error,) = document["errors"]
    assert error["message"] == "Please provide a valid cursor"
    assert error["path"] == ["group", "projects"]


async def test_a_query_may_be_too_complex(asker: Asker) -> None:
    """Many connections in one query cost more than is allowed."""
    part = "projects(first: 100) {nodes {id repository {tree {lastCommit {sha}}}}}"
    parts = " ".join(f"p{number}: {part}" for number in range(9))
    document = await asker.graphql(f'{{group(fullPath: "a") {{{parts}}}}}')
    assert "exceeds max complexity of 250" in document["errors"][0]["message"]


def test_every_kind_of_value_is_read() -> None:
    """Numbers, strings with escapes, blocks, lists, objects, words, and what lies between."""
    text = (
        '# a comment\n{f(a: -1, b: 1.5e3, c: "x\\n\\u00e4", d: """b"l""", e: [true, null],'
        " g: {h: WORD}, i: $v)}"
    )
    (selected,) = parse(text).operations[0].selections
    arguments = getattr(selected, "arguments", {})
    assert arguments["a"] == -1
    assert arguments["b"] == 1500.0
    assert arguments["c"] == "x\nä"
    assert arguments["d"] == 'b"l'
    assert arguments["e"] == [True, None]
    assert arguments["g"]["h"].name == "WORD"
    assert arguments["i"].name == "v"


@pytest.mark.parametrize("text", ["{}", "{a", "{a(b:)}", "{a(b: ?)}", "query ($a) {a}", "x {a}"])
def test_what_is_no_document_is_refused(text: str) -> None:
    """Every broken document ends in a fault that says where, never in another error."""
    with pytest.raises(SyntaxFault):
        parse(text)
