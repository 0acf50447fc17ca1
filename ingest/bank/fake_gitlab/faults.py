"""Misbehaviour on order: which requests it meets, and what is done to them."""

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from random import Random
from typing import Any

from attrs import define, field

from ingest.bank.fake_gitlab.refusals import invalid


class FaultKind(StrEnum):
    """What is done to a request."""

    STATUS = "status"  #: another status, with these headers and this body; a page of a proxy's
    CUT = "cut"  #: the connection is cut before the answer
    CUT_BODY = "cut_body"  #: the connection is cut in the middle of the body
    TRUNCATED = "truncated"  #: half a body, no Content-Length, and the end of the connection
    SLOW_BODY = "slow_body"  #: half a body; the rest drips, or comes when released
    STALL = "stall"  #: nothing at all, until released
    LOGIN_PAGE = "login_page"  #: an HTML page with status 200
    LOGIN_REDIRECT = "login_redirect"  #: 302 to the page where people sign in
    BAD_JSON = "bad_json"  #: half a JSON document, as if it were whole
    WRONG_SHAPE = "wrong_shape"  #: JSON, but an object for a list and a list for an object
    LINK_HOST = "link_host"  #: the next page's address leads to another host
    GRAPHQL_ERROR = "graphql_error"  #: status 200, ``errors`` and no data
    GRAPHQL_NULLS = "graphql_nulls"  #: status 200, ``errors``, and null for the first node


@define(eq=False, kw_only=True)
class Fault:
    """One order: which requests, and what is done to them."""

    kind: FaultKind
    #: What the path with its query must contain, as a regular expression.
    path: re.Pattern[str]
    method: str | None = None
    #: Which of the requests that match, counted from 1; None: all.
    nth: Collection[int] | None = None
    #: How many of the requests that match and are chosen, at most.
    times: int | None = None
    #: The random share of the requests that match.
    share: float = 1.0
    #: Only GraphQL queries for more than so many nodes at once.
    first_above: int | None = None
    status: int = 500
    headers: Mapping[str, str] = field(factory=dict)
    body: str | None = None
    #: Of a slow body: the time from byte to byte; None: the rest waits to be released.
    drip_s: float | None = None
    #: How many requests have matched, and to how many it was done.
    matched: int = 0
    done: int = 0
    #: How many hang because of it just now.
    hanging: int = 0
    #: Chooses the share.
    rng: Random = field(factory=Random, repr=False)
    _released: asyncio.Event = field(factory=asyncio.Event, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    def release(self) -> None:
        """Let go of what it holds, now and from now on."""
        self._released.set()

    async def hold(self, timeout_s: float | None = None) -> bool:
        """Hold a request until it is released; return whether it was, within this time."""
        self.hanging += 1
        self._changed.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._released.wait()
        except TimeoutError:
            return False
        finally:
            self.hanging -= 1
            self._changed.set()
        return True

    async def until_hanging(self, requests: int) -> None:
        """Wait until so many requests hang, no more and no less."""
        while self.hanging != requests:
            self._changed.clear()
            await self._changed.wait()

    def meets(self, method: str, path: str, first: int | None) -> bool:
        """Return whether it is this request's turn; counts it if it matches."""
        if self.method not in {None, method} or self.path.search(path) is None:
            return False
        if self.first_above is not None and (first is None or first <= self.first_above):
            return False
        self.matched += 1
        chosen = self.nth is None or self.matched in self.nth
        # Asked for each request that matches, so that the same seed chooses the same ones.
        chosen = self.rng.random() < self.share and chosen
        if not chosen or (self.times is not None and self.done >= self.times):
            return False
        self.done += 1
        return True


class Faults:
    """All orders in force; of several that meet a request, the first is done.

    Args:
        seed: What random shares begin with.
    """

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._ordered = 0
        self._faults: list[Fault] = []

    @property
    def hanging(self) -> int:
        """Return how many requests hang just now."""
        return sum(fault.hanging for fault in self._faults)

    @property
    def all(self) -> tuple[Fault, ...]:
        """Return the orders in force."""
        return tuple(self._faults)

    def add(self, kind: FaultKind | str, path: str = "", **details: Any) -> Fault:
        """Order a fault.

        Args:
            kind: What is to be done.
            path: What the request's path with its query must contain, a regular expression; the
                path is as it was sent, with its percent signs.
            details: See `Fault`; *nth* may be one number.
        """
        nth = details.pop("nth", None)
        self._ordered += 1
        fault = Fault(
            kind=FaultKind(kind),
            path=re.compile(path),
            nth=frozenset((nth,)) if isinstance(nth, int) else nth and frozenset(nth),
            # To be repeated, not to be secret.
            rng=Random(f"{self._seed} {self._ordered}"),  # noqa: S311
            **details,
        )
        self._faults.append(fault)
        return fault

    def sprinkle(self, share: float, path: str = "") -> None:
        """Fail a random share of requests: by 429, by 500 and by a proxy's 502, in equal parts."""
        part = share / 3
        # Each takes its part of what the ones before it have left.
        self.add("status", path, share=part, status=429, headers={"Retry-After": "1"})
        self.add("status", path, share=part / (1 - part), status=500)
        self.add("status", path, share=part / (1 - 2 * part), status=502)

    def remove(self, fault: Fault) -> None:
        """Take an order back, and let go of what it holds."""
        fault.release()
        self._faults.remove(fault)

    def clear(self) -> None:
        """Take all orders back."""
        for fault in self.all:
            self.remove(fault)

    def meeting(self, method: str, path: str, first: int | None) -> Fault | None:
        """Return what is to be done to a request, if anything."""
        for fault in self._faults:
            if fault.meets(method, path, first):
                return fault
        return None


def parse(document: Any) -> dict[str, Any]:
    """Return what a JSON document orders, for `Faults.add`.

    Raises:
        Refusal: It is no such document.
    """
    if not isinstance(document, dict):
        raise invalid("fault", "is not an object")
    known: Iterable[str] = (
        *("kind", "path", "method", "nth", "times", "share", "first_above"),
        *("status", "headers", "body", "drip_s"),
    )
    for name in document:
        if name not in known:
            raise invalid(name, "is unknown")
    try:
        Faults().add(**document)
    except (TypeError, ValueError, re.error) as error:
        raise invalid("fault", f"cannot be used: {error}") from error
    return document
