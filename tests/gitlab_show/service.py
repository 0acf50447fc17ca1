"""The service as a process of its own, with a fake GitLab as its bank."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, frozen

from tests.bench.processes import Server, free_port, running
from tests.gitlab_show.fake import TOKEN, Fake

WEBHOOK_SECRET: Final = "a secret of the show's"  # noqa: S105 - a fake's

#: So many requests a second that only the machine limits them.
_NO_LIMIT: Final = "100000"


@frozen(kw_only=True)
class Run:
    """A job's execution that has ended."""

    status: str
    message: str
    counts: dict[str, int]
    #: Requests of the bank: made, made again, and the seconds for which they were held back.
    made: int
    retried: int
    waited_s: float
    took_s: float


@define
class Service(Server):
    """The service."""

    def start(self, path: str = "/sync") -> int:
        """Start a job; return its execution's id."""
        return int(self.ask("POST", path)[0]["jobExecutionId"])

    def outcome(self, path: str = "/sync") -> Run:
        """Run a job to its end, whatever that is."""
        return self.result(self.start(path))

    def result(self, execution_id: int) -> Run:
        """Wait for an execution's end, whatever that is."""
        self.until_ended(execution_id)
        return _run(self.ask("GET", f"/executions/{execution_id}")[0])


@contextmanager
def service(
    fake: Fake, folder: Path, *, port: int | None = None, **settings: str | float
) -> Iterator[Service]:
    """Run the service on the database of a folder, which is made if it is not there.

    Args:
        fake: Its bank.
        folder: Of the database, and of the log.
        port: Where it listens; None for where nobody does.
        settings: The configuration's keys as its variables of the environment have them, in lower
            case and without their prefix.
    """
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "ingest.db"
    port = port or free_port()
    command = ["ingest", "serve", "--port", f"{port}", "--database", f"{database}"]
    command += ["--bank", fake.bank_url]
    given = {"gitlab_max_requests_per_second": _NO_LIMIT, **settings}
    environment = {f"INGEST_{name.upper()}": f"{value}" for name, value in given.items()}
    environment |= {"INGEST_BANK_TOKEN": TOKEN, "INGEST_WEBHOOK_TOKEN": WEBHOOK_SECRET}
    # A log of its own for each process: what the one before has told stays.
    log = folder / f"service-{len(list(folder.glob('service-*')))}.log"
    started = running(command, port, log, path="/health/ready", settings=environment)
    with started as (connection, pid):
        yield Service(database, connection, pid)


def _run(document: dict[str, Any]) -> Run:
    asked = document["bankRequests"]
    began, ended = (datetime.fromisoformat(document[name]) for name in ("createTime", "endTime"))
    return Run(
        status=document["status"],
        message=document["exitMessage"],
        counts=document["counts"],
        made=asked["made"],
        retried=asked["retried"],
        waited_s=asked["waitedSeconds"],
        took_s=(ended - began).total_seconds(),
    )
