"""What each route takes of its caller: declared where the route is, and nowhere else."""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from attrs import frozen

from ingest.model.access import Scope


class Access(Enum):
    """Who may call a route."""

    PROBE = auto()  #: everybody, at any time: never refused for load either
    PAGE = auto()  #: everybody
    OWN_SECRET = auto()  #: whoever has the secret that the handler itself checks
    METRICS = auto()  #: as READ, or everybody where the settings say so
    READ = auto()  #: who has the scope ingest:read
    OPERATE = auto()  #: who has the scope ingest:operate

    @property
    def scope(self) -> Scope | None:
        """The scope that it takes; None where it takes none."""
        return _SCOPES.get(self)


_SCOPES: Final = {
    Access.METRICS: Scope.READ,
    Access.READ: Scope.READ,
    Access.OPERATE: Scope.OPERATE,
}


@frozen
class Route(web.RouteDef):
    """A path, its handler, and who may call it: there is none without."""

    access: Access


def get(path: str, handler: Handler, access: Access, *, allow_head: bool = True) -> Route:
    """Return a route for GET and, unless told otherwise, HEAD."""
    return Route("GET", path, handler, {"allow_head": allow_head}, access)


def post(path: str, handler: Handler, access: Access) -> Route:
    """Return a route for POST."""
    return Route("POST", path, handler, {}, access)


def put(path: str, handler: Handler, access: Access) -> Route:
    """Return a route for PUT."""
    return Route("PUT", path, handler, {}, access)


#: The routes of an application with what they take; one that is not there is closed to everybody.
Declared = dict[web.AbstractRoute, Access]
DECLARED: Final = web.AppKey[Declared]("declared")


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Add routes to an application, and what they take."""
    declared: Declared = {}
    for route in routes:
        for registered in route.register(app.router):
            # With GET comes HEAD, which aiohttp adds and does not tell of.
            for each in registered.resource or ():
                declared.setdefault(each, route.access)
    app[DECLARED] = declared
