"""How GitLab refuses: mostly a message, in places an error, and the words it uses."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the program
    """A request that is not answered with what it asked for.

    Args:
        status: The HTTP status.
        document: The JSON body.
        headers: More headers.
    """

    def __init__(
        self, status: int, document: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, document)
        self.status = status
        self.document = document
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """Return the answer to send."""
        return json_response(self.document, status=self.status, headers=self.headers)


def json_response(
    document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a JSON document as an answer."""
    return web.Response(
        body=orjson.dumps(document),
        status=status,
        headers=headers,
        content_type="application/json",
    )


def not_found(what: str) -> Refusal:
    """Return the 404 that says what is missing, or may not be seen."""
    return Refusal(404, {"message": f"404 {what} Not Found"})


def unauthorized() -> Refusal:
    """Return the 401 for a token that is missing or unknown."""
    return Refusal(401, {"message": "401 Unauthorized"})


def forbidden() -> Refusal:
    """Return the 403 for what the token's owner may not do."""
    return Refusal(403, {"message": "403 Forbidden"})


def insufficient_scope(scope: str) -> Refusal:
    """Return the 403 for what the token's scopes do not cover."""
    return Refusal(
        403,
        {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the "
            "access token.",
            "scope": scope,
        },
    )


def invalid(parameter: str, reason: str = "does not have a valid value") -> Refusal:
    """Return the 400 for a parameter that cannot be used."""
    return Refusal(400, {"error": f"{parameter} {reason}"})
