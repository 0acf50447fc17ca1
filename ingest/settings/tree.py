"""The settings there are: their names, types, defaults and limits.

A value outside its limits is a ValueError that says what the value must be; its type is what
``ingest.settings.loading`` checks.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import Attribute, field, fields, frozen
from attrs.validators import optional

from ingest.model.item import ITEM_ID_MAX
from ingest.model.secret import Secret
from ingest.settings import validators as v
from ingest.settings.validators import GITLAB, ONE_REPOSITORY, SCHEME, SQLITE

AuthRequire = Literal["auto", "always"]
LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
GitLabListing = Literal["auto", "graphql", "group", "membership"]

#: SQLite counts milliseconds in 32 bits.
_BUSY_TIMEOUT_MAX_S = 2_147_483
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")


def _casefolded(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)


@frozen(kw_only=True)
class ServerSettings:
    """Where the service listens, and how long it waits for jobs to wind down."""

    host: str = field(
        default="127.0.0.1",
        validator=v.must("be a host name or an address, without a port", _HOST.fullmatch),
    )
    #: 0 takes any free port.
    port: int = field(default=9081, validator=v.between(0, 65535))
    abandon_grace_s: float = field(default=20.0, validator=v.above_zero)
    shutdown_grace_s: float = field(default=25.0, validator=v.above_zero)
    #: By which other names requests may call the service, casefolded; addresses always may.
    allowed_hosts: tuple[str, ...] = field(
        default=(),
        converter=_casefolded,
        validator=v.must(
            "hold host names, without a port", lambda names: all(map(_HOST_NAME.fullmatch, names))
        ),
    )
    #: For the head of a request, and then for its body.
    request_within_s: float = field(default=10.0, validator=v.above_zero)
    max_body_bytes: int = field(default=8_388_608, validator=v.between(0, 2**31))
    #: At the same time, of those that look and of those that operate; probes are not counted.
    max_requests: int = field(default=512, validator=v.between(1, 65536))
    max_event_streams: int = field(default=64, validator=v.between(0, 65536))
    max_connections: int = field(default=4096, validator=v.between(1, 65536))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return v.is_loopback(self.host)


@frozen(kw_only=True)
class AuthSettings:
    """Who may call the service, and who says so."""

    #: "auto" is open on a loopback address, for this machine alone can reach it.
    require: AuthRequire = "auto"
    #: These three come together, or none of them.
    jwt_issuer: str | None = field(default=None, validator=optional(v.not_blank))
    jwt_jwks_url: str | None = field(default=None, validator=optional(v.untampered_url))
    jwt_audience: str | None = field(default=None, validator=optional(v.not_blank))
    metrics_open: bool = False


@frozen(kw_only=True)
class DatabaseSettings:
    """Where the database is, and how long to wait for it."""

    url: str = field(default="ingest.db", validator=[v.path, v.database_url])
    #: For another owner to let go of the database, at the start.
    wait_for_lock_s: float = field(default=0.0, validator=v.not_negative)
    #: For another writer, at each transaction.
    busy_timeout_s: float = field(default=5.0, validator=v.between(0, _BUSY_TIMEOUT_MAX_S))
    #: For a lock, a full disk or an I/O error to go away, before a job FAILS of it.
    retry_for_s: float = field(default=60.0, validator=v.not_negative)
    #: Ended executions of each job, besides those that are needed; None keeps all.
    retain_executions: int | None = field(
        default=None, validator=optional(v.must("be 1 or above", lambda number: number >= 1))
    )

    @property
    def path(self) -> Path:
        """The database file, absolute and with symbolic links followed."""
        return Path(self.url.removeprefix(SQLITE)).resolve()


@frozen(kw_only=True)
class BankSettings:
    """Where the item bank is, and what of it is read."""

    url: str = field(default="item-bank", validator=[v.path, v.bank_url])
    #: None reads as fast as the bank answers.
    max_items_per_second: float | None = field(default=None, validator=optional(v.above_zero))
    #: Casefolded, whatever was given: compare with a casefolded name.
    ignore_projects: tuple[str, ...] = field(
        default=("itembankreports",),
        converter=_casefolded,
        validator=v.must("hold no empty name", lambda names: all(map(str.strip, names))),
    )
    #: How many items a synchronization may delete, where its start does not say; None for the rule.
    allow_deletes: int | None = field(
        default=None, validator=optional(v.must("be 0 or above", lambda number: number >= 0))
    )
    ignore_items: tuple[int, ...] = field(
        default=(),
        validator=v.must(
            f"hold item ids, from 1 to {ITEM_ID_MAX}",
            lambda item_ids: all(1 <= item_id <= ITEM_ID_MAX for item_id in item_ids),
        ),
    )

    @property
    def is_one_repository(self) -> bool:
        """Whether the bank is one repository for all items, not a folder of repositories."""
        return self.url.startswith(ONE_REPOSITORY)

    @property
    def is_gitlab(self) -> bool:
        """Whether the bank is a group of GitLab's."""
        scheme = SCHEME.match(self.url)
        return scheme is not None and scheme[1] in GITLAB

    @property
    def gitlab_origin(self) -> str:
        """Where GitLab is, as scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme.removeprefix('gitlab+')}://{parts.netloc}"

    @property
    def gitlab_group(self) -> str:
        """The full path of the group whose projects are the items."""
        return urlsplit(self.url).path.strip("/")

    @property
    def path(self) -> Path:
        """The bank's folder, where it is a local one."""
        return Path(self.url.removeprefix(ONE_REPOSITORY))


