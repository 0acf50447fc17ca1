"""The hooks of projects: made and kept by the API, called when something is pushed."""

import asyncio
import re
import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import orjson
from attrs import define, field

from ingest.bank.fake_gitlab.views import moment

#: How long a receiver may take.
TIMEOUT_S: Final = 10.0

#: After so many failures in a row a hook rests, for a minute, then for twice as long each time.
RESTS_AFTER: Final = 4
FIRST_REST_S: Final = 60.0
LONGEST_REST_S: Final = 86_400.0

#: After so many in a row it is disabled until it is edited.
ENDS_AFTER: Final = 40

_DELIVERIES: Final = 10_000
_USER_AGENT: Final = "GitLab/18.0.0"

#: The other events a hook may ask for; none of them ever happens here.
OTHER_EVENTS: Final = (
    *("issues_events", "confidential_issues_events", "merge_requests_events"),
    *("tag_push_events", "note_events", "confidential_note_events", "job_events"),
    *("pipeline_events", "wiki_page_events", "deployment_events", "feature_flag_events"),
    *("releases_events", "milestone_events", "emoji_events", "resource_access_token_events"),
)


@define(eq=False, kw_only=True)
class Hook:
    """One hook of one project."""

    id: int
    project_id: int
    url: str
    #: Is sent with each call, and never shown.
    token: str | None = field(default=None, repr=False)
    push_events: bool = True
    push_events_branch_filter: str = ""
    branch_filter_strategy: str = "wildcard"
    enable_ssl_verification: bool = True
    name: str | None = None
    description: str | None = None
    others: dict[str, bool] = field(factory=dict)
    created_at: datetime = field(factory=lambda: datetime.now(UTC))
    failures: int = 0
    #: Until when it rests, by the clock of `Hooks`.
    rests_until: float | None = None

    def takes(self, branch: str) -> bool:
        """Return whether a push to a branch is its business."""
        if not self.push_events:
            return False
        pattern = self.push_events_branch_filter
        if not pattern or self.branch_filter_strategy == "all_branches":
            return True
        if self.branch_filter_strategy == "regex":
            return re.search(pattern, branch) is not None
        parts = (re.escape(part) for part in pattern.split("*"))
        return re.fullmatch(".*".join(parts), branch) is not None

    def status(self, now: float) -> str:
        """Return whether it is called at present, in GitLab's words."""
        if self.failures >= ENDS_AFTER:
            return "disabled"
        rests = self.rests_until is not None and self.rests_until >= now
        return "temporarily_disabled" if rests else "executable"

    def view(self, now: float) -> dict[str, Any]:
        """Return the hook as the API shows it."""
        until = self.rests_until
        return {
            "id": self.id,
            "url": self.url,
            "name": self.name,
            "description": self.description,
            "created_at": moment(self.created_at),
            "push_events": self.push_events,
            "enable_ssl_verification": self.enable_ssl_verification,
            "alert_status": self.status(now),
            "disabled_until": None if until is None else moment(datetime.fromtimestamp(until, UTC)),
            "url_variables": [],
            "push_events_branch_filter": self.push_events_branch_filter,
            "branch_filter_strategy": self.branch_filter_strategy,
            "custom_webhook_template": None,
            "custom_headers": [],
            "project_id": self.project_id,
            "repository_update_events": False,
            **{event: self.others.get(event, False) for event in OTHER_EVENTS},
        }


@define(eq=False, kw_only=True)
class Delivery:
    """One call of a hook."""

    hook_id: int
    project_id: int
    uuid: str
    after: str
    #: The receiver's status; None where it gave none.
    status: int | None = None
    error: str | None = None
    #: When it began, by the machine's monotonic clock.
    at: float = field(factory=time.monotonic)
    took_s: float = 0.0


class Hooks:
    """All hooks.

    Args:
        clock: Seconds since 1970.
        instance: The server's own address, for the headers.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, instance: str = "") -> None:
        self.instance = instance
        self.deliveries: deque[Delivery] = deque(maxlen=_DELIVERIES)
        self.timeout_s = TIMEOUT_S
        self._clock = clock
        self._hooks: dict[int, Hook] = {}
        self._last_id = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def of(self, project_id: int) -> list[Hook]:
        """Return the hooks of a project, oldest first."""
        return [hook for hook in self._hooks.values() if hook.project_id == project_id]

    def add(self, project_id: int, **details: Any) -> Hook:
        """Make a hook; see `Hook`."""
        self._last_id += 1
        hook = Hook(id=self._last_id, project_id=project_id, **details)
        self._hooks[hook.id] = hook
        return hook

    def remove(self, hook: Hook) -> None:
        """Take a hook away."""
        del self._hooks[hook.id]

    def view(self, hook: Hook) -> dict[str, Any]:
        """Return a hook as the API shows it."""
        return hook.view(self._clock())

    def pushed(self, project_id: int, body: dict[str, Any]) -> int:
        """Begin to call the hooks that a push is the business of; return how many."""
        branch = str(body["ref"]).removeprefix("refs/heads/")
        payload = orjson.dumps(body)
        now, called = self._clock(), 0
        for hook in self.of(project_id):
            if hook.takes(branch) and hook.status(now) == "executable":
                call = asyncio.create_task(self._call(hook, payload, str(body["after"])))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
                called += 1
        return called

    async def settled(self) -> None:
        """Wait until no call is under way."""
        while self._calls:
            await asyncio.wait(set(self._calls))

    async def close(self) -> None:
        """Give up the calls that are under way."""
        for call in self._calls:
            call.cancel()
        await self.settled()
        if self._session is not None:
            await self._session.close()

    async def _call(self, hook: Hook, payload: bytes, after: str) -> None:
        if self._session is None:
            # A receiver is called once, also where the server has closed a kept connection.
            connector = aiohttp.TCPConnector(limit=100, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector)
        made = Delivery(
            hook_id=hook.id, project_id=hook.project_id, uuid=f"{uuid.uuid4()}", after=after
        )
        self.deliveries.append(made)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": _USER_AGENT,
            "Idempotency-Key": f"{uuid.uuid4()}",
            "X-Gitlab-Event": "Push Hook",
            "X-Gitlab-Webhook-UUID": f"{uuid.uuid5(uuid.NAMESPACE_URL, f'hook:{hook.id}')}",
            "X-Gitlab-Instance": self.instance,
            "X-Gitlab-Event-UUID": made.uuid,
            **({} if hook.token is None else {"X-Gitlab-Token": hook.token}),
        }
        try:
            async with asyncio.timeout(self.timeout_s):
                async with self._session.post(
                    hook.url, data=payload, headers=headers, allow_redirects=False
                ) as response:
                    await response.read()
                    made.status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            made.error = f"{type(error).__name__}: {error}"
        made.took_s = time.monotonic() - made.at
        self.settle(hook, ok=made.status is not None and 200 <= made.status < 400)  # noqa: PLR2004

    def settle(self, hook: Hook, *, ok: bool) -> None:
        """Take note of how a call ended."""
        if ok:
            hook.failures, hook.rests_until = 0, None
            return
        hook.failures += 1
        if hook.failures >= RESTS_AFTER:
            # Beyond 2 ** 40 minutes nothing is longer than the longest, and no number overflows.
            rest_s = min(FIRST_REST_S * 2.0 ** (hook.failures - RESTS_AFTER), LONGEST_REST_S)
            hook.rests_until = self._clock() + rest_s
