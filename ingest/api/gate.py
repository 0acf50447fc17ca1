"""The one way in: whence a request comes, who sends it, and whether there is room for it."""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from ingest.access.authentication import Authentication, no_token
from ingest.access.errors import InsufficientScopeError, NotAuthenticatedError
from ingest.api.access import DECLARED, Access
from ingest.api.browser import SAFE, BrowserDefences
from ingest.api.keys import CALLER
from ingest.api.limits import LIMITS
from ingest.model.access import Caller


class Gate:
    """Decides whether a request gets to its handler.

    Args:
        is_required: Whether a token is needed; one that is shown counts in any case, with its
            scopes and no others.
        metrics_open: Whether the metrics need none.
    """

    def __init__(
        self,
        authentication: Authentication,
        *,
        is_required: bool,
        metrics_open: bool,
    ) -> None:
        self._authentication = authentication
        self._is_required = is_required
        self._metrics_open = metrics_open

    async def admit(self, request: web.Request, access: Access) -> None:
        """Return if the caller may call a route that takes *access*, and note who it is.

        Raises:
            NotAuthenticatedError: A token is needed, or does not count.
            InsufficientScopeError: It does not allow this.
            IssuerUnavailableError: The token cannot be checked now.
            DatabaseUnavailableError: The token cannot be looked up now.
        """
        scope = access.scope
        if scope is None or (access is Access.METRICS and self._metrics_open):
            return
        caller = await self._caller(request)
        if caller is None:
            if self._is_required:
                raise no_token()
            return
        request[CALLER] = caller
        if not caller.may(scope):
            raise InsufficientScopeError(caller=caller.name, scope=scope)

    async def _caller(self, request: web.Request) -> Caller | None:
        shown = request.headers.getall("Authorization", ())
        if not shown:
            return None
        if len(shown) > 1:
            raise NotAuthenticatedError(
                "The header Authorization is given more than once", is_invalid=True
            )
        return await self._authentication.caller(shown[0])


GATE: Final = web.AppKey("gate", Gate)
BROWSER_DEFENCES: Final = web.AppKey("browser_defences", BrowserDefences)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through to its handler, or raise why not.

    Its body is read once it is known whose it is, and before it is counted among those that are
    worked on: slow bodies take nobody's place.
    """
    app = request.app
    app[BROWSER_DEFENCES].check(request)
    if request.match_info.http_exception is not None:
        return await handler(request)  # no such path, or not this verb: there is nothing to guard
    # What is not declared, nobody has thought about.
    access = app[DECLARED].get(request.match_info.route, Access.OPERATE)
    if access is Access.PROBE:
        return await handler(request)
    await app[GATE].admit(request, access)
    limits = app[LIMITS]
    if access is not Access.OWN_SECRET:  # there its handler finds out first whose it is
        await limits.take_in(request)
    with limits.request(is_safe=request.method in SAFE):
        return await handler(request)
