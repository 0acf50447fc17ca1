"""What a setting's value must be. A value that is not is a ValueError which says what it must."""

import ipaddress
import math
import os
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from attrs import Attribute

#: What a URL begins with; a single letter would be a Windows drive.
SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")

SQLITE: Final = "sqlite:///"
ONE_REPOSITORY: Final = "git+file:"
GITLAB: Final = ("gitlab+https", "gitlab+http")

_GROUP: Final = re.compile(r"/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*/?", re.ASCII)

Validator = Callable[[Any, "Attribute[Any]", Any], None]


def must(be: str, accepts: Callable[[Any], object]) -> Validator:
    """Return a validator of what *accepts* says yes to; *be* says what that is."""

    def validate(_: object, __: "Attribute[Any]", value: object) -> None:
        if not accepts(value):
            raise ValueError(f"must {be}")

    return validate


def between(low: int, high: int) -> Validator:
    """Return a validator of numbers from *low* to *high*."""
    return must(f"be from {low} to {high}", lambda number: low <= number <= high)


above_zero = must("be a finite number above 0", lambda number: 0 < number < math.inf)
not_blank = must("be a text", str.strip)
not_negative = must("be a finite number, 0 or above", lambda number: 0 <= number < math.inf)


def _can_be_a_path(text: str) -> bool:
    try:
        return bool(text.strip()) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


path = must("be a path that can exist", _can_be_a_path)


def database_url(_: object, __: "Attribute[Any]", url: str) -> None:
    """Accept FILE and sqlite:///FILE."""
    scheme = SCHEME.match(url)
    if scheme and scheme[1] != "sqlite":
        raise ValueError(f"{scheme[1]} is not supported by this version: give FILE or {SQLITE}FILE")
    file = url.removeprefix(SQLITE)
    # Taken for file names, these would be a surprise to those who know them from SQLite.
    if file in ("", ":memory:") or (scheme and (file == url or "?" in file)):
        raise ValueError(f"must name a file, without options: give FILE or {SQLITE}FILE")


def bank_url(_: object, __: "Attribute[Any]", url: str) -> None:
    """Accept DIR, git+file:DIR and gitlab+https://HOST/GROUP."""
    choice = (
        f"DIR, a folder of git repositories, {ONE_REPOSITORY}DIR, one repository, or "
        "gitlab+https://HOST/GROUP"
    )
    if url.startswith(ONE_REPOSITORY):
        directory = url.removeprefix(ONE_REPOSITORY)
        # With two slashes a host would follow.
        if not directory.strip() or (directory[:2] == "//" and directory[:3] != "///"):
            raise ValueError(f"must name a local folder: give {choice}")
    elif (scheme := SCHEME.match(url)) and scheme[1] in GITLAB:
        _gitlab(url)
    elif scheme:
        raise ValueError(f"{scheme[1]} is not supported by this version: give {choice}")


def _gitlab(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        raise ValueError("must be gitlab+https://HOST/GROUP") from None
    if "@" in parts.netloc:
        raise ValueError("must hold no user or password: the token comes from INGEST_BANK_TOKEN")
    if not usable or parts.query or parts.fragment or not _GROUP.fullmatch(parts.path):
        raise ValueError("must name a group of GitLab's: give gitlab+https://HOST/GROUP/SUBGROUP")
    if parts.scheme == "gitlab+http" and not is_loopback(parts.hostname or ""):
        raise ValueError(
            "gitlab+http would send the token unencrypted, and is for this machine only: give "
            "gitlab+https"
        )


def public_url(_: object, __: "Attribute[Any]", url: str) -> None:
    """Accept an http or https URL without a user, a password, a query."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = SplitResult("", "", "", "", ""), False
    if not usable or not url.isprintable() or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be a URL like https://ingest.example/webhook")


def untampered_url(_: object, __: "Attribute[Any]", url: str) -> None:
    """Accept a URL whose answer cannot be changed on its way: of https, or on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = bool(host) and parts.port != 0 and url.isprintable() and "@" not in parts.netloc
    except ValueError:
        parts, host, usable = SplitResult("", "", "", "", ""), "", False
    is_private = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not usable or not is_private:
        raise ValueError("must be a URL of https, or of http on this machine")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself, by its name or address."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name: whatever it may resolve to
