"""HTML from texts that try to be HTML."""

import json
from copy import deepcopy
from typing import Any

import pytest

from ingest.api.openapi.document import document
from ingest.web.docs import render
from ingest.web.markup import Html, paragraphs, tag, words
from tests.support.elements import Elements

EVIL = '"><script src="https://evil.example/x.js"></script><p onclick="x">&'


@pytest.mark.parametrize("make", [paragraphs, words])
def test_texts_are_escaped(make: Any) -> None:
    """Whatever stands in a text, what becomes of it holds no element but ours."""
    made = Elements(make(f"`{EVIL}` *{EVIL}*\n\n{EVIL}"))
    assert {name for name, _ in made.found} <= {"p", "code", "em"}


def test_attributes_and_children_are_escaped() -> None:
    """A text as a child or as an attribute's value stays a text; HTML of ours stays HTML."""
    made = tag("a", EVIL, tag("b", EVIL), None, href=EVIL, hidden=True, class_=None, data_x="1")
    assert isinstance(made, Html)
    assert Elements(made).found == [("a", {"href": EVIL, "hidden": None, "data-x": "1"}), ("b", {})]


def test_a_hostile_document_breaks_no_page() -> None:
    """Wherever a document has words, elements in them are words on the page."""

    def poisoned(part: Any, key: str = "") -> Any:
        if isinstance(part, dict):
            return {name: poisoned(one, name) for name, one in part.items()}
        if isinstance(part, list):
            return [poisoned(one, key) for one in part]
        return EVIL if key in {"description", "summary", "title", "version", "value"} else part

    usual = Elements(render(document())).found
    page = render(poisoned(deepcopy(document())))
    assert json.dumps(EVIL) not in page
    found = Elements(page).found
    assert [one for one in found if one[0] == "script"] == [
        one for one in usual if one[0] == "script"
    ]
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]
