"""Sending requests to GitLab: bounded in number and time, and again where that may help."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Final, TypeVar

import aiohttp
import orjson
import stamina
from attrs import frozen
from yarl import URL

from ingest.bank.gitlab.answers import check, excerpt
from ingest.bank.gitlab.failures import AskError, GaveUpError, RefusedError, TryAgainError
from ingest.bank.gitlab.pressure import LONGEST_PAUSE_S, Pressure
from ingest.bank.gitlab.sent import Sent, counting
from ingest.model.secret import Secret
from ingest.model.traffic import Meter, current_meter

T = TypeVar("T")

#: For a connection to be made, TLS and all; part of the request's own time.
CONNECT_S: Final = 10.0

#: Pauses between tries grow from about the first to the second of these, each with jitter.
FIRST_PAUSE_S: Final = 0.5
LAST_PAUSE_S: Final = 30.0


@frozen(kw_only=True)
class Limits:
    """How much is asked, and how patiently."""

    at_once: int = 16
    per_second: float = 25.0
    timeout_s: float = 30.0
    attempts: int = 6
    failures_in_a_row: int = 10
    first_pause_s: float = FIRST_PAUSE_S
    last_pause_s: float = LAST_PAUSE_S


@frozen(kw_only=True)
class Sending:
    """A request to be sent."""

    method: str
    #: From the root, percent-encoded.
    path: str
    parameters: Mapping[str, str]
    #: Sent as JSON, a `Secret` in it as its text: nowhere before is that to be seen. None for none.
    document: Mapping[str, object] | None = None


class Transport:
    """A connection to one GitLab. Everything it raises is an `AskError`.

    Args:
        origin: Scheme, host and port. Nothing is ever sent anywhere else: redirections are not
            followed.
        token: Sent with every request; None for none.
        limits: How much is asked, and how patiently.
        hidden: Other secrets that are sent at times, and that no message must show either.
    """

    def __init__(
        self,
        origin: str,
        token: Secret | None,
        limits: Limits,
        *,
        hidden: Iterable[Secret] = (),
    ) -> None:
        self.origin = origin
        #: What became of requests, by outcome, since it was made; for those who measure.
        self.outcomes: Counter[str] = Counter()
        #: All that was asked since then, on anybody's behalf.
        self.total = Meter()
        self._limits = limits
        self._pressure = Pressure(at_once=limits.at_once, per_second=limits.per_second)
        self._token = token
        self._hidden = [*hidden, *([] if token is None else [token])]
        self._session: aiohttp.ClientSession | None = None
        self._failed_in_a_row = 0
        self._is_closed = False

    async def send(
        self,
        name: str,
        sending: Sending,
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
        *,
        attempts: int | None = None,
        done: Callable[[], Awaitable[T | None]] | None = None,
    ) -> T:
        """Send a request until *read* makes something of its answer, or it is refused.

        Args:
            name: What is asked for, in the words of a message.
            sending: The request.
            read: Reads an answer of success; where it raises a `TryAgainError` the request is
                sent again.
            attempts: How often; None for as often as the limits say.
            done: Asked before the request is sent again: whether it has been done all the same,
                though no answer came, and what came of it; None for not yet.

        Raises:
            RefusedError: GitLab does not do it.
            GaveUpError: It has failed, like too many before it.
            AskError: It has failed, as often as it was sent.
        """
        return await self._patiently(
            name, lambda: self._send(sending, read), attempts or self._limits.attempts, done
        )

    async def aclose(self) -> None:
        """Close every connection, for good."""
        self._is_closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _patiently(
        self,
        name: str,
        send: Callable[[], Awaitable[T]],
        attempts: int,
        done: Callable[[], Awaitable[T | None]] | None,
    ) -> T:
        """Send until it succeeds, is done all the same, is refused, or has failed so often."""
        loop = asyncio.get_running_loop()
        meter, failed_at, tries = current_meter(), 0.0, 0
        try:
            async for attempt in stamina.retry_context(
                on=_again,
                attempts=attempts,
                timeout=None,
                wait_initial=self._limits.first_pause_s,
                wait_max=self._limits.last_pause_s,
                wait_jitter=self._limits.first_pause_s,
            ):
                with attempt:
                    if attempt.num > 1 and done is not None:
                        found = await done()
                        if found is not None:
                            return found
                    tries = attempt.num
                    if tries > 1:
                        self._count_again(meter, loop.time() - failed_at)
                    try:
                        result = await send()
                    finally:
                        failed_at = loop.time()
        except TryAgainError as error:
            raise self._failed(name, tries, error) from None
        except RefusedError as error:
            self._failed_in_a_row = 0
            raise type(error)(f"{name}: {error}", status=error.status) from None
        except AskError as error:
            raise type(error)(f"{name}: {error}") from None
        self._failed_in_a_row = 0
        return result

    def _count_again(self, meter: Meter, waited_s: float) -> None:
        for one in (meter, self.total):
            one.retried += 1
            one.waited_s += waited_s

    def _failed(self, name: str, tries: int, error: TryAgainError) -> AskError:
        self._failed_in_a_row += 1
        if error.after_s is not None and error.after_s > LONGEST_PAUSE_S:
            most = f"which is longer than the {LONGEST_PAUSE_S:g} seconds that are waited at most"
            return GaveUpError(f"{name}: {error}, {most}")
        asked = "asked once" if tries == 1 else f"asked {tries} times"
        if self._failed_in_a_row < self._limits.failures_in_a_row:
            return AskError(f"{name}: {error} ({asked})")
        in_a_row, self._failed_in_a_row = self._failed_in_a_row, 0
        if in_a_row == 1:
            return GaveUpError(f"{name}: {error} ({asked})")
        return GaveUpError(
            f"{in_a_row} requests in a row have failed, the last of them {name}: {error} ({asked})"
        )

    async def _send(
        self, sending: Sending, read: Callable[[aiohttp.ClientResponse], Awaitable[T]]
    ) -> T:
        meter = current_meter()
        async with self._pressure.turn(meter, self.total):
            outcome = "cancelled"
            try:
                async with self._open().request(
                    sending.method,
                    # With encoded=True a slash in an id stays the %2F that it is.
                    URL(sending.path, encoded=True),
                    params=sending.parameters,
                    data=_encoded(sending.document),
                    headers=self._headers(sending.document),
                    allow_redirects=False,
                    trace_request_ctx=Sent(meters=(meter, self.total)),
                ) as response:
                    outcome = str(response.status)
                    self._pressure.heed(response.headers)
                    await check(response, hide=self._hide)
                    return await read(response)
            except TryAgainError as error:
                if error.after_s is not None:
                    self._pressure.pause(error.after_s)
                outcome = "unusable" if outcome == "200" else outcome
                raise
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                outcome = "unreachable"
                failure = TryAgainError(self._words(error))
            finally:
                self.outcomes[outcome] += 1
        # Not where aiohttp's error is at hand, which would come along: it has the headers sent.
        raise failure

    def _open(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise AskError("the service has closed its connections")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                self.origin,
                connector=aiohttp.TCPConnector(limit=self._limits.at_once),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._limits.timeout_s, sock_connect=CONNECT_S),
                trace_configs=[counting()],
                headers={"User-Agent": f"item-ingest-service/{version('item-ingest-service')}"},
            )
        return self._session

    def _headers(self, document: object) -> dict[str, str]:
        headers = {"Accept": "*/*"}
        if document is not None:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return headers

    def _hide(self, text: str) -> str:
        for secret in self._hidden:
            text = secret.hide_in(text)
        return text

    def _words(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no whole answer within {self._limits.timeout_s:g} seconds"
        return self._hide(excerpt(f"{type(error).__name__}: {error}"))


def _encoded(document: Mapping[str, object] | None) -> bytes | None:
    return None if document is None else orjson.dumps(document, default=_revealed)


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError


def _again(error: Exception) -> bool | float:
    """Say whether to try again, and after which pause where GitLab names one."""
    if not isinstance(error, TryAgainError):
        return False
    if not error.after_s:
        return True
    # The pause itself is waited for before the request, and holds all others back as well.
    return error.after_s <= LONGEST_PAUSE_S and 0.001
