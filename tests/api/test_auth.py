"""Tokens of the service's own over HTTP: who gets in, what they are told, what is kept of them."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import orjson
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from attrs import evolve

from ingest.access.tokens import new_secret
from ingest.api.keys import DATABASE
from ingest.app import create_app
from ingest.errors import ConfigurationError
from ingest.model.access import Scope
from ingest.settings import Settings
from ingest.storage.tokens import TokenStore
from tests.support.access import answering, bearer, make_token, token_needed
from tests.support.service import Client, ended, get, json_of


async def test_without_a_token_on_loopback_everything_is_open(client: Client) -> None:
    """The service as it comes asks nobody on this machine for anything."""
    assert (await client.post("/sync")).status == 200
    await ended(client, 1)
    assert (await client.put("/abandon/1")).status == 200


async def test_a_caller_without_a_token_is_told_how_to_show_one(settings: Settings) -> None:
    """401 with a challenge that names no error, as RFC 6750 has it, and words on what to do."""
    async with answering(token_needed(settings)) as client:
        for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": ""}):
            response = await client.post("/sync", headers=headers)
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="ingest"'
            assert "ingest token new" in await response.text()
        response = await client.get("/jobs", headers={"Accept": "application/json"})
        document = orjson.loads(await response.read())
        assert document["type"] == "urn:item-ingest:problem:not_authenticated"
        assert document["status"] == 401


@pytest.mark.parametrize(
    "credentials",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer ingest_",
        f"Bearer {new_secret()}",
        f"Bearer  {new_secret()} {new_secret()}",
        "Bearer ingest_' OR 1=1 --",
        "Bearer a.b.c",
        "Bearer \u00e9\u00e9",
    ],
)
async def test_a_token_that_is_unknown_does_not_count(settings: Settings, credentials: str) -> None:
    """401 invalid_token, also where no token is needed: who shows one wants to be known by it."""
    for one in (settings, token_needed(settings)):
        async with answering(one) as client:
            response = await client.get("/jobs", headers={"Authorization": credentials})
            assert response.status == 401
            challenge = 'Bearer realm="ingest", error="invalid_token"'
            assert response.headers["WWW-Authenticate"] == challenge
            assert await response.text() == "The token is not known here"


async def test_two_tokens_are_none(settings: Settings) -> None:
    """Of two Authorization headers none is silently taken."""
    async with answering(settings) as client:
        good = f"Bearer {await make_token(client.app, 'good', Scope.OPERATE)}"
        headers = [("Authorization", good), ("Authorization", good)]
        response = await client.get("/jobs", headers=headers)
        assert response.status == 401
        assert "more than once" in await response.text()


async def test_the_scheme_is_read_in_any_case(settings: Settings) -> None:
    """Bearer, bearer and BEARER are the same scheme (RFC 9110)."""
    async with answering(token_needed(settings)) as client:
        secret = await make_token(client.app, "reader", Scope.READ)
        for scheme in ("Bearer", "bearer", "BEARER"):
            headers = {"Authorization": f"{scheme} {secret}"}
            assert (await client.get("/jobs", headers=headers)).status == 200


async def test_a_scope_that_is_missing_is_named(settings: Settings) -> None:
    """A reader may look, and is told which scope it takes to do more."""
    async with answering(token_needed(settings)) as client:
        headers = bearer(await make_token(client.app, "reader", Scope.READ))
        assert (await client.get("/jobs", headers=headers)).status == 200
        response = await client.post("/sync", headers={**headers, "Accept": "application/json"})
        assert response.status == 403
        assert response.headers["WWW-Authenticate"] == (
            'Bearer realm="ingest", error="insufficient_scope", scope="ingest:operate"'
        )
        document = orjson.loads(await response.read())
        assert document["scope"] == "ingest:operate"
        assert document["detail"].startswith("reader may not do this: it takes the scope ingest:op")
        assert (await get_json(client, "/executions", headers))["executions"] == []


async def test_a_token_counts_from_the_next_request_on_until_it_is_revoked(
    settings: Settings,
) -> None:
    """Neither making nor revoking one takes a restart; an expired one is said to be expired."""
    async with answering(token_needed(settings)) as client:
        secret = await make_token(client.app, "nightly", Scope.READ)
        old = await make_token(client.app, "old", Scope.READ, expires_in=timedelta(seconds=-1))
        assert (await client.get("/jobs", headers=bearer(secret))).status == 200
        await TokenStore(client.app[DATABASE]).revoke("nightly")
        for shown, message in (
            (secret, "The token nightly was revoked"),
            (old, "The token old expired"),
        ):
            response = await client.get("/jobs", headers=bearer(shown))
            assert (response.status, await response.text()) == (401, message)


async def test_who_asked_is_kept_by_name_and_address(settings: Settings) -> None:
    """The token's name stands in history, message and receipt, with the address behind it."""
    slow = evolve(settings, bank=evolve(settings.bank, max_items_per_second=0.2))
    async with answering(token_needed(slow)) as client:
        headers = bearer(await make_token(client.app, "nightly", Scope.OPERATE))
        assert (await client.post("/sync", headers=headers)).status == 200
        assert (await client.put("/abandon/1?reason=late", headers=headers)).status == 200
        history = await get_json(client, "/executions/1/history", headers)
        asked = [one for one in history["events"] if one["event"] in ("requested", "stop asked")]
        assert {one["actor"] for one in asked} == {"nightly (127.0.0.1)"}
        document = await get_json(client, "/executions/1", headers)
        assert document["receipt"]["by"] == "nightly (127.0.0.1)"
        assert "request of nightly (127.0.0.1) (late) at" in document["exitMessage"]


