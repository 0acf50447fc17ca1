"""A synchronization of a bank in which some repositories have pipes among their files."""

from contextlib import ExitStack

import pytest

from ingest.model.item import ProblemKind
from ingest.model.job import JobStatus
from tests.support.databases import row_count, rows
from tests.support.documents import item_content
from tests.support.job_bench import JobBench
from tests.support.pipes import pipe_at
from tests.support.repositories import FolderKind, Repository


@pytest.mark.parametrize("suffix", ["", ".git"])
async def test_a_pipe_keeps_no_other_item_out(
    folder: FolderKind, bench: JobBench, suffix: str
) -> None:
    """Completed, with a problem row for each, and the other items are in."""
    places = {7: "config", 8: "HEAD", 9: "packed-refs", 10: "refs/heads/main"}
    with ExitStack() as pipes:
        for id_, place in places.items():
            repository = Repository(folder.root / f"{id_}{suffix}")
            repository.commit(item_content(id_))
            pipes.enter_context(pipe_at(repository.path / ("" if suffix else ".git") / place))
        for id_ in (6, 11):
            folder.item(str(id_)).commit(item_content(id_))
        execution = await bench.synchronize()
    assert execution.status is JobStatus.COMPLETED
    assert (execution.counts.created, execution.counts.failed) == (2, len(places))
    assert await row_count(bench.database, "item") == 2
    found = await rows(bench.database, "SELECT bank_key, kind, message FROM ingest_problem")
    assert {int(row.bank_key) for row in found} == set(places)
    for row in found:
        assert row.kind == ProblemKind.UNREADABLE_REPOSITORY
        assert f"{places[int(row.bank_key)]} is no regular file" in row.message
