"""The service's HTTP interface, as the commands use it."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import aiohttp
import orjson
from attrs import frozen

from ingest.cli.options import Json, Query, Service
from ingest.cli.show import clean
from ingest.errors import ServiceUnreachableError
from ingest.model.job import ENDED

#: For an answer that the service gives at once, for a connection, and between two signs of life
#: on a stream, which sends a comment every 15 s.
_ANSWER_S: Final = 60.0
_CONNECT_S: Final = 10.0
_SILENCE_S: Final = 60.0

#: How often to ask when the stream is broken, and for how long nobody may answer.
_POLL_S: Final = 0.5
_PATIENCE_S: Final = 15.0

_REFUSAL_CHARACTERS: Final = 2000


@frozen(kw_only=True)
class Answer:
    """What came back, as it came."""

    status: int
    text: str


class Client:
    """A connection to one service. Every failure is a `ServiceUnreachableError` of one line."""

    def __init__(self, service: Service) -> None:
        headers = {} if service.token is None else {"Authorization": f"Bearer {service.token}"}
        self._url = service.url
        self._session = aiohttp.ClientSession(headers=headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def ask(
        self, method: str, path: str, query: Query, *, within_s: float | None = _ANSWER_S
    ) -> Answer:
        """Return the answer, whatever its status."""
        timeout = aiohttp.ClientTimeout(total=within_s, sock_connect=_CONNECT_S)
        try:
            async with self._session.request(
                method,
                self._url + path,
                params={name: value for name, value in query.items() if value is not None},
                timeout=timeout,
                allow_redirects=False,  # the token is for this address
            ) as response:
                return Answer(status=response.status, text=await response.text(errors="replace"))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unreachable(error) from error

    async def document(self, method: str, path: str, query: Query) -> Json:
        """Return the document of an answer 200.

        Raises:
            ServiceUnreachableError: There is none; the message is the service's own if it said no.
        """
        answer = await self.ask(method, path, query)
        if answer.status != HTTPStatus.OK:
            raise ServiceUnreachableError(refusal(answer))
        return self._parsed(answer.text)

    async def follow(self, execution_id: int) -> AsyncGenerator[Json, None]:
        """Yield the execution's document at every change, the last one when it has ended.

        Goes by the event stream, and when that breaks by asking again and again.
        """
        path = f"/executions/{execution_id}"
        try:
            async with aclosing(self._events(f"{path}/events")) as events:
                async for document in events:
                    yield document
                    if _has_ended(document):
                        return
        except (aiohttp.ClientError, OSError, ValueError):
            pass  # the stream broke: the service may still be there
        last_answer_at = time.monotonic()
        while True:
            try:
                document = await self.document("GET", path, {})
            except ServiceUnreachableError as error:
                # Refused for good, or away for longer than a restart takes.
                is_away = isinstance(error.__cause__, (aiohttp.ClientError, OSError))
                if not is_away or time.monotonic() - last_answer_at > _PATIENCE_S:
                    raise
            else:
                last_answer_at = time.monotonic()
                yield document
                if _has_ended(document):
                    return
            await asyncio.sleep(_POLL_S)

    async def _events(self, path: str) -> AsyncGenerator[Json, None]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        async with self._session.get(
            self._url + path, timeout=timeout, allow_redirects=False
        ) as response:
            if response.status != HTTPStatus.OK:
                return
            data: list[bytes] = []
            async for line in response.content:
                if line.startswith(b"data:"):
                    data.append(line.removeprefix(b"data:").strip())
                elif data and not line.strip():
                    yield orjson.loads(b"\n".join(data))
                    data = []

    def _parsed(self, text: str) -> Json:
        try:
            document = orjson.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ServiceUnreachableError(
                f"What answers at {self._url} is not the Item Ingest Service: "
                "name its address with --url or INGEST_URL"
            )
        return document

    def _unreachable(self, error: Exception) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"No service answers at {self._url} ({clean(_reason(error))}): "
            "start one with ingest serve, or name another with --url or INGEST_URL"
        )


def refusal(answer: Answer) -> str:
    """Return why the service said no: its text, on one line, with its status if it says nothing."""
    text = clean(answer.text)[:_REFUSAL_CHARACTERS].strip()
    return text or f"The service answered {answer.status} without a word"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # The system's own words: what asyncio and aiohttp make of them is for programmers.
    if isinstance(error, aiohttp.ClientConnectorError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    return str(error) or type(error).__name__


def _has_ended(document: Json) -> bool:
    return document["status"] in ENDED
