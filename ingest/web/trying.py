"""The parts of the page that send requests: shown by its script, which sends them."""

import json
from collections.abc import Iterable
from typing import Any, Final

from ingest.web.markup import Html, join, tag, words

Json = dict[str, Any]

#: What errors can be had as: by the value of Accept.
_ACCEPT: Final = {
    "*/*": "as text",
    "application/problem+json": "as problem documents",
}


def token_field(description: str) -> Html:
    """Return the field for a bearer token; the script keeps it nowhere but there."""
    return tag(
        "form",
        tag("label", "Bearer token, for the requests that are tried here", for_="token"),
        # No name and no completion: browsers must not keep it either.
        tag(
            "input",
            id="token",
            type="password",
            autocomplete="off",
            spellcheck="false",
            aria_describedby="token-about",
        ),
        tag("p", words(description), id="token-about", class_="note"),
        tag("p", "It is kept in this field only, and is gone with the page.", class_="note"),
        id="access",
        hidden=True,
    )


def try_form(
    document: Json, verb: str, path: str, operation: Json, parameters: Iterable[Json]
) -> Html:
    """Return the form that sends a request, and the command that does the same."""
    name, base = operation["operationId"], document["servers"][-1]["url"]
    fields = [_field(name, one) for one in parameters]
    if "requestBody" in operation:
        fields.append(_body_field(name, operation["requestBody"]["content"]))
    accept = [tag("option", said, value=value) for value, said in _ACCEPT.items()]
    fields.append(
        join(
            [
                tag("label", "Errors", for_=f"{name}-accept"),
                tag("select", *accept, id=f"{name}-accept", data_in="accept"),
            ]
        )
    )
    answer = f"{name}-answer"
    return tag(
        "details",
        tag("summary", "Try it"),
        tag(
            "pre",
            tag(
                "code", _command(verb, base + path, parameters, has_body="requestBody" in operation)
            ),
            tabindex="0",
        ),
        tag(
            "form",
            *fields,
            tag("button", f"Send {verb}", type="submit"),
            tag("button", "Stop", type="button", hidden=True, data_stop=True),
            data_verb=verb,
            data_path=path,
            aria_label=f"Try {verb} {path}",
            hidden=True,
        ),
        tag("div", id=answer, class_="came", role="status", hidden=True),
        class_="try",
    )


def _command(verb: str, url: str, parameters: Iterable[Json], *, has_body: bool) -> str:
    """Return the curl command of the plainest request."""
    for one in parameters:
        if one["in"] == "path":
            url = url.replace(f"{{{one['name']}}}", str(one["example"]))
    command = f"curl {url}" if verb == "GET" else f"curl -X {verb} {url}"
    return f"{command} --json @FILE" if has_body else command


def _field(operation: str, parameter: Json) -> Html:
    name, schema = parameter["name"], parameter["schema"]
    at = f"{operation}-{name}"
    choices = schema.get("enum", ["true", "false"] if schema.get("type") == "boolean" else None)
    is_required = parameter["required"]
    known = {"id": at, "data_in": parameter["in"], "data_name": name}
    if choices is None:
        example = str(parameter["example"])
        value = example if is_required else None
        hint = None if is_required else f"such as {example}"
        # Text, whatever its type: what is refused may be tried, too.
        entry = tag(
            "input",
            type="text",
            value=value,
            placeholder=hint,
            required=is_required,
            autocomplete="off",
            **known,
        )
    else:
        options = [tag("option", str(one), value=str(one)) for one in choices]
        entry = tag("select", tag("option", "", value=""), *options, **known)
    return join([tag("label", name, for_=at), entry])


def _body_field(operation: str, content: Json) -> Html:
    at = f"{operation}-body"
    ((media_type, media),) = content.items()
    example = json.dumps(media["example"], indent=2)
    entry = tag("textarea", example, id=at, rows="9", data_in="body", data_name=media_type)
    return join([tag("label", "Body", for_=at), entry])


def question() -> Html:
    """Return what is asked before a request that changes something."""
    return tag(
        "dialog",
        tag(
            "form",
            tag("h2", "Send this request?", id="question"),
            tag("p", tag("code", "", id="question-request")),
            tag("p", "It acts on the real service."),
            tag("button", "Send it", value="send"),
            tag("button", "Do not", value="", autofocus=True),
            method="dialog",
        ),
        id="sure",
        aria_labelledby="question",
    )
