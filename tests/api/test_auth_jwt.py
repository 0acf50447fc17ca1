"""Tokens of an issuer: which count, and what happens when it is not there."""

import base64
import hmac
import json
import time
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey

from ingest.access.errors import IssuerUnavailableError, NotAuthenticatedError
from ingest.access.jwt import IssuerTokens
from ingest.access.keys import IssuerKeys
from ingest.model.access import Scope
from ingest.settings import Settings
from tests.support import issuer as issuers
from tests.support.access import answering, bearer
from tests.support.issuer import AUDIENCE, EC, ED, NAME, RSA, Issuer, claims, published, signed


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer with a key of each kind."""
    async with issuers.issuing() as running:
        yield running


@pytest.fixture
async def tokens(issuer: Issuer) -> AsyncIterator[IssuerTokens]:
    """What checks the issuer's tokens; it asks for keys as often as it likes."""
    keys = IssuerKeys(issuer.url, again_s=0)
    yield IssuerTokens(keys, issuer=NAME, audience=AUDIENCE)
    await keys.aclose()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")],
)
async def test_a_good_token_counts(tokens: IssuerTokens, key: Any, algorithm: str) -> None:
    """A token signed with a published key, for us and not expired, names caller and scopes."""
    caller = await tokens.caller(signed(claims(), key, algorithm))
    assert caller.name == f"alice of {NAME}"
    assert caller.scopes == {Scope.READ}


@pytest.mark.parametrize(
    ("named", "scopes"),
    [
        ({"scope": "ingest:operate"}, {Scope.OPERATE}),
        ({"scope": "ingest:read ingest:operate"}, set(Scope)),
        ({"scope": None, "scp": "ingest:read"}, {Scope.READ}),
        ({"scope": None, "scp": ["x", "ingest:operate"]}, {Scope.OPERATE}),
        ({"scope": ["ingest:read", 5, {}]}, {Scope.READ}),
        ({"scope": None}, set()),
        ({"scope": "INGEST:READ ingest:readx"}, set()),
        ({"scope": {"ingest:read": 1}}, set()),
        ({"scope": 7}, set()),
    ],
)
async def test_scopes_are_a_text_or_a_list(
    tokens: IssuerTokens, named: dict[str, Any], scopes: set[Scope]
) -> None:
    """The claims scope and scp are read in the forms that issuers use, exactly."""
    assert (await tokens.caller(signed(claims(**named)))).scopes == scopes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exp": int(time.time()) - 60}, "The token has expired: get a new one"),
        ({"exp": None}, "The token's claim exp is not as it must be"),
        ({"exp": "tomorrow"}, "The token's claim exp is not as it must be"),
        ({"exp": float("inf")}, "The token's claim exp is not as it must be"),
        ({"nbf": int(time.time()) + 3600}, "The token's claim nbf is not as it must be"),
        ({"iss": "https://other.example/"}, "The token's claim iss is not as it must be"),
        ({"iss": None}, "The token's claim iss is not as it must be"),
        ({"iss": [NAME]}, "The token's claim iss is not as it must be"),
        ({"aud": "other"}, "The token's claim aud is not as it must be"),
        ({"aud": None}, "The token's claim aud is not as it must be"),
        ({"aud": []}, "The token's claim aud is not as it must be"),
        ({"sub": None}, "The token's claim sub is not as it must be"),
        ({"sub": ""}, "The token's claim sub is not as it must be"),
        ({"sub": 5}, "The token's claim sub is not as it must be"),
    ],
)
async def test_a_claim_that_is_wrong_is_named(
    tokens: IssuerTokens, changes: dict[str, Any], message: str
) -> None:
    """A token that is expired, early, of or for somebody else does not count."""
    with pytest.raises(NotAuthenticatedError) as caught:
        await tokens.caller(signed(claims(**changes)))
    assert str(caught.value) == message
    assert caught.value.is_invalid


async def test_clocks_may_differ_a_little(tokens: IssuerTokens) -> None:
    """A token that expired a moment ago, or counts in a moment, counts; so do audiences in a list.

    RFC 7519 allows some leeway for it.
    """
    now = int(time.time())
    await tokens.caller(signed(claims(exp=now - 5, nbf=now + 5, aud=["other", AUDIENCE])))


def unsigned(algorithm: str) -> str:
    """Return a token that says it is signed so, and is not."""
    parts = [{"alg": algorithm, "kid": "rsa"}, claims()]
    texts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts]
    return b".".join([*texts, b""]).decode()


async def test_only_public_key_signatures_count(tokens: IssuerTokens) -> None:
    """Neither none nor HS256 is taken, not even when signed with the public key as a secret."""
    by_hand = unsigned("HS256")
    secret = RSA.as_pem(private=False)
    digest = hmac.digest(secret, by_hand.removesuffix(".").encode(), "sha256")
    forged = [
        *[unsigned(name) for name in ("none", "None", "NONE", "RS256", "")],
        by_hand + base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        signed(claims(), RSA, "PS256"),
        signed(claims(), RSA, "RS512"),
    ]
    for token in forged:
        with pytest.raises(NotAuthenticatedError, match=r"must be signed|is not signed"):
            await tokens.caller(token)


async def test_a_key_of_somebody_else_does_not_count(tokens: IssuerTokens, issuer: Issuer) -> None:
    """A token is refused that is signed with another key under the id of a published one.

    Nor does a key count that the token brings along.
    """
    other = RSAKey.generate_key(2048, {"kid": "rsa"})
    for header in ({}, {"jwk": published(other)}, {"jku": issuer.url}):
        with pytest.raises(NotAuthenticatedError):
            await tokens.caller(signed(claims(), other, **header))
    crossed = ECKey.generate_key("P-256", {"kid": "rsa"})
    with pytest.raises(NotAuthenticatedError, match="not signed with a key of the issuer"):
        await tokens.caller(signed(claims(), crossed, "ES256"))


