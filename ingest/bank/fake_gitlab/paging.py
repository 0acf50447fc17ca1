"""Pages of lists, and the headers by which a client finds from one to the next."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from attrs import frozen

from ingest.bank.fake_gitlab.refusals import Refusal, invalid

T = TypeVar("T")

#: The most rows of a page, and how many it has when nothing is said.
PER_PAGE_MAX: Final = 100
_PER_PAGE: Final = 20

#: Beyond so many rows, the totals are left out.
COUNTED_ROWS: Final = 10_000

#: Beyond this offset, projects are not to be had by pages.
OFFSET_MAX: Final = 50_000

Query = Mapping[str, str]


@frozen
class Page:
    """Which page is asked for."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """Return how many rows are before it."""
        return (self.number - 1) * self.size

    def of(self, rows: Sequence[T]) -> Sequence[T]:
        """Return the page's rows of all."""
        return rows[self.offset : self.offset + self.size]


def page_of(query: Query) -> Page:
    """Return which page a query asks for.

    Raises:
        Refusal: Its numbers are none.
    """
    number = integer(query, "page", 1)
    size = integer(query, "per_page", _PER_PAGE)
    if size < 1:
        raise invalid("per_page", "has a value not allowed")
    return Page(max(number, 1), min(size, PER_PAGE_MAX))


def integer(query: Query, name: str, default: int) -> int:
    """Return a number of the query.

    Raises:
        Refusal: It is none.
    """
    text = query.get(name)
    if text is None or text == "":
        return default
    try:
        return int(text)
    except ValueError:
        raise invalid(name, "is invalid") from None


def boolean(query: Query, name: str, *, default: bool) -> bool:
    """Return a truth value of the query.

    Raises:
        Refusal: It is none.
    """
    text = query.get(name)
    if text is None or text == "":
        return default
    if text.casefold() in {"true", "1", "t", "on"}:
        return True
    if text.casefold() in {"false", "0", "f", "off"}:
        return False
    raise invalid(name, "is invalid")


def choice(query: Query, name: str, *allowed: str) -> str:
    """Return a word of the query; the first of those allowed where there is none.

    Raises:
        Refusal: It is another.
    """
    word = query.get(name) or allowed[0]
    if word not in allowed:
        raise invalid(name)
    return word


def check_offset(page: Page) -> None:
    """Go on only if projects are to be had at this offset.

    Raises:
        Refusal: They are not.
    """
    if page.offset > OFFSET_MAX:
        raise Refusal(
            405,
            {
                "error": f"Offset pagination has a maximum allowed offset of {OFFSET_MAX} for "
                "requests that return objects of type Project. Remaining records can be "
                "retrieved using keyset pagination."
            },
        )


def offset_headers(request: web.Request, page: Page, total: int) -> dict[str, str]:
    """Return the headers of one of the pages of a counted list."""
    pages = max(-(-total // page.size), 1)
    return {
        **_headers(request, page, pages, counted=total <= COUNTED_ROWS),
        **({"X-Total": f"{total}", "X-Total-Pages": f"{pages}"} if total <= COUNTED_ROWS else {}),
    }


def uncounted_headers(request: web.Request, page: Page, rows: int) -> dict[str, str]:
    """Return the headers of a page of a list whose length is not known.

    After a full page another is said to follow, which may be empty.
    """
    return _headers(request, page, page.number + (rows == page.size), counted=True)


def link(request: web.Request, changed: Mapping[str, Any], relation: str) -> str:
    """Return a link to this request with other parameters, sorted as GitLab sorts them."""
    query = {**request.query, **changed}
    address = f"{request.scheme}://{request.host}{request.rel_url.raw_path}"
    return f'<{address}?{urlencode(sorted(query.items()))}>; rel="{relation}"'


def _headers(request: web.Request, page: Page, pages: int, *, counted: bool) -> dict[str, str]:
    before = page.number - 1 if page.number > 1 else None
    following = page.number + 1 if page.number < pages else None
    targets = {"prev": before, "next": following, "first": 1, "last": pages if counted else None}
    links = [
        link(request, {"page": target, "per_page": page.size}, relation)
        for relation, target in targets.items()
        if target is not None
    ]
    return {
        "Link": ", ".join(links),
        "X-Page": f"{page.number}",
        "X-Per-Page": f"{page.size}",
        "X-Next-Page": "" if following is None else f"{following}",
        "X-Prev-Page": "" if before is None else f"{before}",
    }
