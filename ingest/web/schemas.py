"""What a JSON Schema says, for people."""

from collections.abc import Iterator
from typing import Any, Final

from ingest.web.markup import Html, join, paragraphs, tag, words

Json = dict[str, Any]

_REFERENCE: Final = "#/components/schemas/"
_INT64: Final = (-(2**63), 2**63 - 1)


def schema_section(schemas: Json) -> Html:
    """Return the section that shows every schema."""
    return tag(
        "section",
        tag("h2", "What answers hold", id="schemas"),
        *(
            tag("details", tag("summary", tag("code", name)), *_schema(schema), id=f"schema-{name}")
            for name, schema in sorted(schemas.items())
        ),
        class_="schemas",
        aria_labelledby="schemas",
    )


def _schema(schema: Json) -> Iterator[Html]:
    if "description" in schema:
        yield paragraphs(schema["description"])
    if "properties" not in schema:
        yield tag("p", type_of(schema))
        return
    yield _properties(schema)


def _properties(schema: Json) -> Html:
    required = set(schema.get("required", ()))
    rows = [
        join(
            [
                tag(
                    "dt",
                    tag("code", name),
                    " ",
                    type_of(one),
                    None if name in required else tag("small", " (not always)"),
                ),
                tag("dd", words(one["description"])) if "description" in one else None,
                tag("dd", _properties(one)) if "properties" in one else None,
            ]
        )
        for name, one in schema["properties"].items()
    ]
    return tag("dl", *rows)


def type_of(schema: Json) -> Html:
    """Return what a value may be, in a few words, with a link where that stands elsewhere."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        return tag("a", name, href=f"#schema-{name}")
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return _either([type_of(one) for one in schema[choice]])
    if "const" in schema:
        return tag("code", str(schema["const"]))
    if "enum" in schema:
        return _either([tag("code", str(one)) for one in schema["enum"]])
    kinds = schema.get("type", "anything")
    names = [kinds] if isinstance(kinds, str) else kinds
    return _either([_kind(name, schema) for name in names])


def _either(choices: list[Html]) -> Html:
    parts: list[str] = []
    for choice in choices:
        parts += [" or ", choice] if parts else [choice]
    return join(parts)


def _kind(name: str, schema: Json) -> Html:
    if "contentSchema" in schema:
        return join([type_of(schema["contentSchema"]), " as text"])
    if name == "array":
        return join(["array of ", type_of(schema.get("items", {}))])
    if name in ("string", "integer", "number"):
        return join([schema.get("format", name) if name == "string" else name, _limits(schema)])
    return Html(name)


def _limits(schema: Json) -> str:
    said = []
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and low != _INT64[0]:
        said.append(f"from {low}")
    if high is not None and high != _INT64[1]:
        said.append(f"to {high}")
    if "maxLength" in schema:
        said.append(f"at most {schema['maxLength']} characters")
    if "default" in schema:
        said.append(f"{schema['default']} if not given")
    return f" ({', '.join(said)})" if said else ""