async def test_keys_that_are_no_use_are_passed_over(tokens: IssuerTokens, issuer: Issuer) -> None:
    """Short, symmetric, encrypting and unknown keys of a set do no harm to the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is short
        short = RSAKey.generate_key(1024, {"kid": "short"})
    shared = OctKey.generate_key(256, {"kid": "shared"})
    encrypting = {**published(RSA), "kid": "encrypting", "use": "enc"}
    issuer.keys[:0] = [
        published(short),
        shared.as_dict(private=True),
        encrypting,
        {"kty": "AKP", "kid": "new"},
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": 5},
        {},
        None,
        "x",
    ]
    await tokens.caller(signed(claims()))
    for key, algorithm, identity in ((short, "RS256", "short"), (RSA, "RS256", "encrypting")):
        with pytest.raises(NotAuthenticatedError):
            await tokens.caller(signed(claims(), key, algorithm, kid=identity))


async def test_a_key_that_is_new_is_asked_for(tokens: IssuerTokens, issuer: Issuer) -> None:
    """After the issuer has changed its key, tokens signed with the new one count at once."""
    await tokens.caller(signed(claims()))
    new = ECKey.generate_key("P-256", {"kid": "new"})
    issuer.keys = [published(new)]
    await tokens.caller(signed(claims(), new, "ES256"))
    with pytest.raises(NotAuthenticatedError):
        await tokens.caller(signed(claims()))


async def test_unknown_keys_do_not_make_us_ask_without_end(issuer: Issuer) -> None:
    """However many tokens name keys that are not known, the issuer is asked once in a while."""
    keys = IssuerKeys(issuer.url)
    tokens = IssuerTokens(keys, issuer=NAME, audience=AUDIENCE)
    await tokens.caller(signed(claims()))
    for number in range(20):
        with pytest.raises(NotAuthenticatedError):
            await tokens.caller(signed(claims(), kid=f"unknown {number}"))
    assert issuer.asked == 1
    await keys.aclose()


async def test_known_keys_outlast_their_issuer(tokens: IssuerTokens, issuer: Issuer) -> None:
    """While the issuer fails, tokens signed with the keys it told last go on to count."""
    await tokens.caller(signed(claims()))
    for status, published_keys in ((500, issuer.keys), (200, []), (200, [{"kty": "oct"}])):
        issuer.status, issuer.keys = status, published_keys
        with pytest.raises(NotAuthenticatedError):
            await tokens.caller(signed(claims(), kid="unknown"))
        await tokens.caller(signed(claims()))
    assert issuer.asked == 4


async def test_an_issuer_that_never_answered_is_no_fault_of_the_caller(
    settings: Settings, issuer: Issuer
) -> None:
    """Before any key is known tokens cannot be checked: 503 over HTTP, and Retry-After."""
    issuer.status = 500
    keys = IssuerKeys(issuer.url)
    with pytest.raises(IssuerUnavailableError):
        await IssuerTokens(keys, issuer=NAME, audience=AUDIENCE).caller(signed(claims()))
    await keys.aclose()
    async with answering(issuers.trusting(settings, issuer.url)) as client:
        response = await client.get("/jobs", headers=bearer(signed(claims())))
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
        assert (await client.get("/jobs", headers=bearer("no token"))).status == 401


async def test_over_http(settings: Settings, issuer: Issuer) -> None:
    """The issuer's callers look and operate as far as their scopes go; their subject is kept."""
    async with answering(issuers.trusting(settings, issuer.url)) as client:
        looks = bearer(signed(claims()))
        acts = bearer(signed(claims(sub="bob\n\x1b[31m" + "x" * 200, scope="ingest:operate")))
        assert (await client.get("/jobs")).status == 401
        assert (await client.get("/jobs", headers=looks)).status == 200
        assert (await client.put("/abandon/1", headers=looks)).status == 403
        assert (await client.post("/migrate", headers=acts)).status == 200
        history = await client.get("/executions/1/history", headers=looks)
        actor = (await history.json())["events"][0]["actor"]
        subject = ("bob [31m" + "x" * 200)[:100]
        assert actor == f"{subject} of {NAME} (127.0.0.1)"
        late = await client.get("/jobs", headers=bearer(signed(claims(exp=1))))
        assert late.status == 401
        assert late.headers["WWW-Authenticate"] == 'Bearer realm="ingest", error="invalid_token"'


@given(
    st.text(max_size=60)
    | st.from_regex(
        r"[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,20}", fullmatch=True
    )
    | st.sampled_from(["[" * 5000, '{"alg":"RS256","kid":' + "[" * 5000, '{"alg":["RS256"]}'])
    .map(lambda text: base64.urlsafe_b64encode(text.encode()).decode())
    .map(lambda text: f"{text}.{text}.AA")
)
async def test_any_text_is_refused_and_never_breaks(text: str) -> None:
    """Whatever stands for a token, the answer is a refusal."""
    keys = IssuerKeys("http://127.0.0.1:9/")
    tokens = IssuerTokens(keys, issuer=NAME, audience=AUDIENCE)
    with pytest.raises((NotAuthenticatedError, IssuerUnavailableError)):
        await tokens.caller(text)
    await keys.aclose()
