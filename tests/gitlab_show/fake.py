"""The fake GitLab as a process of its own, told over HTTP what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ingest.bank.fake_gitlab.gitlab import DEFAULT_GROUP
from tests.bench.processes import free_port, running
from tests.gitlab_show.asking import ask
from tests.gitlab_show.waiting import until

TOKEN: Final = "glpat-of-the-show"  # noqa: S105 - a fake's

Json = dict[str, Any]


@frozen
class Fake:
    """A fake GitLab that runs. May be used by several threads."""

    port: int
    pid: int

    @property
    def bank_url(self) -> str:
        """Return the address of the item bank that it serves."""
        return f"gitlab+http://127.0.0.1:{self.port}/{DEFAULT_GROUP}"

    def ask(self, method: str, path: str, document: Json | None = None) -> Any:
        """See `ask`."""
        return ask(self.port, method, path, document)

    def requests(self) -> Json:
        """Return what it was asked since that was last cleared."""
        found: Json = self.ask("GET", "/fake/requests")
        return found

    def clear_requests(self) -> None:
        """Count requests from nought again."""
        self.ask("DELETE", "/fake/requests")

    def order(self, kind: str, path: str = "", **details: Any) -> None:
        """Order a fault."""
        self.ask("POST", "/fake/faults", {"kind": kind, "path": path, **details})

    def sprinkle(self, share: float, *, retry_after_s: int) -> None:
        """Fail this share of requests, as `Faults.sprinkle` does."""
        part = share / 3
        headers = {"Retry-After": f"{retry_after_s}"}
        self.order("status", share=part, status=429, headers=headers)
        self.order("status", share=part / (1 - part), status=500)
        self.order("status", share=part / (1 - 2 * part), status=502)

    def clear_faults(self) -> None:
        """Take all orders back; what hangs goes on."""
        self.ask("DELETE", "/fake/faults")

    def done(self) -> int:
        """Return to how many requests something was done on order."""
        return sum(one["done"] for one in self.ask("GET", "/fake/faults"))

    def hanging(self) -> int:
        """Return how many requests hang just now."""
        return sum(one["hanging"] for one in self.ask("GET", "/fake/faults"))

    def until_hanging(self, requests: int) -> None:
        """Wait until so many requests hang."""
        until(lambda: self.hanging() == requests, f"{requests} requests hang at the fake GitLab")

    def make_token(self, standing: str) -> None:
        """Say what the token is worth from now on."""
        self.ask("POST", "/fake/token", {"standing": standing})

    def delete(self, key: str) -> None:
        """Delete a project; its repository stays in the folder."""
        self.ask("POST", f"/fake/projects/{key}/delete")

    def push(self, key: str) -> bool:
        """Tell that a project was pushed to; return whether a hook is called for it."""
        return bool(self.ask("POST", f"/fake/push/{key}")["called"])

    def deliveries(self, last: int) -> list[Json]:
        """Return the last calls of hooks, oldest first."""
        found: list[Json] = self.ask("GET", f"/fake/deliveries?last={last}")
        return found


@contextmanager
def fake_gitlab(bank: Path, folder: Path, *, seed: int) -> Iterator[Fake]:
    """Serve a bank; *folder* gets the log."""
    folder.mkdir(parents=True, exist_ok=True)
    token_file = folder / "token"
    token_file.write_text(TOKEN)
    port = free_port()
    command = ["ingest", "bank", "fake-gitlab", f"{bank}", "--port", f"{port}"]
    command += ["--token-file", f"{token_file}", "--seed", f"{seed}"]
    with running(command, port, folder / "fake.log", path="/fake/faults") as (_, pid):
        yield Fake(port, pid)
