"""A sample item bank: a folder of git repositories with histories, the same for the same seed."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from attrs import frozen

from ingest.bank.sample_documents import types_at
from ingest.bank.sample_git import SampleHistory, write_repository
from ingest.bank.sample_history import SampleItem, write_history
from ingest.bank.sample_one_repository import ONE_REPOSITORY_ITEMS_MAX, OneRepositorySample
from ingest.bank.sample_problems import write_bad_item
from ingest.errors import InvalidValueError

FIRST_ID = 100_001
ITEMS_MAX = 1_000_000


@frozen(kw_only=True)
class SampleSummary:
    """What a sample bank holds."""

    items: int
    by_type: Mapping[str, int]
    stimuli: int
    #: Items whose latest document has a Spanish translation.
    with_spanish: int
    first_id: int
    #: The last good item's; the bad ones have those after it.
    last_id: int
    #: The problem that each bad item is made to have, by the key that the bank gives it.
    problems: Mapping[str, str]


def make_sample_bank(
    directory: Path,
    *,
    items: int,
    seed: int = 1,
    bad: int = 0,
    one_repository: bool = False,
    progress: Callable[[int], None] | None = None,
) -> SampleSummary:
    """Make a bank of *items* repositories, and the directory if it is not there yet.

    With *one_repository* the directory becomes one repository with a folder for each item instead:
    the same documents, the same commits but for the empty ones. Or else *bad* items may be added
    that cannot be ingested, one of every kind of problem in turn.

    An item is the same in a bank of any size, but for a link to a stimulus that a smaller bank does
    not reach. *progress* is told after each item how many are done. When interrupted, it leaves the
    repositories made until then, the last of them possibly unfinished: remove the directory before
    trying again.

    Raises:
        InvalidValueError: A number of items is out of range, bad ones are wanted in one repository,
            or the directory holds something.
        OSError: The directory cannot be written.
    """
    _refuse_number(items, 1, ONE_REPOSITORY_ITEMS_MAX if one_repository else ITEMS_MAX, "items")
    _refuse_number(bad, 0, 0 if one_repository else ITEMS_MAX, "bad items")
    _refuse_use(directory)
    directory.mkdir(parents=True, exist_ok=True)
    together = OneRepositorySample(directory) if one_repository else None
    by_type: Counter[str] = Counter()
    problems: dict[str, str] = {}
    with_spanish = 0
    last_id = FIRST_ID + items - 1
    for done, item_id in enumerate(range(FIRST_ID, last_id + bad + 1), start=1):
        if item_id <= last_id:
            item = _write_item(item_id, last_id, seed)
            if together is None:
                write_repository(directory / f"{item_id}", item.history)
            else:
                together.add(f"{item_id}", item.history.objects, item.history.commits)
            by_type[item.document["type"]] += 1
            with_spanish += item.is_translated
        else:
            number = item_id - last_id - 1
            rng = Random(f"{seed}/bad/{number}")  # noqa: S311  # a sample is no secret
            key, kind = write_bad_item(directory, item_id, number, SampleHistory(rng))
            problems[key] = kind.value
        if progress is not None:
            progress(done)
    if together is not None:
        together.finish()
    return SampleSummary(
        items=items,
        by_type=dict(sorted(by_type.items())),
        stimuli=by_type["stim"],
        with_spanish=with_spanish,
        first_id=FIRST_ID,
        last_id=last_id,
        problems=problems,
    )


def _write_item(item_id: int, last_id: int, seed: int) -> SampleItem:
    types = types_at(item_id - FIRST_ID, first_id=FIRST_ID, seed=seed)
    history = SampleHistory(Random(f"{seed}/{item_id}"))  # noqa: S311  # a sample is no secret
    stimulus_id = history.rng.choice([key for key, kind in types.items() if kind == "stim"])
    is_linked = history.chance(40) and types[item_id] not in ("stim", "tut")
    identity = {"id": f"{item_id}", "type": types[item_id]}
    # Drawn in any case, so that all the rest of the item is the same without a link.
    link = history.rng.choice((str, int))(stimulus_id)
    stimulus = link if is_linked and stimulus_id <= last_id else None
    return write_history(history, identity, stimulus)


def _refuse_number(number: int, least: int, most: int, what: str) -> None:
    if not least <= number <= most:
        raise InvalidValueError(
            f"A sample bank cannot have {number} {what}: ask for a number from {least} to {most}"
        )


def _refuse_use(directory: Path) -> None:
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise InvalidValueError(
            f"{directory} is there already and is not an empty directory: "
            "name one that is not there yet, or empty it first"
        )
