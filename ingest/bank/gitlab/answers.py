"""What GitLab's answers say: whether one is to be used, what is wrong with it, what comes next."""

from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from ingest.bank.gitlab.failures import AskError, NoGraphqlError, RefusedError, TryAgainError
from ingest.bank.gitlab.pressure import retry_after_s

#: How much of an answer that is refused is read, and how much of that is shown.
_EXCERPT_BYTES: Final = 4096
_EXCERPT_CHARACTERS: Final = 200

#: Of the 4xx, those that say nothing against the request.
_PASSING: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})

_UNDEFINED_FIELD: Final = "doesn't exist on type"


async def check(response: aiohttp.ClientResponse, *, hide: Callable[[str], str]) -> None:
    """Return if an answer is one; its body is still to be read.

    Raises:
        TryAgainError: GitLab, or what stands before it, cannot answer now.
        RefusedError: It does not answer this.
    """
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    says = hide(await _reason(response))
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        after_s = retry_after_s(response.headers)
        when = "" if after_s is None else f", to be tried again in {after_s:g} seconds"
        raise TryAgainError(f"{status}{says}{when}", after_s=after_s)
    if status < HTTPStatus.BAD_REQUEST:
        target = excerpt(response.headers.get("Location", "nowhere"))
        raise RefusedError(hide(f"{status}, sent on to {target}"), status=status)
    raise RefusedError(f"{status}{says}", status=status)


async def read_up_to(response: aiohttp.ClientResponse, limit_bytes: int) -> tuple[bytes, bool]:
    """Return an answer's body, as far as it has no more bytes than that, and whether it is whole.

    What is not read is not taken from the connection, which is closed.
    """
    parts: list[bytes] = []
    size_bytes = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size_bytes += len(part)
        if size_bytes > limit_bytes:
            response.close()
            return b"", False
    return b"".join(parts), True


def json_of(response: aiohttp.ClientResponse, body: bytes) -> Any:
    """Return the document that an answer holds.

    Raises:
        TryAgainError: It holds none.
    """
    if "json" not in response.content_type:
        raise TryAgainError(
            f"an answer of type {response.content_type} where JSON was asked for, such as the "
            "page of a login or a proxy"
        )
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise TryAgainError(f"an answer that is no JSON ({error})") from None


def next_page(response: aiohttp.ClientResponse, *, known: Collection[str]) -> dict[str, str] | None:
    """Return the parameters of the next page; None where this one is the last.

    Only those that are *known*: GitLab repeats all its own in the link. Where else the link may
    point to does not matter: only its query is taken.
    """
    try:
        link = response.links.get("next")
        target = None if link is None else link.get("url")
    except ValueError:
        raise TryAgainError("a Link header that cannot be read") from None
    if not isinstance(target, URL):
        return None
    return {name: value for name, value in target.query.items() if name in known}


def refused_graphql(document: Any) -> AskError | None:
    """Return what is wrong with an answer to a query, which comes as 200 all the same."""
    if not isinstance(document, dict):
        return TryAgainError("an answer that is no object")
    errors = document.get("errors")
    if errors:
        said = _messages(errors)
        if _UNDEFINED_FIELD in said:
            return NoGraphqlError(said)
        return TryAgainError(f"errors: {said}")
    if not isinstance(document.get("data"), dict):
        return TryAgainError("an answer without data")
    return None


def excerpt(text: str) -> str:
    """Return what of a text fits into a message, on one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _EXCERPT_CHARACTERS else f"{line[:_EXCERPT_CHARACTERS]}…"


async def _reason(response: aiohttp.ClientResponse) -> str:
    """Return what the body of a refusal says, as GitLab says it or as a proxy may."""
    body, is_whole = await read_up_to(response, _EXCERPT_BYTES)
    if not is_whole:
        return ""
    text = body.decode("utf-8", errors="replace")
    if "html" in response.content_type:
        return ", an HTML page"
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = text
    if isinstance(document, dict):
        document = document.get("message") or document.get("error") or document.get("errors") or ""
    if not isinstance(document, str):
        document = orjson.dumps(document).decode()
    return f": {excerpt(document)}" if document.strip() else ""


def _messages(errors: Any) -> str:
    if not isinstance(errors, list):
        return excerpt(str(errors))
    said = [one.get("message", "") if isinstance(one, dict) else one for one in errors[:3]]
    return excerpt("; ".join(map(str, said)))
