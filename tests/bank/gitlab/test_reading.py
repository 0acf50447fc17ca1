"""Reading items of GitLab's: documents that are none, and what comes in between."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

import pytest
import structlog
from attrs import evolve
from structlog.testing import capture_logs

from ingest.bank.fake_gitlab.access import Standing
from ingest.bank.fake_gitlab.gitlab import FakeGitLab
from ingest.bank.pace import Pace
from ingest.errors import BankUnavailableError, ItemNotFoundError
from ingest.model.item import Ingested, ProblemKind, Rejected
from ingest.model.traffic import Meter, metered
from tests.support.bank_calls import changes, threads_at_work
from tests.support.gitlab_bench import (
    DEADLINE_S,
    GRAPHQL,
    REST,
    GitLabBench,
    derived,
    nothing_in_flight,
    wanted_of,
)
from tests.support.gitlab_kind import LIMITS

DOCUMENT: Final = "/repository/files/item.json/raw"

LFS: Final = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b" " * 5_242_881, ProblemKind.TOO_LARGE, id="huge"),
        pytest.param(LFS, ProblemKind.LFS_POINTER, id="LFS pointer"),
        pytest.param(b"<html>", ProblemKind.NOT_JSON, id="HTML in the repository"),
    ],
)
async def test_a_document_that_is_none_is_a_problem(
    bench: GitLabBench, content: bytes, kind: ProblemKind
) -> None:
    """Of this item at this revision; the others are read."""
    bench.item("7", content)
    bench.items("8")
    bank = bench.bank()
    (bad, good) = await derived(bank, await wanted_of(bank))
    assert isinstance(bad, Rejected)
    assert (bad.problem.kind, bad.revision) == (kind, (await wanted_of(bank))[0].revision)
    assert isinstance(good, Ingested)


#: What may come in the place of a document, and which words of it the problem must have.
INSTEAD: Final[Mapping[str, tuple[dict[str, Any], str]]] = {
    "login page": ({"kind": "login_page"}, "text/html"),
    "sent to sign in": ({"kind": "login_redirect"}, "302, sent on to /users/sign_in"),
    "500": ({"kind": "status", "status": 500}, "500"),
    "502": ({"kind": "status", "status": 502}, "HTML page"),
    "reset": ({"kind": "cut"}, "ServerDisconnectedError"),
    "cut body": ({"kind": "cut_body"}, "ClientPayloadError"),
    "truncated body": ({"kind": "truncated"}, "checksum"),
    "slow loris": ({"kind": "slow_body", "drip_s": 0.02}, "no whole answer within"),
    "stall": ({"kind": "stall"}, "no whole answer within"),
}


@pytest.mark.parametrize("name", INSTEAD)
async def test_what_comes_in_the_place_of_a_document_is_no_document(
    bench: GitLabBench, fake: FakeGitLab, name: str
) -> None:
    """Tried again it may come; for good it is a problem without a revision, to be read again."""
    fault, words = INSTEAD[name]
    bench.items("7", "8")
    is_slow = fault["kind"] in {"stall", "slow_body"}
    bank = bench.bank(limits=evolve(LIMITS, timeout_s=0.3 if is_slow else 5.0, attempts=2))
    wanted = await wanted_of(bank)
    path = f"/projects/{fake.project('7').id}{DOCUMENT}"
    order = fake.faults.add(path=path, **fault)
    bad, good = await derived(bank, wanted)
    assert isinstance(bad, Rejected)
    assert (bad.problem.kind, bad.revision) == (ProblemKind.NOT_ANSWERED, None)
    assert words in bad.problem.message
    assert isinstance(good, Ingested)
    fake.faults.remove(order)

    if name != "sent to sign in":  # which is a refusal, and so asked for once
        fake.faults.add(path=path, nth=1, **fault)
        assert [type(one) for one in await derived(bank, wanted)] == [Ingested, Ingested]


async def test_rights_that_are_lost_in_mid_reading_end_it(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Neither is an item taken for gone, nor its document for removed."""
    for standing, words in (
        (Standing.REVOKED, "INGEST_BANK_TOKEN"),
        (Standing.FORBIDDEN, "read_api"),
        (Standing.NO_GROUP, "no member"),
        (Standing.NO_PROJECTS, "shows none of its projects"),
    ):
        if not (bench.root / "7.git").exists():
            bench.item("7", b"1", b"2", b"3", b"4")
        fake.token.standing = Standing.VALID
        bank = bench.bank(limits=evolve(LIMITS, at_once=1))
        wanted = await wanted_of(bank)
        for stage in ("/repository/tree", "/repository/commits", DOCUMENT):
            fake.token.standing = Standing.VALID
            hold = fake.faults.add("stall", stage, nth=1)
            reading = asyncio.create_task(changes(bank, wanted))
            async with asyncio.timeout(DEADLINE_S):
                await hold.until_hanging(1)
            fake.token.standing = standing
            fake.faults.remove(hold)
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(BankUnavailableError, match=words):
                    await reading


