"""Builders of item.json documents and of the histories that hold them."""

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from attrs import evolve
from hypothesis import strategies as st

from ingest.model.item import Commit, Document, History, Problem

JsonObject = dict[str, Any]

#: In the place of a change's value: there is no such field.
ABSENT = object()

#: Whatever a field of a document may hold.
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)

_EPOCH = datetime(2020, 1, 1, 12, tzinfo=UTC)

_OPTIONS = [
    {"text": "<p>first option</p>", "rationale": "the reason why", "isCorrectAnswer": True},
    {"text": "<p>second option</p>", "rationale": "another reason", "isCorrectAnswer": False},
]
_TABLE = {
    "title": "<b>table title</b>",
    "columns": [{"label": "first column"}, {"label": "second column"}],
    "rows": [
        {"cells": [{"type": "label", "value": "row label"}, {"type": "input", "value": "a cell"}]},
        {"cells": [{"type": "label", "value": ""}, {"type": "checkbox", "value": False}]},
    ],
}
_PROMPT = "<p>the prompt</p>"

#: What stands in core.en, by type.
CONTENT: dict[str, JsonObject] = {
    "ebsr": {
        "prompt": _PROMPT,
        "partAPrompt": "stem of part A",
        "partAOptions": [{"text": "option of part A"}],
        "partBPrompt": "stem of part B",
        "partBOptions": [{"text": "option of part B"}],
    },
    "eq": {"prompt": _PROMPT, "parts": [{"leftLabel": "left of it", "rightLabel": "right of it"}]},
    "gi": {"prompt": _PROMPT},
    "htqo": {
        "prompt": _PROMPT,
        "htqOrderable": {"orderableStrings": ["<i>orderable</i>", "string"]},
    },
    "htqs": {
        "prompt": _PROMPT,
        "htqSelectable": {"interactiveText": "<span>selectable</span> text"},
    },
    "mc": {"prompt": _PROMPT, "options": _OPTIONS},
    "mi": {"prompt": _PROMPT, "table": _TABLE},
    "ms": {"prompt": _PROMPT, "options": _OPTIONS},
    "sa": {"prompt": _PROMPT, "exemplarResponses": [{"content": "exemplar"}], "rubrics": []},
    "stim": {
        "content": "<p>the content</p>",
        "passages": [{"title": "passage title", "body": "passage body"}],
    },
    "ti": {"prompt": _PROMPT, "table": _TABLE},
    "tut": {"content": "<p>the content</p>"},
    "wer": {"prompt": _PROMPT, "exemplarResponses": [], "rubrics": [{"content": "rubric"}]},
}


def item_document(item_id: int | str, item_type: str = "mc", **changes: Any) -> JsonObject:
    """Return a document of the newest model.

    Changes go by path: ``**{"core.metadata.subject": "Math", "core.en": ABSENT}``.
    """
    document: JsonObject = {
        "id": str(item_id),
        "type": item_type,
        "version": "iat-41",
        "core": {
            "stimulusId": None,
            "metadata": {"subject": "ELA", "intendedGrade": "7", "depthOfKnowledge": "2"},
            "en": deepcopy(CONTENT[item_type]) | {"isRequired": "true", "isProvided": True},
        },
        "workflow": {"workflowStatusCode": "Draft"},
        "translations": {"esp": {"isRequired": "undetermined", "isProvided": False}},
    }
    for path, value in changes.items():
        *way, last = path.split(".")
        place = document
        for step in way:
            place = place.setdefault(step, {})
        if value is ABSENT:
            place.pop(last, None)
        else:
            place[last] = value
    return document


def item_content(item_id: int | str, item_type: str = "mc", **changes: Any) -> bytes:
    """Return such a document as item.json has it."""
    return orjson.dumps(item_document(item_id, item_type, **changes))


def commit(number: int, author: str = "Ada") -> Commit:
    """Return the commit of a day: they follow each other by their numbers."""
    return Commit(f"{number:040x}", _EPOCH + timedelta(days=number), author)


def history(
    *states: bytes | Problem | Document | None, key: str = "7", first: int = 0, known: bool = False
) -> History:
    """Return the history in which item.json was, commit by commit, in these states.

    The commits are numbered from *first* on. It is whole unless something is *known* already.
    """
    documents = [_document(commit(number), state) for number, state in enumerate(states, first)]
    return History(
        key=key,
        path=f"bank/{key}",
        branch="main",
        revision=documents[-1].commit.hash,
        is_whole=not known,
        documents=documents,
    )


def lazily(whole: History) -> History:
    """Return the same history with documents that can be read only once."""
    documents: Iterable[Document] = iter(list(whole.documents))
    return evolve(whole, documents=documents)


def _document(at: Commit, state: bytes | Problem | Document | None) -> Document:
    if isinstance(state, Document):
        return evolve(state, commit=at)
    if isinstance(state, Problem):
        return Document(commit=at, content=None, problem=state)
    return Document(commit=at, content=state)
