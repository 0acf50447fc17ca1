"""What a caller is refused before any handler is asked: who they are, whence, how much."""

from ingest.errors import IngestError
from ingest.model.access import Scope


class NotAuthenticatedError(IngestError):
    """The caller is not known.

    Attributes:
        is_invalid: A token came, and does not count; else none came.
    """

    code = "not_authenticated"

    def __init__(self, message: str, *, is_invalid: bool) -> None:
        super().__init__(message)
        self.is_invalid = is_invalid


class InsufficientScopeError(IngestError):
    """The caller is known, and may not do this."""

    code = "insufficient_scope"

    def __init__(self, *, caller: str, scope: Scope) -> None:
        super().__init__(
            f"{caller} may not do this: it takes the scope {scope}. Call with a token that has it "
            f"(ingest token new NAME --scope {scope})"
        )
        self.scope = scope

    @property
    def members(self) -> dict[str, object]:  # noqa: D102
        return {"scope": self.scope}


class IssuerUnavailableError(IngestError):
    """A token cannot be checked, for its issuer does not tell its keys."""

    code = "issuer_unavailable"


class CrossSiteError(IngestError):
    """A browser sent the request for a page of somebody else's."""

    code = "cross_site"


class UnknownHostError(IngestError):
    """The request calls the service by a name that is not its own."""

    code = "unknown_host"


class WebhookClosedError(IngestError):
    """A notification came, and there is no secret to know the bank's own by."""

    code = "webhook_closed"

    def __init__(self) -> None:
        super().__init__(
            "The webhook is closed: put the secret that GitLab is to send into "
            "INGEST_WEBHOOK_TOKEN, or into the file that INGEST_WEBHOOK_TOKEN_FILE names, and "
            "start the service again"
        )


class WrongWebhookTokenError(IngestError):
    """A notification came with another secret than the bank's own, or with none."""

    code = "wrong_webhook_token"

    def __init__(self) -> None:
        super().__init__(
            "The header X-Gitlab-Token does not hold the webhook's secret: put the one that the "
            "service has into the hook"
        )


class BodyTooLargeError(IngestError):
    """The request's body is longer than what is read."""

    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The request's body is longer than {limit_bytes} bytes (server.max_body_bytes): "
            "send a shorter one, or none"
        )


class BodyTooSlowError(IngestError):
    """The request's body did not come in time."""

    code = "body_too_slow"

    def __init__(self, within_s: float) -> None:
        super().__init__(
            f"The request's body did not come within {within_s:g} seconds "
            "(server.request_within_s): nothing was done. Send it again"
        )


class OverloadedError(IngestError):
    """More is asked at the same time than is worked on."""

    code = "overloaded"


class TokenNameTakenError(IngestError):
    """A token has, or had, this name."""

    code = "token_name_taken"


class TokenNotFoundError(IngestError):
    """No token has this name."""

    code = "token_not_found"
