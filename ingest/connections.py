"""Connections: how many are taken, and what each may keep waiting, before it is a request."""

import asyncio
import uuid
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError, LineTooLong

from ingest.api.browser import add_headers
from ingest.api.crowd import ConnectionLimits, Crowd
from ingest.api.errors import RETRY_AFTER_S

#: The first line of a request: its query may hold the longest search text there is, each character
#: of which takes up to twelve bytes there, and more beside it.
FIRST_LINE_BYTES_MAX: Final = 32 * 1024
#: A header, and how many there are: enough for every token and cookie.
LINE_BYTES_MAX: Final = 8190
HEADERS_MAX: Final = 100

#: How long the rest of a body is taken in that nobody reads, so that its sender sees the answer.
LINGER_S: Final = 2.0

#: So many connections may wait to be accepted. Beyond that their systems ask again, after a second:
#: as long would a probe wait behind a crowd that comes all at once.
WAITING_MAX: Final = 4096

#: How often at most it is said that connections cannot be accepted.
_SAY_AGAIN_S: Final = 10.0

_FULL_TEXT: Final = "Too many connections are open: try again in a moment"

_log = structlog.get_logger(__name__)


class Site(web.BaseSite):
    """An address that is listened on, within limits.

    Args:
        runner: Set up already.
        host: The name or address.
        port: 0 for any that is free.
        limits: What its connections may take.
    """

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, *, limits: ConnectionLimits
    ) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._limits = limits
        self._crowd = Crowd(limits.max_connections)

    @property
    def name(self) -> str:
        """The address, as a URL."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address cannot be listened on.
        """
        await super().start()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_Quietly())
        server = self._runner.server
        assert server is not None  # noqa: S101 - the runner is set up
        self._server = await loop.create_server(
            lambda: Connection(server, self._limits, self._crowd),
            self._host,
            self._port,
            backlog=self._limits.accepted_at_once,  # that, too, is what it means to asyncio
        )
        for listener in self._server.sockets:
            # Said to the kernel alone.
            with listener.dup() as same:
                same.listen(WAITING_MAX)


class Connection(web.RequestHandler):
    """One connection: what takes too long on it, or is no HTTP, ends it.

    aiohttp itself has no limit for the head of a request but the one for idle connections, and its
    answers to what it cannot parse repeat the bytes, a token among them, as do its log lines.
    """

    __slots__ = ("_crowd", "_is_counted", "_late", "_limits", "_line", "_stalled")

    def __init__(self, server: web.Server, limits: ConnectionLimits, crowd: Crowd) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how it is turned off
            keepalive_timeout=limits.keep_alive_s,
            lingering_time=LINGER_S,
            max_line_size=FIRST_LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
            # A body is taken as it was sent: one that grows when it is unpacked is no use here.
            auto_decompress=False,
        )
        self._limits = limits
        self._crowd = crowd
        self._is_counted = False
        #: Also when aiohttp has let go of it, but bytes are still on their way.
        self._line: asyncio.Transport | None = None
        self._late: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room for one more."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is TCP
        if not self._crowd.come(self):
            transport.write(_full())
            transport.close()
            return
        self._is_counted = True
        self._line = transport
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Clear up."""
        for timer in (self._late, self._stalled):
            if timer is not None:
                timer.cancel()
        self._late = self._stalled = self._line = None
        if self._is_counted:
            self._is_counted = False
            self._crowd.go(self)
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what has come, and see whether a request's head is whole by now."""
        if not self._is_counted:
            return
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._crowd.works(self)
            if self._late is not None:
                self._late.cancel()
                self._late = None
        elif self._late is None and self._waiter is not None:
            self._expect_head()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; then the connection waits for its reader, and for the next request."""
        sent = await super().finish_response(request, resp, start_time)
        if self._line is not None:
            if not self._messages:
                self._crowd.waits(self)
            # asyncio tells of a buffer that is full, but not of a few bytes that nobody takes; and
            # it closes no connection before they are gone.
            if self._line.get_write_buffer_size() > 0:
                self._expect_reader()
        return sent

    def give_way(self) -> None:
        """Close at once, whatever is still on its way to the client."""
        line = self._line
        self.force_close()
        if line is not None:
            line.abort()

    def pause_writing(self) -> None:
        """Wait for the reader, but not for ever."""
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        """Go on."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what went wrong where nothing else has answered.

        Without a word of what was sent: it may be a token.
        """
        del message
        if isinstance(exc, ConnectionError):
            raise exc  # the caller is gone; there is nobody to answer, and nothing to mend
        if isinstance(exc, HttpProcessingError):
            status, detail = _refusal(exc)
            _log.info("not a request", status=status, error=type(exc).__name__)
        else:
            detail = "The service failed to answer; this is a fault of the service"
            _log.error("request failed unexpectedly", status=status, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        response = web.Response(text=detail, status=status)
        response.headers["X-Request-ID"] = uuid.uuid4().hex
        add_headers(response)
        response.force_close()
        return response

    def _expect_head(self) -> None:
        self._late = self._loop.call_later(self._limits.head_within_s, self._head_is_late)

    def _head_is_late(self) -> None:
        self._late = None
        if self._waiter is not None:
            self.force_close()

    def _expect_reader(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        self._stalled = self._loop.call_later(self._limits.stalled_s, self._give_up_on_reader)

    def _give_up_on_reader(self) -> None:
        self._stalled = None
        if self._line is not None and self._line.get_write_buffer_size() > 0:
            self._line.abort()


def _refusal(error: HttpProcessingError) -> tuple[int, str]:
    if isinstance(error, LineTooLong):
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, (
            f"The request's first line is longer than {FIRST_LINE_BYTES_MAX} bytes, or a header "
            f"than {LINE_BYTES_MAX} bytes"
        )
    if isinstance(error, BadHttpMethod):
        return HTTPStatus.BAD_REQUEST, (
            "This is no HTTP request, or its method is none that HTTP knows, such as GET, POST or "
            "PUT. The service speaks plain HTTP: for https, ask the proxy in front of it"
        )
    return HTTPStatus.BAD_REQUEST, (
        "This is no HTTP request that can be read: its first line, a header or the framing of its "
        f"body is not as HTTP says, or it has more than {HEADERS_MAX} headers"
    )


@cache
def _full() -> bytes:
    """Return what is answered where there is no room, before any request is read."""
    response = web.Response(
        text=_FULL_TEXT,
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        headers={
            "Content-Length": str(len(_FULL_TEXT)),
            "Retry-After": str(RETRY_AFTER_S),
            "Connection": "close",
        },
    )
    add_headers(response)
    lines = [f"{name}: {value}" for name, value in response.headers.items()]
    first = f"HTTP/1.1 {response.status} {HTTPStatus.SERVICE_UNAVAILABLE.phrase}"
    return "\r\n".join([first, *lines, "", _FULL_TEXT]).encode()


class _Quietly:
    """The event loop's handler of errors: it says only now and then that files have run out.

    asyncio says so for each connection that it cannot accept, up to a hundred times a second, and
    once more for each when it comes back to a listener that was closed meanwhile.
    """

    def __init__(self) -> None:
        self._said_at = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message = context.get("message", "")
        if "out of system resource" in message:
            if loop.time() - self._said_at > _SAY_AGAIN_S:
                self._said_at = loop.time()
                _log.error(
                    "no more connections can be accepted: no more files may be open",
                    remedy="raise the limit of open files (ulimit -n, LimitNOFILE)",
                )
        elif "_start_serving" not in message:
            loop.default_exception_handler(context)
