"""The hooks by which GitLab tells of pushes: seeing that each project has this service's."""

from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from ingest.bank.gitlab.api import HOOKS, NEW_HOOK
from ingest.bank.gitlab.client import Client
from ingest.bank.gitlab.facts import Hook, facts
from ingest.bank.gitlab.failures import AskError
from ingest.bank.gitlab.group import ItemGroup, is_refused
from ingest.bank.gitlab.projects import PER_PAGE
from ingest.errors import BankUnavailableError, HookRefusedError, ItemNotFoundError
from ingest.model.secret import Secret

_RIGHTS: Final = "the token needs the scope api, and its user the role Maintainer"
_OTHER: Final = "the next synchronization tries it again"


class PushHooks:
    """See `PushNotices`.

    Args:
        client: Where to ask.
        group: Of whose projects.
        url: Where GitLab reaches this service's webhook.
        token: What this service knows GitLab's notifications by.
    """

    def __init__(self, client: Client, group: ItemGroup, url: str, token: Secret) -> None:
        self._client = client
        self._group = group
        self._url = url
        self._token = token

    async def ensure(self, key: str, bank_id: int) -> bool:
        """See `PushNotices.ensure`. A hook is known by its URL, so none is made twice."""
        try:
            if await self._has_hook(bank_id):
                return False
            await self._client.create(
                NEW_HOOK,
                {"id": bank_id},
                {"url": self._url, "token": self._token, "push_events": True},
                is_there=lambda: self._has_hook(bank_id),
            )
        except AskError as error:
            raise await self._reason(key, error) from None
        return True

    async def _has_hook(self, bank_id: int) -> bool:
        pages = self._client.pages(
            HOOKS, {"id": bank_id}, {"per_page": PER_PAGE}, tell=lambda d: facts(Hook, d)
        )
        async with aclosing(pages):
            async for page in pages:
                if any(one.url == self._url and one.push_events for one in page.told):
                    return True
        return False

    async def _reason(
        self, key: str, error: AskError
    ) -> BankUnavailableError | HookRefusedError | ItemNotFoundError:
        await self._group.confirm(error)
        if is_refused(error, HTTPStatus.NOT_FOUND):
            return ItemNotFoundError(key, where=f"the item bank ({error})")
        is_for_rights = is_refused(error, HTTPStatus.FORBIDDEN)
        return HookRefusedError(key, reason=f"{error}; {_RIGHTS if is_for_rights else _OTHER}")
