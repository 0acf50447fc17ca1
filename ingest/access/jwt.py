"""JSON Web Tokens of an issuer that is trusted (RFC 7519, checked as RFC 8725 advises)."""

import warnings
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, SecurityWarning

from ingest.access.errors import NotAuthenticatedError
from ingest.access.keys import IssuerKeys
from ingest.model.access import Caller, scopes_in

#: The only ones: signatures with a public key. Not ``none``, nor HS256, for which whoever knows the
#: public key could sign. EdDSA is what Ed25519 was called before RFC 9864.
ALGORITHMS: Final = ("RS256", "ES256", "Ed25519", "EdDSA")

#: By how much clocks may differ.
LEEWAY_S: Final = 30

_NAME_CHARACTERS: Final = 100

#: What the library raises for tokens that are none, beside its own errors.
_MALFORMED: Final = (JoseError, ValueError, TypeError, KeyError, OverflowError, RecursionError)


class IssuerTokens:
    """Knows callers by the tokens of one issuer, made for one audience."""

    def __init__(self, keys: IssuerKeys, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._issuer = issuer

    async def caller(self, token: str) -> Caller:
        """Return whose token it is.

        Raises:
            NotAuthenticatedError: It is none, is not signed by the issuer, or does not count.
            IssuerUnavailableError: The issuer's keys are not known.
        """
        try:
            header = jws.extract_compact(token.encode()).headers()
        except _MALFORMED:
            raise _refusal("The token is neither one of this service's nor a JWT") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            choice = ", ".join(ALGORITHMS)
            raise _refusal(f"The token must be signed with one of {choice}")
        if key_id is not None and not isinstance(key_id, str):
            raise _refusal("The token's key id is no text")
        claims = self._verified(token, algorithm, await self._keys.with_id(key_id))
        try:
            self._claims.validate(claims)
        except ExpiredTokenError:
            raise _refusal("The token has expired: get a new one") from None
        except ClaimError as error:
            raise _refusal(f"The token's claim {error.claim} is not as it must be") from None
        except _MALFORMED:
            raise _refusal("The token's claims are not as they must be") from None
        return Caller(name=self._name(claims["sub"]), scopes=scopes_in(_scopes(claims)))

    @staticmethod
    def _verified(token: str, algorithm: str, keys: list[Any]) -> dict[str, Any]:
        for key in keys:
            try:
                with warnings.catch_warnings():
                    # Of the old name of EdDSA, which issuers still use.
                    warnings.simplefilter("ignore", SecurityWarning)
                    return jwt.decode(token, key, algorithms=[algorithm]).claims
            except _MALFORMED:
                continue  # signed with another one, if with any
        raise _refusal("The token is not signed with a key of the issuer's")

    def _name(self, subject: str) -> str:
        # It ends up in histories and messages of one line. No token of our own is called like it:
        # their names hold no space.
        printable = "".join(c if c.isprintable() else " " for c in subject)
        return f"{' '.join(printable.split())[:_NAME_CHARACTERS]} of {self._issuer}"


def _scopes(claims: dict[str, Any]) -> list[object]:
    """Return what the claims ``scope`` (RFC 8693) or ``scp`` name: a text or a list."""
    named = claims.get("scope", claims.get("scp"))
    if isinstance(named, str):
        return list(named.split(" "))
    return named if isinstance(named, list) else []


def _refusal(message: str) -> NotAuthenticatedError:
    return NotAuthenticatedError(message, is_invalid=True)
