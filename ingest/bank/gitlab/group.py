"""The group whose projects are the items: whether it is there, and what its silence means."""

from collections.abc import Mapping
from http import HTTPStatus

from ingest.bank.gitlab.answers import excerpt
from ingest.bank.gitlab.api import GROUP
from ingest.bank.gitlab.client import Answer, Client
from ingest.bank.gitlab.facts import Group, fact
from ingest.bank.gitlab.failures import AskError, GaveUpError, RefusedError
from ingest.errors import BankUnavailableError

_RIGHTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: (
        "GitLab does not accept the token: put a valid one of scope read_api into "
        "INGEST_BANK_TOKEN, or into the file that INGEST_BANK_TOKEN_FILE names"
    ),
    HTTPStatus.FORBIDDEN: (
        "the token may not do this: it needs the scope read_api, and its user the role Reporter "
        "in the group"
    ),
    HTTPStatus.NOT_FOUND: (
        "the group is not there, or the token's user is no member of it, which GitLab does not "
        "tell apart: see to both"
    ),
}


class ItemGroup:
    """A group of GitLab's.

    Args:
        client: Where to ask.
        path: Its full path.
    """

    def __init__(self, client: Client, path: str) -> None:
        self.path = path
        self._client = client

    def __str__(self) -> str:
        return f"{self._client.transport.origin}/{self.path}"

    async def look(self) -> Answer[Group]:
        """Return the group, as proof that what is not found in it is not there.

        Raises:
            BankUnavailableError: It cannot be had; the message says which right may be missing.
        """
        try:
            answer = await self._client.ask(
                GROUP,
                {"id": self.path},
                {"with_projects": "false"},
                tell=lambda d: fact(Group, d),
            )
        except AskError as error:
            raise self.unavailable(error) from None
        full_path = answer.told.full_path
        # GitLab finds a group whatever its case, by its number, and by a path that it had before.
        if full_path.casefold() != self.path.casefold():
            raise BankUnavailableError(
                f"The item bank {self} cannot be read: the path of that group is "
                f"{excerpt(full_path)}: put it into bank.url"
            )
        return answer

    async def confirm(self, error: AskError) -> None:
        """Return if *error* is about one project only: the group itself can still be had.

        Raises:
            BankUnavailableError: It is about the whole bank.
        """
        if isinstance(error, GaveUpError) or is_refused(error, HTTPStatus.UNAUTHORIZED):
            raise self.unavailable(error)
        await self.look()

    def unavailable(
        self, error: AskError, *, part: str = "", way_out: str | None = None
    ) -> BankUnavailableError:
        """Return what to raise where *error* stands in the way of the whole bank, or of a *part*.

        The way out that it names, where none is given, is the right that is missing, if it is one.
        """
        rights = _RIGHTS.get(error.status) if isinstance(error, RefusedError) else None
        way_out = way_out or rights or "see what GitLab's operators say, and start again later"
        return BankUnavailableError(
            f"The item bank {self} cannot be read{part and f', {part}'}: {error}; {way_out}"
        )

    def shows_none(self) -> BankUnavailableError:
        """Return what to raise where the group shows no project any more, and did a moment ago."""
        return BankUnavailableError(
            f"The item bank {self} cannot be read: it shows none of its projects any more; give "
            "the token's user the role Reporter in the group, and not only in its parent"
        )


def is_refused(error: AskError, *statuses: HTTPStatus) -> bool:
    """Return whether GitLab has refused with one of these."""
    return isinstance(error, RefusedError) and error.status in statuses
