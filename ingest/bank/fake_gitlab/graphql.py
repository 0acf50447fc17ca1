"""The handler of GraphQL queries."""

import re
from typing import Any, Final

import orjson
from aiohttp import web

from ingest.bank.fake_gitlab.access import Token
from ingest.bank.fake_gitlab.documents import Document, Operation
from ingest.bank.fake_gitlab.execution import Execution
from ingest.bank.fake_gitlab.refusals import Refusal, json_response
from ingest.bank.fake_gitlab.syntax import SyntaxFault, parse
from ingest.bank.fake_gitlab.validation import Validation, problem
from ingest.bank.fake_gitlab.world import WORLD, World, base

_FIRST: Final = re.compile(r"\bfirst\s*:\s*(?:(\d+)|\$(\w+))")


async def answer(request: web.Request) -> web.Response:
    """Answer a query."""
    world = request.app[WORLD]
    try:
        token = world.token(request)
    except Refusal as refusal:
        if refusal.status != 401:  # noqa: PLR2004 - what only an unknown token is refused with
            raise
        raise Refusal(401, {"errors": [{"message": "Invalid token"}]}) from None
    body = await request.read()
    return json_response(await _answer(world, token, base(request), body))


def asked_nodes(body: bytes) -> int | None:
    """Return how many nodes a query asks for at once; None where that is no query's body."""
    try:
        given = orjson.loads(body)
        found = _FIRST.search(given["query"])
        if found is None:
            return None
        first = found[1] or given.get("variables", {}).get(found[2])
        return int(first)
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError, AttributeError):
        return None


async def _answer(world: World, token: Token, address: str, body: bytes) -> dict[str, Any]:
    try:
        query, variables, name = _asked(body)
        document = parse(query)
        operation = _operation(document, name)
    except SyntaxFault as fault:
        place = [{"line": fault.line, "column": fault.column}] if fault.line else []
        return {"errors": [problem(fault.message, locations=place)]}
    problems = Validation(document, operation, variables).run()
    if problems:
        return {"errors": problems}
    defaults = {one.name: one.default for one in operation.variables if one.has_default}
    execution = Execution(world, token, address, document, {**defaults, **variables})
    data = await execution.run(operation)
    return {"data": data, **({"errors": execution.problems} if execution.problems else {})}


def _asked(body: bytes) -> tuple[str, dict[str, Any], object]:
    """Return the query, its variables, and the name of what is to be done of it.

    Raises:
        SyntaxFault: There is none.
    """
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise SyntaxFault("Unexpected end of JSON input") from None
    query = given.get("query") if isinstance(given, dict) else None
    if not isinstance(query, str) or not query.strip():
        raise SyntaxFault("No query string was present")
    variables = given.get("variables") or {}
    if not isinstance(variables, dict):
        raise SyntaxFault("Unexpected parameter: variables")
    return query, variables, given.get("operationName")


def _operation(document: Document, name: object) -> Operation:
    found = [one for one in document.operations if name in {None, one.name}]
    if len(found) != 1:
        raise SyntaxFault("An operation name is required")
    if found[0].kind != "query":
        raise SyntaxFault(f"Schema is not configured for {found[0].kind}s")
    return found[0]
