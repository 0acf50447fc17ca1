"""Which item bank the settings name. Each kind is imported only where it is the one."""

from ingest.bank.base import ItemBank, PushNotices
from ingest.bank.pace import Pace
from ingest.errors import ConfigurationError
from ingest.metrics.state import BankTraffic, NoTraffic
from ingest.settings import Settings


def create_bank(settings: Settings) -> ItemBank:
    """Return the item bank that the settings name. Nothing is asked of it yet."""
    bank = settings.bank
    if bank.is_gitlab:
        return _gitlab(settings)
    from ingest.bank.folder import FolderBank  # noqa: PLC0415
    from ingest.bank.one_repository import OneRepositoryBank  # noqa: PLC0415

    kind = OneRepositoryBank if bank.is_one_repository else FolderBank
    return kind(
        bank.path,
        pace=Pace(bank.max_items_per_second),
        ignore_projects=bank.ignore_projects,
        ignore_items=bank.ignore_items,
    )


def traffic_of(settings: Settings, bank: ItemBank) -> BankTraffic:
    """Return what counts the requests to a bank; nothing where there are none to count."""
    if settings.bank.is_gitlab:
        from ingest.bank.gitlab.bank import GitLabBank  # noqa: PLC0415

        if isinstance(bank, GitLabBank):
            return bank.transport
    return NoTraffic()


def push_notices(settings: Settings, bank: ItemBank) -> PushNotices | None:
    """Return how to make the bank tell of pushes; None where that is not wanted.

    Raises:
        ConfigurationError: It is wanted, and what it takes is missing.
    """
    webhook, token = settings.webhook, settings.secrets.webhook_token
    if not webhook.create_hooks:
        return None
    from ingest.bank.gitlab.bank import GitLabBank  # noqa: PLC0415
    from ingest.bank.gitlab.hooks import PushHooks  # noqa: PLC0415

    if not isinstance(bank, GitLabBank):
        raise ConfigurationError(
            "webhook.create_hooks = true: a bank that is no group of GitLab's has no hooks: "
            "set it to false, or bank.url to gitlab+https://HOST/GROUP"
        )
    if webhook.url is None or token is None:
        missing = "webhook.url" if webhook.url is None else "INGEST_WEBHOOK_TOKEN"
        raise ConfigurationError(f"webhook.create_hooks = true: it takes {missing}, too")
    return PushHooks(bank.client, bank.group, webhook.url, token)


def _gitlab(settings: Settings) -> ItemBank:
    from ingest.bank.gitlab.bank import GitLabBank  # noqa: PLC0415
    from ingest.bank.gitlab.listing import How  # noqa: PLC0415
    from ingest.bank.gitlab.projects import Scope  # noqa: PLC0415
    from ingest.bank.gitlab.transport import Limits  # noqa: PLC0415

    bank, gitlab, secrets = settings.bank, settings.gitlab, settings.secrets
    by_graphql = {"auto": None, "graphql": True}.get(gitlab.listing, False)
    return GitLabBank(
        bank.gitlab_origin,
        Scope(
            group=bank.gitlab_group,
            include_subgroups=gitlab.include_subgroups,
            include_archived=gitlab.include_archived,
        ),
        secrets.bank_token,
        limits=Limits(
            at_once=gitlab.max_requests_at_once,
            per_second=gitlab.max_requests_per_second,
            timeout_s=gitlab.request_timeout_s,
            attempts=gitlab.attempts,
            failures_in_a_row=gitlab.failures_in_a_row,
        ),
        how=How(
            graphql=by_graphql,
            by_membership=gitlab.listing == "membership",
            full_check_every=gitlab.full_check_every,
        ),
        pace=Pace(bank.max_items_per_second),
        ignore_projects=bank.ignore_projects,
        ignore_items=bank.ignore_items,
        hidden=[one for one in (secrets.webhook_token,) if one is not None],
    )
