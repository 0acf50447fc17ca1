"""The commands against a running service."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import Result

Run = Callable[..., Result]
Serve = Callable[[web.Application], str]

NOWHERE = "http://127.0.0.1:9"


def test_sync_waits_for_its_end(run: Run, service: str) -> None:
    """A synchronization that is waited for ends with 0, and what it did can be looked at."""
    environ = {"INGEST_URL": service}
    result = run("sync", "--wait", "--reason", "nightly", **environ)
    assert result.exit_code == 0, result.output
    first, *_, last = result.stdout.splitlines()
    assert first == "Started itemSynchronizationJob successfully (job execution 1)"
    assert last.startswith("Job execution 1 COMPLETED: 12 read, 12 created")

    header, row = run("executions", "--job", "sync", **environ).stdout.splitlines()
    assert header.split("\t")[:3] == ["id", "name", "status"]
    assert row.split("\t")[:3] == ["1", "itemSynchronizationJob", "COMPLETED"]
    assert "status\tCOMPLETED" in run("execution", "1", "--follow", **environ).stdout
    jobs = run("jobs", **environ).stdout.splitlines()
    assert [line.split("\t")[1] for line in jobs[1:]] == [
        "itemSynchronizationJob",
        "itemMigrationJob",
    ]
    found = run("items", "--limit", 2, **environ)
    assert [line.split("\t")[0] for line in found.stdout.splitlines()] == [
        "itemId",
        "100001",
        "100002",
    ]
    assert "--after 100002" in found.stderr
    assert json.loads(run("problems", "--json", **environ).stdout) == {"problems": [], "next": None}


def test_a_dry_run_says_what_it_would_do(run: Run, service: str) -> None:
    """With --dry-run --wait a sync writes nothing; the ids are one command away."""
    environ = {"INGEST_URL": service}
    done = run("sync", "--dry-run", "--wait", **environ)
    assert done.exit_code == 0
    assert "to be created: 12" in done.stdout
    shown = run("execution", "1", "--changes", **environ).stdout.splitlines()
    assert shown[0] == "itemId\tchange"
    assert len(shown) == 1 + 12
    assert {line.split("\t")[1] for line in shown[1:]} == {"CREATED"}
    assert "created\t12" in run("execution", "1", **environ).stdout
    assert run("sync", "--item", 5, "--dry-run", **environ).exit_code == 2
    assert run("sync", "--wait", **environ).exit_code == 0
    assert run("execution", "2", "--changes", **environ).exit_code == 1


def test_migrate_waits_and_answers_in_json(run: Run, service: str) -> None:
    """With --json, a job that is waited for leaves one document on stdout: its last."""
    result = run("migrate", "--wait", "--from-stored", "--json", "--url", service)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["status"] == "COMPLETED"


def test_one_item(run: Run, service: str) -> None:
    """One item is brought in step at once; one that nobody knows is exit code 1."""
    assert run("sync", "--item", 100001, "--url", service).stdout == "Item 100001: CREATED\n"
    unknown = run("sync", "--item", 5, "--url", service)
    assert unknown.exit_code == 1
    assert "item 5" in unknown.stderr
    assert run("sync", "--item", 5, "--allow-deletes", 1, "--url", service).exit_code == 2


def test_where_an_execution_stands(run: Run, slow_service: str) -> None:
    """--stack shows the lines of the code, outermost first, of what runs."""
    environ = {"INGEST_URL": slow_service}
    assert run("sync", **environ).exit_code == 0
    shown = run("execution", "1", "--stack", **environ).stdout.splitlines()
    stack = [line for line in shown if line.startswith("stack\t")]
    assert stack[0].startswith("stack\tingest/jobs/local.py:")
    assert "stack" not in run("execution", "1", **environ).stdout
    assert run("execution", "1", "--stack", "--follow", **environ).exit_code == 2


def test_abandon_by_name_and_by_id(run: Run, slow_service: str) -> None:
    """A running job is refused a second start, and is abandoned by its name or instance id."""
    environ = {"INGEST_URL": slow_service}
    assert json.loads(run("sync", "--json", **environ).stdout)["status"] == "STARTING"
    again = run("sync", **environ)
    assert again.exit_code == 1
    assert "already running" in again.stderr
    assert run("abandon", "sync", "--execution", 99, **environ).exit_code == 1
    first = run("abandon", "sync", **environ)
    assert first.exit_code == 0
    assert first.stdout == (
        '{"jobExecutionId":1,"jobInstanceId":1,"name":"itemSynchronizationJob",'
        '"status":"ABANDONED","message":"Job Execution 1 for Job itemSynchronizationJob '
        'abandoned successfully"}\n'
    )
    second = run("abandon", "1", **environ)
    assert second.exit_code == 0
    assert json.loads(second.stdout)["status"] == "NO JOB EXECUTIONS"
    assert run("abandon", "99", **environ).exit_code == 1
    assert run("abandon", "nothing", **environ).exit_code == 2


@pytest.mark.parametrize("command", [["sync", "--wait"], ["jobs"], ["abandon", "1"]])
def test_no_service(run: Run, command: list[str]) -> None:
    """Where nothing answers, one line names the address and the way out: exit code 1."""
    result = run(*command, "--url", NOWHERE)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"ingest: No service answers at {NOWHERE} (Connection refused): start one with ingest "
        "serve, or name another with --url or INGEST_URL\n"
    )


@pytest.mark.parametrize("url", ["localhost:9081", "ftp://x", "http://", "http://x:99999"])
def test_no_url(run: Run, url: str) -> None:
    """An address that is no URL is bad usage."""
    assert run("jobs", "--url", url).exit_code == 2


def test_token_comes_from_file_or_environment(run: Run, serve: Serve, tmp_path: Path) -> None:
    """The token is sent as a bearer token; the file that a flag names is the stronger."""
    seen = []

    async def jobs(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({"jobs": [], "next": None})

    app = web.Application()
    app.router.add_get("/jobs", jobs)
    url = serve(app)
    file = tmp_path / "token"
    file.write_text("from-file\n")
    environ = {"INGEST_TOKEN": "from-environment"}
    run("jobs", "--url", url)
    run("jobs", "--url", url, **environ)
    run("jobs", "--url", url, "--token-file", file, **environ)
    assert seen == [None, "Bearer from-environment", "Bearer from-file"]
    missing = run("jobs", "--url", url, "--token-file", tmp_path / "none")
    assert missing.exit_code == 2
    assert str(tmp_path / "none") in missing.stderr


def _execution(status: str) -> dict[str, object]:
    counts = dict.fromkeys(("read", "created", "updated", "unchanged", "deleted", "failed"), 0)
    progress = {"total": None, "processed": 3, "itemsPerSecond": None, "etaSeconds": None}
    message = "the bank \x1b[2Jwent away" if status == "FAILED" else None
    return {
        "jobExecutionId": 14,
        "status": status,
        "exitMessage": message,
        "counts": counts,
        "progress": progress,
    }


def test_wait_outlives_a_broken_stream(run: Run, serve: Serve) -> None:
    """When the stream breaks, the execution is asked for; its failure is exit code 1, cleanly."""

    async def start(_: web.Request) -> web.Response:
        return web.json_response({"jobExecutionId": 14, "jobInstanceId": 1, "message": "Started"})

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        sent = json.dumps(_execution("STARTED"))
        await response.write(f": ping\n\ndata: {sent}\n\ndata: {{".encode())
        assert request.transport is not None
        request.transport.abort()
        return response

    async def execution(_: web.Request) -> web.Response:
        return web.json_response(_execution("FAILED"))

    app = web.Application()
    app.router.add_post("/sync", start)
    app.router.add_get("/executions/14/events", events)
    app.router.add_get("/executions/14", execution)
    result = run("sync", "--wait", "--url", serve(app))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("Job execution 14 FAILED: 0 read")
    assert result.stderr == "ingest: Job execution 14 FAILED: the bank went away\n"


def test_something_else_answers(run: Run, serve: Serve) -> None:
    """A server that is another one is no service: one line, exit code 1."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/jobs", page)
    result = run("jobs", "--url", serve(app))
    assert result.exit_code == 1
    assert "is not the Item Ingest Service" in result.stderr
