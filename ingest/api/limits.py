"""How much is taken in at the same time, and how long for: more is refused, and does no harm."""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ingest.access.errors import BodyTooLargeError, BodyTooSlowError, OverloadedError
from ingest.errors import InvalidValueError
from ingest.settings import ServerSettings


class Limits:
    """Counts what is under way."""

    def __init__(self, settings: ServerSettings) -> None:
        self._max_body_bytes = settings.max_body_bytes
        self._within_s = settings.request_within_s
        # Apart, so that those who look, however many, cannot crowd out an abandon.
        self._looking, self._operating = (
            _Places(f"requests to {do}", settings.max_requests, "server.max_requests")
            for do in ("look", "operate")
        )
        self._streams = _Places(
            "event streams", settings.max_event_streams, "server.max_event_streams"
        )

    async def take_in(self, request: web.Request) -> None:
        """Read the request's body, if there is one; a handler's ``read`` then has it at once.

        Raises:
            BodyTooLargeError: It is longer than the limit.
            BodyTooSlowError: It did not come in time.
            InvalidValueError: It is no body that HTTP knows.
        """
        if not request.body_exists:
            return
        if (request.content_length or 0) > self._max_body_bytes:
            raise BodyTooLargeError(self._max_body_bytes)
        try:
            async with asyncio.timeout(self._within_s):
                await request.read()
        except TimeoutError:
            raise BodyTooSlowError(self._within_s) from None
        except web.HTTPRequestEntityTooLarge:
            raise BodyTooLargeError(self._max_body_bytes) from None
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise InvalidValueError(
                f"The request's body cannot be read ({type(error).__name__}): send one that is "
                "framed as HTTP says, or none"
            ) from None

    def request(self, *, is_safe: bool) -> "_Places":
        """Return what to hold while a request is worked on; *is_safe* if it changes nothing.

        Entering raises `OverloadedError` when as many as are allowed are under way.
        """
        return self._looking if is_safe else self._operating

    def event_stream(self) -> "_Places":
        """Return what to hold while an event stream is open; as `request` does."""
        return self._streams


class _Places:
    """So many may be inside at the same time."""

    def __init__(self, what: str, limit: int, setting: str) -> None:
        self._what = what
        self._limit = limit
        self._setting = setting
        self._taken = 0

    def __enter__(self) -> None:
        if self._taken >= self._limit:
            raise OverloadedError(
                f"{self._taken} {self._what} are under way, which is all that are taken at the "
                f"same time ({self._setting}): try again in a moment"
            )
        self._taken += 1

    def __exit__(self, *_: object) -> None:
        self._taken -= 1


LIMITS: Final = web.AppKey("limits", Limits)
