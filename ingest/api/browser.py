"""Defences against what a browser is made to do: by a page elsewhere, or by a name that lies."""

import ipaddress
import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from aiohttp import web
from multidict import istr

from ingest.access.errors import CrossSiteError, UnknownHostError
from ingest.api.params import shown

#: A page may show, run and ask nothing but what comes from here; the API shows no page at all.
API_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

# As multidict compares them: a plain text would be made one at each look.
_FETCH_MODE: Final = istr("Sec-Fetch-Mode")
_FETCH_SITE: Final = istr("Sec-Fetch-Site")
_HOST_NAMED: Final = istr("Host")
_ORIGIN_NAMED: Final = istr("Origin")
_POLICY: Final = istr("Content-Security-Policy")
_TYPE: Final = istr("Content-Type")
_CACHE: Final = istr("Cache-Control")

#: On every answer. The policy and the cache's rule are for a handler to say otherwise.
HEADERS: Final = MappingProxyType(
    {
        istr("X-Content-Type-Options"): "nosniff",
        istr("X-Frame-Options"): "DENY",
        # Not no-referrer: with it browsers send forms of our own pages with "Origin: null".
        istr("Referrer-Policy"): "same-origin",
        istr("Cross-Origin-Resource-Policy"): "same-origin",
        istr("Cross-Origin-Opener-Policy"): "same-origin",
        # Without the versions of what it is made of.
        istr("Server"): "ingest",
    }
)

#: Methods that change nothing.
SAFE: Final = frozenset({"GET", "HEAD"})
_FROM_HERE: Final = frozenset({"same-origin", "none"})
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::([0-9]{1,5}))?")
_ORIGIN: Final = re.compile(r"(https?)://(.+)", re.ASCII)
_PORTS: Final = {"http": "80", "https": "443"}

#: So many hosts are remembered as allowed, to be looked at no more.
_REMEMBERED: Final = 64


def add_headers(response: web.StreamResponse) -> None:
    """Say on an answer what a browser may do with it."""
    headers = response.headers
    headers.update(HEADERS)
    if _CACHE not in headers:
        headers[_CACHE] = "no-store"
    if _POLICY not in headers:
        is_page = headers.get(_TYPE, "").startswith("text/html")
        headers[_POLICY] = PAGE_POLICY if is_page else API_POLICY


class BrowserDefences:
    """Refuses what a browser sends although nobody who uses it has asked for it.

    The names are checked because a page may call this service by a name of its own that resolves
    to our address (DNS rebinding): to the browser it is one site then. An address cannot lie so.

    Args:
        host: Where the service listens.
        allowed_hosts: More names that are its own, casefolded.
    """

    def __init__(self, host: str, allowed_hosts: Iterable[str]) -> None:
        self._public = frozenset(allowed_hosts)
        self._names = self._public | {"localhost", host.casefold()}
        self._passed: set[str] = set()

    def is_plain(self, request: web.BaseRequest) -> bool:
        """Return whether `check` need not look at this GET: whom it calls was looked at before."""
        headers = request.headers
        return headers.get(_HOST_NAMED) in self._passed and _FETCH_SITE not in headers

    def check(self, request: web.BaseRequest) -> None:
        """Return if the request may be looked at.

        Raises:
            UnknownHostError: It calls the service by a name that is not allowed.
            CrossSiteError: It comes from a page of another origin.
        """
        headers = request.headers
        host = headers.get(_HOST_NAMED)
        if host not in self._passed:
            self._check_host(host)
        is_safe = request.method in SAFE
        site = headers.get(_FETCH_SITE)
        # To follow a link to here is no harm; what a page loads or sends by itself is.
        is_link = is_safe and headers.get(_FETCH_MODE) == "navigate"
        if site is not None and site not in _FROM_HERE and not is_link:
            raise CrossSiteError(_refusal(f"Sec-Fetch-Site: {shown(site)}"))
        if not is_safe and _ORIGIN_NAMED in headers:
            origins = headers.getall(_ORIGIN_NAMED)
            if len(origins) > 1 or not self._is_ours(origins[0], host):
                raise CrossSiteError(_refusal(f"Origin: {shown(', '.join(origins))}"))

    def _check_host(self, host: str | None) -> None:
        if host is None:
            return  # HTTP/1.0, so no browser: aiohttp refuses an HTTP/1.1 without it
        match = _HOST.fullmatch(host)
        if match is None or not self._is_allowed(match[1].casefold().removesuffix(".")):
            raise UnknownHostError(
                f"This service is not called {shown(host)}: ask for localhost, for its address, "
                "or for a name that server.allowed_hosts holds"
            )
        if len(self._passed) < _REMEMBERED:
            self._passed.add(host)

    def _is_allowed(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _is_ours(self, origin: str, host: str | None) -> bool:
        match = _ORIGIN.fullmatch(origin.casefold())
        if match is None or host is None:
            return False  # "null", say
        scheme, place = match[1], match[2]
        port = _PORTS[scheme]
        bare = place.removesuffix(f":{port}")
        # Behind a proxy the browser knows the service by one of its public names.
        return bare == host.casefold().removesuffix(f":{port}") or bare in self._public


def _refusal(header: str) -> str:
    return (
        f"A page of another site sent this request ({header}), and this service takes requests "
        "from its own pages only. Call it from its own page, or from outside of a browser"
    )
