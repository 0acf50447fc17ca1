"""What is asked of GitLab's API, and what its answers tell."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

import aiohttp
from attrs import field, frozen

from ingest.bank.gitlab.answers import (
    json_of,
    next_page,
    read_up_to,
    refused_graphql,
)
from ingest.bank.gitlab.api import Call
from ingest.bank.gitlab.failures import AskError, TryAgainError
from ingest.bank.gitlab.transport import Sending, Transport

T = TypeVar("T")

#: The most that an answer of JSON may have.
ANSWER_LIMIT_BYTES: Final = 32 * 1024 * 1024

#: Where the REST API begins.
_ROOT: Final = "/api/v4"

_NOTHING: Final[Mapping[str, str]] = {}


@frozen(kw_only=True)
class Answer(Generic[T]):
    """What a document tells, and the headers that came with it."""

    told: T
    headers: Mapping[str, str] = field(repr=False)
    #: The parameters of the list's next page; None where there is none.
    next: Mapping[str, str] | None = None


@frozen(kw_only=True)
class Content:
    """A file's content; None where it has more bytes than were asked for."""

    content: bytes | None = field(repr=False)
    size_bytes: int
    headers: Mapping[str, str] = field(repr=False)


class Client:
    """GitLab's API, as far as it is used. Everything that it raises is an `AskError`.

    Of a link to a next page only the query is taken, so that no link can lead elsewhere.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def ask(
        self,
        call: Call,
        ids: Mapping[str, str | int],
        parameters: Mapping[str, str] = _NOTHING,
        *,
        tell: Callable[[Any], T],
    ) -> Answer[T]:
        """Return what a document of the REST API tells.

        *tell* makes that of the document; where it raises a `TryAgainError` GitLab is asked again.

        Raises:
            RefusedError: GitLab does not give it out.
            AskError: It cannot be had, though it was asked for more than once.
        """

        async def read(response: aiohttp.ClientResponse) -> Answer[T]:
            return Answer(
                told=tell(await _read_json(response)),
                headers=response.headers,
                next=next_page(response, known=call.parameters),
            )

        return await self._rest(call, ids, parameters, read)

    async def pages(
        self,
        call: Call,
        ids: Mapping[str, str | int],
        parameters: Mapping[str, str],
        *,
        tell: Callable[[Any], T],
    ) -> AsyncGenerator[Answer[T], None]:
        """Yield a list page by page, to its end, by its ``Link`` headers alone.

        Raises:
            See `ask`. Also where a next page is one that was there already.
        """
        query: Mapping[str, str] | None = parameters
        seen: set[tuple[tuple[str, str], ...]] = set()
        while query is not None:
            page = tuple(sorted(query.items()))
            if page in seen:
                raise AskError(f"{self._name(call, ids, query)} comes again and again: no end")
            seen.add(page)
            answer = await self.ask(call, ids, query, tell=tell)
            yield answer
            # What was asked goes on being asked, whatever the link leaves out.
            query = None if answer.next is None else {**query, **answer.next}

    async def content(
        self,
        call: Call,
        ids: Mapping[str, str | int],
        parameters: Mapping[str, str],
        *,
        limit_bytes: int,
    ) -> Content:
        """Return a file as it is, without ever holding more of it than *limit_bytes*.

        Raises:
            See `ask`.
        """

        async def read(response: aiohttp.ClientResponse) -> Content:
            return await _read_content(response, limit_bytes)

        return await self._rest(call, ids, parameters, read)

    async def create(
        self,
        call: Call,
        ids: Mapping[str, str | int],
        document: Mapping[str, object],
        *,
        is_there: Callable[[], Awaitable[bool]],
    ) -> None:
        """Make something of a document, which may hold secrets.

        Where no answer came, *is_there* is asked before it is made once more.

        Raises:
            See `ask`.
        """

        async def read(response: aiohttp.ClientResponse) -> bool:
            await _read_json(response)
            return True

        async def done() -> bool | None:
            return await is_there() or None

        await self._rest(call, ids, _NOTHING, read, document=document, done=done)

    async def graphql(
        self,
        name: str,
        query: str,
        variables: Mapping[str, object],
        *,
        tell: Callable[[Any], T],
        attempts: int | None = None,
    ) -> Answer[T]:
        """Return what the data of an answer tell that is whole: one with errors is a failure.

        Args:
            name: What is asked for, in the words of a message.
            query: The query.
            variables: Its variables.
            tell: See `ask`.
            attempts: How often to try; None for as often as anything.

        Raises:
            NoGraphqlError: This GitLab does not know GraphQL, or not these fields.
            AskError: See `ask`.
        """

        async def read(response: aiohttp.ClientResponse) -> Answer[T]:
            document = await _read_json(response)
            if (error := refused_graphql(document)) is not None:
                raise error
            return Answer(told=tell(document["data"]), headers=response.headers)

        sending = Sending(
            method="POST",
            path="/api/graphql",
            parameters=_NOTHING,
            document={"query": query, "variables": variables},
        )
        return await self.transport.send(name, sending, read, attempts=attempts)

    async def _rest(
        self,
        call: Call,
        ids: Mapping[str, str | int],
        parameters: Mapping[str, str],
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
        *,
        document: Mapping[str, object] | None = None,
        done: Callable[[], Awaitable[T | None]] | None = None,
    ) -> T:
        unknown = {*parameters, *(document or ())} - call.parameters
        if unknown:
            raise ValueError(f"{call.path} is not declared to take {', '.join(sorted(unknown))}")
        sending = Sending(
            method=call.method,
            path=f"{_ROOT}{call.at(ids)}",
            parameters=parameters,
            document=document,
        )
        name = self._name(call, ids, parameters)
        return await self.transport.send(name, sending, read, done=done)

    def _name(self, call: Call, ids: Mapping[str, str | int], parameters: Mapping[str, str]) -> str:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        url = f"{self.transport.origin}{_ROOT}{call.at(ids)}"
        return f"{call.method} {url}{'?' if query else ''}{query}"


async def _read_json(response: aiohttp.ClientResponse) -> Any:
    body, is_whole = await read_up_to(response, ANSWER_LIMIT_BYTES)
    if not is_whole:
        raise AskError(f"the answer has more than {ANSWER_LIMIT_BYTES} bytes")
    return json_of(response, body)


async def _read_content(response: aiohttp.ClientResponse, limit_bytes: int) -> Content:
    headers = response.headers
    if response.status != HTTPStatus.OK or "X-Gitlab-Blob-Id" not in headers:
        raise TryAgainError(
            f"an answer of type {response.content_type} that is no file of GitLab's, such as the "
            "page of a login or a proxy"
        )
    body, is_whole = await read_up_to(response, limit_bytes)
    if not is_whole:
        size = headers.get("X-Gitlab-Size", "")
        size_bytes = int(size) if size.isdigit() and len(size) < len("9" * 19) else limit_bytes + 1
        return Content(content=None, size_bytes=size_bytes, headers=headers)
    expected = headers.get("X-Gitlab-Content-Sha256")
    if expected is not None and hashlib.sha256(body).hexdigest() != expected.lower():
        raise TryAgainError("a file that is not the one that its checksum is of")
    return Content(content=body, size_bytes=len(body), headers=headers)
