"""The page that shows an OpenAPI document: it can be read without JavaScript, and tried with it."""

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

from ingest.web.assets import asset_url
from ingest.web.markup import Html, join, paragraphs, tag, words
from ingest.web.schemas import schema_section, type_of
from ingest.web.trying import question, token_field, try_form

Json = dict[str, Any]

_VERBS: Final = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def render(document: Json) -> str:
    """Return the page."""
    info = document["info"]
    page = tag(
        "html",
        tag("head", *_head(info["title"])),
        tag(
            "body",
            tag("a", "Skip to the operations", href="#operations", class_="skip"),
            tag(
                "header",
                tag("h1", info["title"], " ", tag("small", info["version"])),
                paragraphs(info["description"]),
                tag("p", "The same for programs: ", tag("a", "openapi.json", href="/openapi.json")),
                token_field(document["components"]["securitySchemes"]["bearerAuth"]["description"]),
            ),
            tag("nav", *_contents(document), aria_label="Operations"),
            tag("main", *_tags(document), id="operations"),
            schema_section(document["components"]["schemas"]),
            question(),
        ),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _head(title: str) -> Iterator[Html]:
    yield tag("meta", charset="utf-8")
    yield tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    yield tag("meta", name="color-scheme", content="light dark")
    yield tag("title", f"{title}: API")
    yield tag("link", rel="icon", href=asset_url("icon.svg"), type="image/svg+xml")
    yield tag("link", rel="stylesheet", href=asset_url("docs.css"))
    yield tag("script", src=asset_url("docs.js"), defer=True)


def _operations(document: Json, wanted: str) -> Iterator[tuple[str, str, Json]]:
    """Yield verb, path and description of the operations with a tag."""
    for path, item in document["paths"].items():
        for verb in _VERBS:
            if verb in item and wanted in item[verb]["tags"]:
                yield verb.upper(), path, item[verb]


def _contents(document: Json) -> Iterator[Html]:
    for one in document["tags"]:
        links = [
            tag("li", tag("a", _verb(verb), " ", path, href=f"#{operation['operationId']}"))
            for verb, path, operation in _operations(document, one["name"])
        ]
        yield tag("h2", one["name"])
        yield tag("ul", *links)
    yield tag("p", tag("a", "What answers hold", href="#schemas"))


def _tags(document: Json) -> Iterator[Html]:
    for number, one in enumerate(document["tags"], 1):
        described = [
            _article(document, verb, path, operation)
            for verb, path, operation in _operations(document, one["name"])
        ]
        yield tag(
            "section",
            tag("h2", one["name"], id=f"tag-{number}"),
            paragraphs(one["description"]),
            *described,
            aria_labelledby=f"tag-{number}",
        )


def _verb(verb: str) -> Html:
    return tag("span", verb, class_=f"verb {verb.lower()}")


def _article(document: Json, verb: str, path: str, operation: Json) -> Html:
    name = operation["operationId"]
    parameters = [_resolved(document, one) for one in operation["parameters"]]
    scope = operation.get("x-required-scope")
    needs = "Takes no bearer token." if scope is None else f"Where tokens are asked for: `{scope}`."
    return tag(
        "article",
        tag("h3", _verb(verb), " ", tag("code", path), id=name),
        tag("p", tag("strong", operation["summary"])),
        paragraphs(operation["description"]),
        tag("p", words(needs), class_="note"),
        _parameter_table(parameters),
        *_request_body(operation),
        try_form(document, verb, path, operation, parameters),
        tag("h4", "Answers"),
        *_answers(document, operation),
        aria_labelledby=name,
    )


def _request_body(operation: Json) -> Iterator[Html]:
    if "requestBody" in operation:
        body = operation["requestBody"]
        yield tag("h4", "Body")
        yield tag("p", words(body["description"]))
        for media_type, media in body["content"].items():
            yield tag("p", f"{media_type}: ", type_of(media["schema"]))


def _parameter_table(parameters: Iterable[Json]) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", tag("code", one["name"]), scope="row"),
            tag("td", one["in"], " (required)" if one["required"] else ""),
            tag("td", type_of(one["schema"])),
            tag("td", words(one["description"])),
        )
        for one in parameters
    ]
    head = [tag("th", name, scope="col") for name in ("Parameter", "In", "Value", "Says")]
    return _scrolling(tag("table", tag("thead", tag("tr", *head)), tag("tbody", *rows)))


def _scrolling(table: Html) -> Html:
    return tag("div", table, class_="wide")


def _answers(document: Json, operation: Json) -> Iterator[Html]:
    for status, answer in operation["responses"].items():
        phrase = HTTPStatus(int(status)).phrase
        first, *rest = answer["description"].split("\n\n")
        yield tag(
            "details",
            tag("summary", tag("b", f"{status} {phrase}"), " ", words(first)),
            paragraphs("\n\n".join(rest)) if rest else None,
            *_answer_headers(document, answer.get("headers", {})),
            *_contents_of(answer["content"]),
            *_links(answer.get("links", {})),
            class_=f"answer s{status[0]}",
        )


def _answer_headers(document: Json, headers: Json) -> Iterator[Html]:
    rows = [
        join(
            [
                tag("dt", tag("code", name)),
                tag("dd", words(_resolved(document, one)["description"])),
            ]
        )
        for name, one in headers.items()
    ]
    yield tag("h5", "Headers")
    yield tag("dl", *rows)


def _contents_of(content: Json) -> Iterator[Html]:
    for media_type, media in content.items():
        yield tag("h5", media_type)
        yield tag("p", type_of(media["schema"]))
        for name, example in media.get("examples", {}).items():
            text = _written(media_type, example["value"])
            # To be scrolled by keyboard, it takes the focus.
            shown = tag("pre", tag("code", text), tabindex="0", aria_label=f"Example: {name}")
            yield tag("figure", tag("figcaption", f"Example: {name}"), shown)


def _written(media_type: str, value: Any) -> str:
    if media_type == "text/event-stream":
        return "\n".join(f"{field}: {text}" for field, text in value.items())
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _links(links: Json) -> Iterator[Html]:
    if not links:
        return
    yield tag("h5", "What it leads to")
    yield tag(
        "ul",
        *(
            tag(
                "li",
                tag("a", link["operationId"], href=f"#{link['operationId']}"),
                ": ",
                words(link["description"]),
            )
            for link in links.values()
        ),
    )


def _resolved(document: Json, part: Json) -> Json:
    """Return what a reference within the document names, or the part itself."""
    if "$ref" not in part:
        return part
    found = document
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found
