"""Deletions that nobody has allowed: withheld, and shown until they are settled."""

import asyncio

from ingest.jobs.engine import Abandoned
from ingest.model.job import JobStatus
from ingest.storage.deletions import Withheld, WithheldBy
from ingest.storage.execution_queries import ExecutionQueries
from tests.support.job_bench import ASK, JobBench, Links

DEADLINE_S = 20


async def withheld(bench: JobBench) -> WithheldBy | None:
    """Return what waits for a person's word."""
    return await ExecutionQueries(bench.database).withheld_deletions()


async def test_a_cap_that_was_hit_shows_until_it_is_settled(links: Links, bench: JobBench) -> None:
    """55 of 195 are withheld; later runs that hit it again, or fail before, do not settle it."""
    links.put(200)
    await bench.synchronize()
    links.take(5)
    assert (await bench.synchronize()).counts.deleted == 5
    assert await withheld(bench) is None

    links.take(55)
    refused = await bench.synchronize()
    assert refused.status is JobStatus.FAILED
    assert refused.counts.deleted == 0
    assert "55 of 195 items are not in the item bank any more" in refused.exit_message
    assert "POST /sync?allow-deletes=55" in refused.exit_message
    expected = Withheld(missing=55, stored=195, allowed=10)
    assert await withheld(bench) == WithheldBy(execution_id=refused.id, withheld=expected)

    again = await bench.synchronize()
    assert await withheld(bench) == WithheldBy(execution_id=again.id, withheld=expected)
    await bench.synchronize(is_dry_run=True)
    assert await withheld(bench) is not None

    settled = await bench.synchronize(allow_deletes=55)
    assert (settled.status, settled.counts.deleted) == (JobStatus.COMPLETED, 55)
    assert await withheld(bench) is None


async def test_items_that_come_back_settle_it(links: Links, bench: JobBench) -> None:
    """A folder that was not mounted, and is again, needs nobody's word."""
    links.put(40)
    await bench.synchronize()
    links.take(30)
    await bench.synchronize()
    assert await withheld(bench) is not None
    links.put_back()
    assert (await bench.synchronize()).status is JobStatus.COMPLETED
    assert await withheld(bench) is None


async def test_the_configuration_may_allow_more_or_less(links: Links, bench: JobBench) -> None:
    """Its number takes the place of the rule; the word of a start is stronger."""
    links.put(40)
    await bench.synchronize()
    links.take(3)
    bench.allow_deletes = 2
    refused = await bench.synchronize()
    assert "3 of 40 items" in refused.exit_message
    assert "and 2 may be deleted" in refused.exit_message
    assert (await bench.synchronize(allow_deletes=3)).counts.deleted == 3
    links.take(20)
    bench.allow_deletes = 20
    assert (await bench.synchronize()).counts.deleted == 20


async def test_an_empty_bank_deletes_nothing_whatever_is_configured(
    links: Links, bench: JobBench
) -> None:
    """Only the word of a start can empty the database: the bank is more likely gone."""
    links.put(5)
    await bench.synchronize()
    links.take(5)
    bench.allow_deletes = 1000
    refused = await bench.synchronize()
    assert (refused.status, refused.counts.deleted) == (JobStatus.FAILED, 0)
    assert (await bench.synchronize(allow_deletes=5)).counts.deleted == 5


async def test_a_run_that_ends_before_it_has_deleted_settles_nothing(
    links: Links, bench: JobBench
) -> None:
    """Allowed, and then abandoned: what is withheld still shows, for it is still there."""
    links.put(40)
    await bench.synchronize()
    links.take(30)
    await bench.synchronize()
    bench.bank.halt_at_head = 1
    running = await bench.begin_synchronization(allow_deletes=30)
    async with asyncio.timeout(DEADLINE_S):
        await bench.bank.halted.wait()
        became = await bench.engine.abandon(running.instance, ASK, wait_s=DEADLINE_S)
    assert isinstance(became, Abandoned)
    assert became.execution.counts.deleted == 0
    assert await withheld(bench) is not None
    assert (await bench.synchronize(allow_deletes=30)).counts.deleted == 30
    assert await withheld(bench) is None