async def test_one_item_that_goes_in_mid_reading_is_left_out(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Wherever its project disappears, it is no problem and no document that was removed."""
    bench.items("7", "8")
    bank = bench.bank(limits=evolve(LIMITS, at_once=1))
    wanted = (await wanted_of(bank))[:1]
    for stage in ("/repository/tree", "/repository/commits", DOCUMENT):
        fake.hide("7", hidden=False)
        hold = fake.faults.add("stall", stage, nth=1)
        reading = asyncio.create_task(changes(bank, wanted))
        async with asyncio.timeout(DEADLINE_S):
            await hold.until_hanging(1)
        fake.hide("7")
        fake.faults.remove(hold)
        async with asyncio.timeout(DEADLINE_S):
            assert await reading == []


async def test_a_document_that_the_root_has_and_nobody_finds_is_asked_for_again(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """A replica that lags behind answers 404: that is no removal, and nothing to be remembered."""
    bench.item("7", b"1", b"2", b"3", b"4")
    bench.items("8")
    bank = bench.bank()
    (wanted, _) = await wanted_of(bank)
    fake.faults.add("status", DOCUMENT, status=404)
    (read,) = await changes(bank, [wanted])
    assert isinstance(read, Rejected)
    assert read.revision is None
    with pytest.raises(ItemNotFoundError):
        await bank.read("7", wanted.revision)


async def test_a_forbidden_repository_is_a_problem_of_its_item(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """403 on one project, while the group is shown, says which role is missing there."""
    bench.items("7", "8")
    for how in (GRAPHQL, REST):
        bank = bench.bank(how=how)
        wanted = await wanted_of(bank)
        fake.faults.add("status", f"/projects/{fake.project('7').id}/repo", status=403)
        bad, good = await derived(bank, wanted)
        assert isinstance(bad, Rejected)
        assert bad.problem.kind is ProblemKind.UNREADABLE_REPOSITORY
        assert "Reporter" in bad.problem.message
        assert isinstance(good, Ingested)
        fake.faults.clear()


async def test_cancelled_at_any_point_a_reading_leaves_nothing_behind(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """No request on its way, no thread at work, no coroutine that was never awaited."""
    bench.item("7", *(b"%d" % number for number in range(6)))
    bank = bench.bank()
    wanted = await wanted_of(bank) * 3
    begun = fake.requests.total
    for turns in range(0, 120, 3):
        reading = asyncio.create_task(changes(bank, wanted))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({reading})
        assert threads_at_work() == []
    assert fake.requests.total > begun
    await nothing_in_flight(fake)


async def test_what_is_logged_of_a_document_belongs_to_the_run_that_asks(
    bench: GitLabBench, fake: FakeGitLab
) -> None:
    """Although a thread asks for it, each line and each request is told to be the run's."""
    bench.items("7")
    bank = bench.bank()
    wanted = await wanted_of(bank)
    fake.faults.add("status", DOCUMENT, nth=1, status=503)
    meter = Meter()
    with (
        capture_logs([structlog.contextvars.merge_contextvars]) as lines,
        structlog.contextvars.bound_contextvars(job_execution_id=14),
        metered(meter),
    ):
        await changes(bank, wanted)
    assert [line["job_execution_id"] for line in lines] == [14]
    assert (meter.requests, meter.retried) == (4, 1)


async def test_the_number_of_items_a_second_is_capped(bench: GitLabBench) -> None:
    """Reading is paced, whatever GitLab would bear; listing is not."""
    bench.many(range(1, 26))
    bank = bench.bank(pace=Pace(20))
    loop = asyncio.get_running_loop()
    wanted = await wanted_of(bank)
    begun = loop.time()
    async with aclosing(bank.read_changes(wanted, lambda history: history.key)) as slices:
        assert len([one async for some in slices for one in some]) == 25
    assert loop.time() - begun >= 5 / 20 - 0.02
