"""Many pushes in a short time, what their notifications came to, and synchronizations beside."""

import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from attrs import define, field, frozen

from tests.gitlab_show.asking import RefusedError, ask
from tests.gitlab_show.banks import Authors
from tests.gitlab_show.fake import Fake
from tests.gitlab_show.service import Service
from tests.gitlab_show.waiting import until

#: Enough that pushes are made when they are due.
_THREADS: Final = 8

_ACCEPTED: Final = 202


@frozen(kw_only=True)
class Push:
    """A push, and what became of its notification."""

    key: str
    commit: str
    #: When the fake had the answer by which the push was accepted, by the monotonic clock.
    accepted_at: float | None = None
    #: How long the answer took; None where no hook was called.
    answer_s: float | None = None


@define(eq=False, kw_only=True)
class Storm:
    """Pushes to random items, some of them several times."""

    fake: Fake
    people: Authors
    keys: list[str]
    pushes: int
    within_s: float
    seed: str

    def run(self) -> list[Push]:
        """Push, evenly over the time, and wait for what the hooks' receiver answers."""
        rng = Random(self.seed)  # noqa: S311 - to be repeated, not to be secret
        began = time.monotonic()
        with ThreadPoolExecutor(_THREADS) as pool:
            pushing = [
                pool.submit(
                    self._push, began + number * self.within_s / self.pushes, rng.choice(self.keys)
                )
                for number in range(self.pushes)
            ]
            made = [one.result() for one in pushing]
        called = sum(is_called for _, is_called in made)
        told = self._answers([push.commit for push, _ in made], called)
        return [_answered(push, told.get(push.commit)) for push, _ in made]

    def _push(self, at: float, key: str) -> tuple[Push, bool]:
        time.sleep(max(0.0, at - time.monotonic()))
        # The notification tells where the branch stands: nobody else may move it until then.
        with self.people.lock(key):
            commit = self.people.commit(key)
            return Push(key=key, commit=commit), self.fake.push(key)

    def _answers(self, commits: list[str], called: int) -> dict[str, dict[str, Any]]:
        """Wait for the ends of so many calls; return them by the commits they told of."""
        ours, told = set(commits), dict[str, dict[str, Any]]()

        def have_ended() -> bool:
            ended = (one for one in self.fake.deliveries(2 * len(ours)) if _has_ended(one))
            told.update((one["after"], one) for one in ended if one["after"] in ours)
            return len(told) == called

        until(have_ended, f"{called} calls of hooks have ended", look_every_s=0.2)
        return told


def _has_ended(delivery: dict[str, Any]) -> bool:
    return delivery["status"] is not None or delivery["error"] is not None


def _answered(push: Push, delivery: dict[str, Any] | None) -> Push:
    if delivery is None:
        return push
    answer_s = delivery["took_s"]
    is_accepted = delivery["status"] == _ACCEPTED
    return Push(
        key=push.key,
        commit=push.commit,
        accepted_at=delivery["at"] + answer_s if is_accepted else None,
        answer_s=answer_s,
    )


@define(eq=False)
class Beside:
    """Synchronizations, one after the other, of whatever process there is."""

    ours: Service
    completed: int = 0
    _over: threading.Event = field(factory=threading.Event)

    def run(self) -> None:
        """Synchronize until told to end, and wait for the last one."""
        while not self._over.is_set():
            try:
                execution = ask(self.ours.port, "POST", "/sync")["jobExecutionId"]
                self.completed += self._status(execution) == "COMPLETED"
            except (OSError, http.client.HTTPException, RefusedError):
                # It was killed just now, or its successor begins.
                self._over.wait(0.05)

    def _status(self, execution_id: int) -> str:
        """Wait for an execution's end, or for that of its process, which the next one records."""
        while (status := self.ours.stored_status(execution_id)) in {"STARTING", "STARTED"}:
            time.sleep(0.02)
        return status

    def end(self) -> None:
        """Begin no other one."""
        self._over.set()


@contextmanager
def synchronizing(ours: Service) -> Iterator[Beside]:
    """Synchronize again and again; on leaving, nothing runs."""
    beside = Beside(ours)
    thread = threading.Thread(target=beside.run, name="synchronizations beside")
    thread.start()
    try:
        yield beside
    finally:
        beside.end()
        thread.join()
