"""The public keys of an issuer: fetched when needed, kept, and asked for again with restraint."""

import asyncio
import warnings
from time import monotonic
from typing import Any, Final

import aiohttp
import orjson
import structlog
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from ingest.access.errors import IssuerUnavailableError

Key = RSAKey | ECKey | OKPKey

#: Known keys are asked for again after that, lest one that was withdrawn is trusted for ever.
KEEP_S: Final = 600.0

#: At most this often is an issuer asked, whatever tokens come.
AGAIN_S: Final = 10.0

_ANSWER_S: Final = 5.0
_DOCUMENT_BYTES: Final = 256 * 1024
_RSA_BITS_MIN: Final = 2048
_FAILURES: Final = (aiohttp.ClientError, OSError, TimeoutError, ValueError)

_log = structlog.get_logger(__name__)


class IssuerKeys:
    """An issuer's keys, by their ids.

    While the issuer does not answer, the keys that it told last go on to count.

    Args:
        url: Where its JWKS is.
        again_s: How long at least between two fetches.
    """

    def __init__(self, url: str, *, again_s: float = AGAIN_S) -> None:
        self._url = url
        self._again_s = again_s
        self._keys: list[Key] = []
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def with_id(self, key_id: str | None) -> list[Key]:
        """Return the keys with this id; all of them where a token names none.

        Waits for the issuer, for 5 s at most, when no such key is known.

        Raises:
            IssuerUnavailableError: It has not told any key yet.
        """
        found = self._known(key_id)
        if not found or monotonic() - self._fetched_at > KEEP_S:
            fetching = self._fetch_again()
            if not found and fetching is not None:
                # All who wait share one fetch, which none of them ends by leaving.
                await asyncio.wait({fetching})
                found = self._known(key_id)
        if not self._keys:
            raise IssuerUnavailableError(
                "The issuer's keys (auth.jwt_jwks_url) cannot be had now, so that no token of it "
                "can be checked: try again in a moment"
            )
        return found

    async def aclose(self) -> None:
        """End a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})

    def _known(self, key_id: str | None) -> list[Key]:
        return [key for key in self._keys if key_id is None or key.kid == key_id]

    def _fetch_again(self) -> "asyncio.Task[None] | None":
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if monotonic() - self._tried_at < self._again_s:
            return None
        self._tried_at = monotonic()
        self._fetching = asyncio.create_task(self._fetch(), name="keys of the issuer")
        return self._fetching

    async def _fetch(self) -> None:
        try:
            keys = _keys_in(orjson.loads(await self._document()))
        except _FAILURES as error:
            reason = str(error) or type(error).__name__
            _log.warning("keys of the token issuer are not available", reason=reason)
            return
        self._keys, self._fetched_at = keys, monotonic()

    async def _document(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self._url, allow_redirects=False) as response,
        ):
            if response.status != 200:  # noqa: PLR2004 - HTTP's own number
                raise ValueError(f"answered with status {response.status}")
            document = b""
            async for part in response.content.iter_any():
                document += part
                if len(document) > _DOCUMENT_BYTES:
                    raise ValueError(f"longer than {_DOCUMENT_BYTES} bytes")
            return document


def _keys_in(document: Any) -> list[Key]:
    """Return the keys of a JWKS that can be used here; what else it holds is for others.

    Raises:
        ValueError: There is none.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    keys = [] if not isinstance(listed, list) else [_key(one) for one in listed]
    usable = [key for key in keys if key is not None]
    if not usable:
        raise ValueError("no key that can be used: RSA from 2048 bits on, EC or OKP, as a JWKS")
    return usable


def _key(data: Any) -> Key | None:
    if not isinstance(data, dict) or data.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of keys that are refused here
            key = JWKRegistry.import_key(data)
        if isinstance(key, RSAKey):
            return key if key.public_key.key_size >= _RSA_BITS_MIN else None
        # Never a symmetric one: what is published is no secret.
        return key if isinstance(key, (ECKey, OKPKey)) else None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
