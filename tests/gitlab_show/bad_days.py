"""GitLab on bad days: failures sprinkled, a page that fails for good, a token that loses rights."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import define

from tests.bench.digests import differing, digests
from tests.gitlab_show.banks import keys_of, spread
from tests.gitlab_show.fake import Fake, fake_gitlab
from tests.gitlab_show.report import Cell, Table
from tests.gitlab_show.service import Run, Service, service
from tests.gitlab_show.stage import Stage
from tests.soak.evidence import stored_keys

SHARE: Final = 0.1

#: So few that a listing that is whole needs nobody's word to delete them.
_DELETED: Final = 3

_GRAPHQL: Final = "/api/graphql"

#: The requests for the second page, by the way of listing.
_PAGE_2: Final[dict[str, dict[str, Any]]] = {
    "graphql": {"path": _GRAPHQL, "status": 502, "nth": list(range(2, 1000))},
    "group": {"path": "[?&]page=2(&|$)", "status": 502},
}

#: What a token may be worth from one request to the next, and what the run must say of it.
_LOSSES: Final = {
    "revoked": "INGEST_BANK_TOKEN",
    "forbidden": "Reporter",
    "no_group": "no member of it",
}


def show(stage: Stage) -> Iterable[Table]:
    """Run what must succeed all the same, then what must fail and delete nothing."""
    yield _sprinkled(stage)
    yield _failing(stage)


def _sprinkled(stage: Stage) -> Table:
    table = Table(
        title=f"429, 500 and 502 in {SHARE:.0%} of all requests",
        note=(
            f"A 429 says Retry-After: {stage.sizes.retry_after_s}, which holds all other requests "
            "back, too: those seconds are summed over the requests."
        ),
    )
    items = stage.sizes.disturbed
    bank, folder = stage.bank(items), stage.folder / "sprinkled"
    found = {}
    with fake_gitlab(bank, folder, seed=stage.seed) as fake:
        for name, share, listing in (
            ("undisturbed", 0.0, "graphql"),
            *((f"disturbed, by {one}", SHARE, one) for one in stage.sizes.disturbed_listings),
        ):
            stage.say(f"first sync of {items:,} items, {name}")
            with service(fake, folder / name, gitlab_listing=listing) as ours:
                if share:
                    fake.sprinkle(share, retry_after_s=stage.sizes.retry_after_s)
                fake.clear_requests()
                run = ours.outcome()
            heard, failed = fake.requests()["total"], fake.done()
            fake.clear_faults()
            found[name] = digests(folder / name / "ingest.db")
            different = differing(found["undisturbed"], found[name])
            table.rows.append(
                {
                    "synchronization": name,
                    "items": items,
                    "status": run.status,
                    "made": run.made,
                    "failed on order": failed,
                    "retried": run.retried,
                    "held back, s": run.waited_s,
                    "seconds": run.took_s,
                    "rows": f"differ in {', '.join(different)}" if different else "equal",
                }
            )
            table.must(run.status == "COMPLETED", f"{name}: {run.status}, {run.message}")
            table.must(not different, f"{name}: other rows in {', '.join(different)}")
            table.must(run.made == heard, f"{name}: {run.made} requests told, {heard} heard")
            table.must(bool(failed) == bool(share), f"{name}: {failed} requests failed")
            table.must(run.retried == failed, f"{name}: {failed} failed, {run.retried} retried")
    return table


@define
class _Stored:
    """A bank that is stored whole, of which some projects have gone since."""

    fake: Fake
    ours: Service
    table: Table

    def begin(self, keys: list[str]) -> None:
        """Store the whole bank; then let some of its projects go."""
        self.table.rows.append(_row("a first synchronization", self.ours.outcome(), self._count()))
        for key in spread(keys, _DELETED):
            self.fake.delete(key)

    def end(self) -> None:
        """Show that on a good day those that have gone are deleted."""
        run = self.ours.outcome()
        self.table.rows.append(_row("a good day", run, self._count()))
        found = run.status, run.counts["deleted"]
        self.table.must(found == ("COMPLETED", _DELETED), f"a good day: {found}, {run.message}")

    def judge(self, name: str, run: Run, says: Sequence[str]) -> None:
        """Take note of a run that must have failed, and deleted nothing."""
        stored = self._count()
        self.table.rows.append(_row(name, run, stored))
        must = self.table.must
        must(run.status == "FAILED", f"{name}: {run.status}")
        must(stored == self.table.rows[0]["stored"], f"{name}: {stored} items are left")
        for part in says:
            must(part in run.message, f"{name}: {part} is not in {run.message}")

    def _count(self) -> int:
        return len(stored_keys(self.ours.database))


def _failing(stage: Stage) -> Table:
    table = Table(
        title="What must fail, and delete nothing",
        note=f"{_DELETED} projects had gone: the last row shows that they would be deleted.",
    )
    bank, folder = stage.bank(stage.sizes.failing), stage.folder / "failing"
    with fake_gitlab(bank, folder, seed=stage.seed) as fake:
        for listing in reversed(stage.sizes.disturbed_listings):
            with service(
                fake,
                folder,
                gitlab_listing=listing,
                gitlab_attempts=stage.sizes.attempts,
                gitlab_failures_in_a_row=stage.sizes.failures_in_a_row,
            ) as ours:
                found = _Stored(fake, ours, table)
                if not table.rows:
                    found.begin(keys_of(bank))
                stage.say(f"a page that fails for good, listing = {listing}")
                fake.order("status", **_PAGE_2[listing])
                name = f"page 2 fails for good, listing = {listing}"
                found.judge(name, ours.outcome(), ["page 2 of", "502"])
                fake.clear_faults()
                if listing == "graphql":
                    for standing, says in _LOSSES.items():
                        stage.say(f"a token becomes {standing} in mid-run")
                        _lose(found, standing, says)
                    found.end()
    return table


def _lose(found: _Stored, standing: str, says: str) -> None:
    """Let the token lose its rights while the second page is on its way."""
    found.fake.order("stall", _GRAPHQL, nth=2)
    execution_id = found.ours.start()
    found.fake.until_hanging(1)
    found.fake.make_token(standing)
    found.fake.clear_faults()
    found.judge(f"the token becomes {standing} in mid-run", found.ours.result(execution_id), [says])
    found.fake.make_token("valid")


def _row(what: str, run: Run, stored: int) -> dict[str, Cell]:
    return {
        "what": what,
        "status": run.status,
        "deleted": run.counts["deleted"],
        "stored": stored,
        "requests": run.made,
        "seconds": run.took_s,
        "message": run.message,
    }
