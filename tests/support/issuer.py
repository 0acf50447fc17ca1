"""An issuer of JSON Web Tokens: its keys over HTTP, and tokens signed with them."""

import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, evolve, field
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ingest.settings import Settings

NAME: Final = "https://login.example/"
AUDIENCE: Final = "item-ingest"

Key = RSAKey | ECKey | OKPKey

#: Made once: they cost a while.
RSA: Final = RSAKey.generate_key(2048, {"kid": "rsa"})
EC: Final = ECKey.generate_key("P-256", {"kid": "ec"})
ED: Final = OKPKey.generate_key("Ed25519", {"kid": "ed"})


@define(eq=False)
class Issuer:
    """What the issuer publishes, and how often it was asked."""

    keys: list[Any] = field(factory=lambda: [published(key) for key in (RSA, EC, ED)])
    status: int = 200
    asked: int = 0
    url: str = ""

    async def answer(self, _request: web.Request) -> web.Response:
        """Publish the keys."""
        self.asked += 1
        return web.json_response({"keys": self.keys}, status=self.status)


def published(key: Key) -> dict[str, Any]:
    """Return a key as a JWKS holds it: without its private part."""
    return dict(key.as_dict(private=False))


def claims(**changes: Any) -> dict[str, Any]:
    """Return what a good token claims, but for *changes*; None takes a claim out."""
    now = int(time.time())
    good = {
        "iss": NAME,
        "aud": AUDIENCE,
        "sub": "alice",
        "exp": now + 600,
        "iat": now,
        "scope": "openid ingest:read",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(
    content: dict[str, Any], key: Any = RSA, algorithm: str = "RS256", **header: object
) -> str:
    """Return a token."""
    full = {"alg": algorithm, "kid": key.kid, **header}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.encode(full, content, key, algorithms=[algorithm])


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """Run an issuer."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/keys", issuer.answer)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("/keys"))
        yield issuer


def trusting(settings: Settings, url: str) -> Settings:
    """Return settings of a service that takes no callers but those of the issuer."""
    auth = evolve(
        settings.auth,
        require="always",
        jwt_issuer=NAME,
        jwt_audience=AUDIENCE,
        jwt_jwks_url=url,
    )
    return evolve(settings, auth=auth)
