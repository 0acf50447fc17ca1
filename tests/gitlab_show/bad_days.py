"""GitLab on bad days: failures sprinkled, a page that fails for good, a token that loses rights."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Final

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
            "A 429 says Retry-After: 1, which holds all other requests back, too: those seconds "
            "are summed over the requests."
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
                    fake.sprinkle(share)
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
            table.must(run.retried == failed, f"{name}: {failed} failed, {run.retried} retried")
    return table


@define
class _Stored:
    """A bank that is stored whole, of which some projects have gone since."""

    fake: Fake
    ours: Service
    table: Table

    def judge(self, name: str, run: Run, says: Sequence[str]) -> None:
        """Take note of a run that must have failed, and deleted nothing."""
        stored = len(stored_keys(self.ours.database))
        self.table.rows.append(_row(name, run, stored))
        must = self.table.must
        must(run.status == "FAILED", f"{name}: {run.status}")
        must(stored == self.table.rows[0]["stored"], f"{name}: {stored} items are left")
        for part in says:
            must(part in run.message, f"{name}: {part} is not in {run.message}")


def _failing(stage: Stage) -> Table:
    table = Table(
        title="What must fail, and delete nothing",
        note=f"{_DELETED} projects had gone: the last row shows that they would be deleted.",
    )
    items = stage.sizes.failing
    bank, folder = stage.bank(items), stage.folder / "failing"
    with ExitStack() as stack:
        fake = stack.enter_context(fake_gitlab(bank, folder, seed=stage.seed))
        attempts = stage.sizes.attempts
        with service(fake, folder, gitlab_listing="graphql", gitlab_attempts=attempts) as ours:
            run = ours.outcome()
            stored = len(stored_keys(ours.database))
            table.rows.append(_row("a first synchronization", run, stored))
            for key in spread(keys_of(bank), _DELETED):
                fake.delete(key)
            found = _Stored(fake, ours, table)
            stage.say("a page that fails for good")
            fake.order("status", _GRAPHQL, status=502, nth=list(range(2, 1000)))
            found.judge("page 2 by GraphQL fails for good", ours.outcome(), ["page 2 of", "502"])
            fake.clear_faults()
            for standing, says in _LOSSES.items():
                stage.say(f"a token becomes {standing} in mid-run")
                _lose(found, standing, says)
        with service(fake, folder, gitlab_listing="group", gitlab_attempts=attempts) as ours:
            found = _Stored(fake, ours, table)
            stage.say("a page that fails for good, by REST")
            fake.order("status", "[?&]page=2(&|$)", status=500)
            found.judge("page 2 by REST fails for good", ours.outcome(), ["page 2 of", "500"])
            fake.clear_faults()
            run = ours.outcome()
            table.rows.append(_row("a good day", run, len(stored_keys(ours.database))))
            table.must(
                (run.status, run.counts["deleted"]) == ("COMPLETED", _DELETED),
                f"on a good day: {run.status}, {run.counts['deleted']} deleted",
            )
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