@frozen(kw_only=True)
class GitLabSettings:
    """How a bank at GitLab is asked. Without effect on other banks."""

    #: "auto" asks GraphQL, and REST where that is not to be had.
    listing: GitLabListing = "auto"
    include_subgroups: bool = True
    #: False takes archived projects for absent, so that their items are deleted.
    include_archived: bool = True
    max_requests_at_once: int = field(default=16, validator=v.between(1, 256))
    max_requests_per_second: float = field(default=25.0, validator=v.above_zero)
    #: For one request, from sending it to the last byte of its answer.
    request_timeout_s: float = field(default=30.0, validator=v.above_zero)
    #: How often a request is sent before it has failed.
    attempts: int = field(default=6, validator=v.between(1, 100))
    #: Requests that have failed one after the other before the job gives up.
    failures_in_a_row: int = field(default=10, validator=v.between(1, 100_000))
    #: Every so-manieth synchronization asks for every revision, where REST does the listing.
    full_check_every: int = field(default=7, validator=v.between(1, 100_000))


@frozen(kw_only=True)
class WebhookSettings:
    """How pushes come in."""

    #: Where GitLab reaches this service's /webhook.
    url: str | None = field(default=None, validator=optional(v.public_url))
    #: Whether a synchronization makes the hooks that are missing. Takes a token of scope `api`.
    create_hooks: bool = False


@frozen(kw_only=True)
class LogSettings:
    """How the service logs."""

    #: "auto" is console on a terminal and JSON lines elsewhere.
    format: LogFormat = "auto"
    level: LogLevel = "INFO"


@frozen(kw_only=True)
class Secrets:
    """What must not be seen. Comes from the environment, or from a file that it names."""

    #: What GitLab knows the service by.
    bank_token: Secret | None = None
    #: What the service knows GitLab's notifications by; without it they are refused.
    webhook_token: Secret | None = None


@frozen(kw_only=True)
class Settings:
    """Every setting of the service; built by hand, what is not given has its default."""

    server: ServerSettings = field(factory=ServerSettings)
    auth: AuthSettings = field(factory=AuthSettings)
    database: DatabaseSettings = field(factory=DatabaseSettings)
    bank: BankSettings = field(factory=BankSettings)
    gitlab: GitLabSettings = field(factory=GitLabSettings)
    webhook: WebhookSettings = field(factory=WebhookSettings)
    log: LogSettings = field(factory=LogSettings)
    secrets: Secrets = field(factory=Secrets)

    @property
    def own_names(self) -> tuple[str, ...]:
        """The host names by which others know the service, casefolded."""
        hook = urlsplit(self.webhook.url or "").hostname
        return self.server.allowed_hosts if hook is None else (*self.server.allowed_hosts, hook)


def walk(settings: Settings) -> Iterator[tuple[str, "Attribute[Any]", Any]]:
    """Yield each setting's dotted key, its field and its value, in the order of the classes.

    All but the secrets.
    """
    for section in fields(type(settings)):
        if section.name == "secrets":
            continue
        group = getattr(settings, section.name)
        for setting in fields(type(group)):
            yield f"{section.name}.{setting.name}", setting, getattr(group, setting.name)
