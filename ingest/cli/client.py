"""Talking to a running service."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import orjson
from attrs import frozen

from ingest.errors import ConfigurationError, ServiceUnreachableError

T = TypeVar("T")

DEFAULT_URL: Final = "http://127.0.0.1:9081"

#: A service that has not taken the connection by then is not there. Answers may take longer.
CONNECT_S: Final = 10.0


@frozen
class Reply:
    """An answer as it came."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300  # noqa: PLR2004 - what HTTP calls successful

    @property
    def document(self) -> Any:
        """The JSON in it."""
        return orjson.loads(self.text)


class ServiceClient:
    """Sends requests to one service.

    Raises `ServiceUnreachableError` where there is none.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def request(self, method: str, path: str, query: dict[str, str] | None = None) -> Reply:
        """Send one request and wait for its answer, however long that takes."""
        import aiohttp  # noqa: PLC0415 - 0.2 s that `ingest --help` need not wait

        try:
            async with (
                self._session() as session,
                session.request(method, self.url + path, params=query) as response,
            ):
                return Reply(response.status, await response.text())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise self._unreachable(error) from error

    async def stream(self, path: str) -> AsyncIterator[Any]:
        """Yield the documents of an event stream, until the service closes it."""
        import aiohttp  # noqa: PLC0415 - as above

        try:
            async with self._session() as session, session.get(self.url + path) as response:
                if response.status != 200:  # noqa: PLR2004
                    raise ServiceUnreachableError(await response.text())
                async for line in response.content:
                    if line.startswith(b"data:"):
                        yield orjson.loads(line[5:])
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from error

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        import aiohttp  # noqa: PLC0415 - as above

        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S)
        # A document with many steps is one long line.
        async with aiohttp.ClientSession(
            headers=self._headers, timeout=timeout, read_bufsize=2**20
        ) as session:
            yield session

    def _unreachable(self, error: Exception) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"no service answers at {self.url} ({str(error) or type(error).__name__}): "
            "start it with `ingest serve`, or name another with --url"
        )


def with_client(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where the service is."""
    token = click.option(
        "--token-file", type=click.Path(path_type=Path), help="Holds the bearer token."
    )
    url = click.option("--url", envvar="INGEST_URL", default=DEFAULT_URL, show_default=True)
    return url(token(command))


def client_for(url: str, token_file: Path | None) -> ServiceClient:
    """Return a client for what the options and the environment say.

    Raises:
        ConfigurationError: The token's file cannot be read.
    """
    named = token_file or os.environ.get("INGEST_TOKEN_FILE")
    if named is None:
        return ServiceClient(url, os.environ.get("INGEST_TOKEN"))
    try:
        return ServiceClient(url, Path(named).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--token-file: cannot read {named}: {error}") from error


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part."""
    return asyncio.run(work)