async def test_no_secret_gets_into_log_answer_or_database(settings: Settings) -> None:
    """Neither a token nor its hash shows in a log line, an answer or a repr; only hashes are kept.

    Not those that count, nor those that do not.
    """
    with structlog.testing.capture_logs() as lines:
        async with answering(token_needed(settings)) as client:
            good = await make_token(client.app, "good", Scope.READ)
            secrets = [good, new_secret(), "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"]
            answers = []
            for secret in secrets:
                for path in ("/jobs", "/no-such-path", "/jobs?x=1"):
                    response = await client.get(path, headers=bearer(secret))
                    answers.append(f"{response.headers} {await response.text()}")
            tokens = await TokenStore(client.app[DATABASE]).all()
    said = f"{lines} {answers} {tokens}"
    with closing(sqlite3.connect(settings.database.path)) as database:
        kept = database.execute("SELECT * FROM access_token").fetchall()
    assert [row[0] for row in kept] == ["good"]
    assert kept[0][1] not in said
    for secret in secrets:
        assert secret not in said
        assert secret not in str(kept)


async def test_authentication_waits_for_no_writer(settings: Settings) -> None:
    """A token is looked up while somebody else holds the database's write lock."""
    async with answering(token_needed(settings)) as client:
        headers = bearer(await make_token(client.app, "reader", Scope.READ))
        with closing(sqlite3.connect(settings.database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(5):
                assert (await client.get("/jobs", headers=headers)).status == 200


async def started(settings: Settings, *, allow_unauthenticated: bool = False) -> None:
    """Start a service, and stop it again."""
    runner = web.AppRunner(
        create_app(settings, allow_unauthenticated=allow_unauthenticated), handle_signals=False
    )
    try:
        await runner.setup()
    finally:
        await runner.cleanup()


async def test_listening_for_others_takes_a_way_to_know_them(settings: Settings) -> None:
    """Elsewhere it takes a token that counts, or an issuer, or the word that all are let in."""
    everywhere = evolve(settings, server=evolve(settings.server, host="0.0.0.0"))  # noqa: S104
    with pytest.raises(ConfigurationError) as caught:
        await started(everywhere)
    for way_out in ("ingest token new", "auth.jwt_issuer", "127.0.0.1", "--allow-unauthenticated"):
        assert way_out in str(caught.value)
    await started(everywhere, allow_unauthenticated=True)
    issuer = evolve(
        settings.auth,
        jwt_issuer="https://login.example/",
        jwt_audience="us",
        jwt_jwks_url="https://login.example/keys",
    )
    await started(evolve(everywhere, auth=issuer))
    async with answering(settings) as client:
        await make_token(client.app, "gone", Scope.READ, expires_in=timedelta(seconds=-1))
    with pytest.raises(ConfigurationError):
        await started(everywhere)
    async with answering(settings) as client:
        await make_token(client.app, "operator", Scope.OPERATE)
    await started(everywhere)


async def test_a_service_for_others_lets_nobody_in_without_a_token(settings: Settings) -> None:
    """Elsewhere a token is needed without a setting; --allow-unauthenticated lifts that."""
    async with answering(settings) as client:
        secret = await make_token(client.app, "operator", Scope.OPERATE)
    server = evolve(settings.server, host="0.0.0.0")  # noqa: S104
    everywhere = evolve(settings, server=server)
    async with answering(everywhere) as client:
        assert (await client.get("/jobs")).status == 401
        assert (await client.get("/jobs", headers=bearer(secret))).status == 200
        assert (await client.get("/health")).status == 200
    async with TestClient(TestServer(create_app(everywhere, allow_unauthenticated=True))) as client:
        assert (await get(client, "/jobs"))["next"] is None


async def test_with_always_a_start_without_tokens_is_closed_and_says_so(
    settings: Settings,
) -> None:
    """Where a token is always needed, the first one may be made while the service runs."""
    with structlog.testing.capture_logs() as lines:
        async with answering(token_needed(settings)) as client:
            assert (await client.get("/jobs")).status == 401
            secret = await make_token(client.app, "first", Scope.READ)
            assert (await client.get("/jobs", headers=bearer(secret))).status == 200
    warnings = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert warnings == ["nobody has a token yet: ingest token new makes one"]


async def get_json(client: Client, path: str, headers: dict[str, str]) -> Any:
    """Return the document that a caller with a token gets."""
    response = await client.get(path, headers=headers)
    assert response.status == 200
    return await json_of(response)
