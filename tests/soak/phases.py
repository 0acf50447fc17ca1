"""The phases of the service's work in which a process can be made to die, or told to end."""

from typing import Final

from attrs import frozen

#: A moment of the service's work: kind, pattern, the so-manieth time.
Step = tuple[str, str, int]


@frozen(kw_only=True)
class Mix:
    """How often clients do what, relative to each other."""

    start: int = 4
    abandon: int = 3
    look: int = 2
    single: int = 2
    hang_up_percent: int = 10
    #: Of the abandons.
    no_wait_percent: int = 7


BUSY: Final = Mix()
CALM: Final = Mix(start=1, abandon=0, look=6, single=1, hang_up_percent=5)
WORKING: Final = Mix(start=5, abandon=1, look=2, single=2)
STOPPING: Final = Mix(start=6, abandon=5, look=1, single=1)
#: Abandons that do not wait: then it goes on record that the work is stopping.
IMPATIENT: Final = Mix(start=6, abandon=5, look=1, single=1, no_wait_percent=70)


@frozen(kw_only=True)
class Phase:
    """A phase of the service's work in which the process is to die."""

    #: Alternatives, each an ordered row of moments; empty where the blow comes from outside.
    ways: tuple[tuple[Step, ...], ...] = ()
    #: The longest delay between the last moment and the blow; half of the blows have none.
    delay_ms: float = 2.0
    mix: Mix = WORKING
    #: How often it is drawn, relative to others.
    weight: int = 2
    #: How long its moment is waited for.
    within_s: float = 1.5
    #: How many items a second the bank may be asked for.
    rates: tuple[float | None, ...] = (None, 1000.0, 400.0, 150.0)
    #: How many items are taken away before.
    removals: int = 0


_COMMIT: Final[Step] = ("commit", "", 1)
_BECOMES: Final = r"^UPDATE batch_job_execution SET version.*\|\d+,"

#: The phases of rounds in which it is asked to end.
TERM: Final = "SIGTERM"
TERM_EARLY: Final = "SIGTERM at start"

#: A client kills it a moment after it has sent an abandon. Most wind-downs are too brief for a row.
ABANDON_SENT: Final = "wind-down: brief"
#: A client kills it when it has read this answer.
AFTER_ABANDON: Final = "answered: abandon"
AFTER_START: Final = "answered: start"
RECOVERY: Final = "recovery"
SHUTDOWN: Final = "shutdown"
SCHEMA: Final = "schema"
ANY: Final = "any time"

PHASES: Final[dict[str, Phase]] = {
    "start: row inserted": Phase(ways=((("sql", r"^INSERT INTO batch_job_execution \(", 1),),)),
    "start: STARTING": Phase(ways=((("log", '"event":"job started"', 1),),), delay_ms=0.5),
    "start: marked STARTED": Phase(
        ways=((("sql", r"^INSERT INTO batch_step_execution", 1),),), delay_ms=1.0
    ),
    "scan": Phase(ways=((("sql", r"^INSERT INTO bank_scan", 1), _COMMIT),), delay_ms=4.0, weight=4),
    "read": Phase(ways=((("sql", r"FROM ingest_problem\b", 1),),), delay_ms=20.0, weight=4),
    "write": Phase(
        weight=6,
        ways=tuple(
            (("sql", pattern, 1),)
            for pattern in (
                r"^INSERT INTO item \(",
                r"^INSERT INTO item_git",
                r"^INSERT INTO item_log",
                r"^INSERT INTO item_keyword",
                r"^INSERT INTO item_attachment",
                r"^INSERT INTO item_form",
                r"^INSERT INTO item_content_update_need",
                r"^INSERT INTO item_assignment",
                r"^UPDATE item SET",
                r"^UPDATE item_git",
                r"^DELETE FROM item_keyword",
                r"^DELETE FROM item WHERE",
                r"^(INSERT INTO|UPDATE|DELETE FROM) ingest_problem",
                r"^UPDATE batch_job_execution_progress",
                r"^UPDATE bank_scan",
                r"^(INSERT INTO|UPDATE) batch_job_execution_context",
            )
        ),
    ),
    "commit": Phase(
        ways=(
            (("sql", r"^INSERT INTO item_log", 1), _COMMIT),
            (("sql", r"^UPDATE batch_step_execution", 2), _COMMIT),
        ),
        delay_ms=4.0,
        weight=4,
    ),
    ABANDON_SENT: Phase(mix=STOPPING, weight=6, delay_ms=15.0),
    "wind-down: STOPPING on record": Phase(
        ways=((("sql", _BECOMES + "STOPPING,", 1), _COMMIT),), mix=IMPATIENT, weight=4
    ),
    "end being recorded": Phase(
        ways=(
            (("sql", _BECOMES + "ABANDONED,", 1),),
            (("sql", _BECOMES + "ABANDONED,", 1), _COMMIT),
        ),
        mix=STOPPING,
        delay_ms=4.0,
        weight=4,
    ),
    "delete": Phase(
        ways=(
            (("sql", r"^DELETE FROM item WHERE", 1),),
            (("sql", r"^DELETE FROM item WHERE", 1), _COMMIT),
        ),
        mix=CALM,
        weight=3,
        within_s=4.0,
        rates=(None,),
        removals=2,
    ),
    "completion": Phase(
        ways=(
            (("sql", _BECOMES + "COMPLETED,", 1),),
            (("sql", _BECOMES + "COMPLETED,", 1), _COMMIT),
            (("log", r'"status":"COMPLETED"', 1),),
        ),
        mix=CALM,
        weight=3,
        within_s=4.0,
        rates=(None,),
        removals=1,
    ),
    AFTER_ABANDON: Phase(mix=STOPPING, weight=4),
    AFTER_START: Phase(weight=3),
    SHUTDOWN: Phase(
        ways=(
            (("log", '"event":"service stopping"', 1),),
            (("log", '"event":"service stopping"', 1), ("sql", _BECOMES + "STOPP", 1)),
            (("log", '"event":"service stopping"', 1), ("sql", _BECOMES + "STOPPED,", 1), _COMMIT),
        ),
        delay_ms=6.0,
        mix=WORKING,
        weight=4,
        rates=(100.0,),
    ),
    RECOVERY: Phase(
        ways=(
            (("sql", _BECOMES + "FAILED,", 1),),
            (("sql", r"^INSERT INTO batch_job_execution_event", 1),),
            (("sql", _BECOMES + "FAILED,", 1), _COMMIT),
        ),
        weight=6,
    ),
    SCHEMA: Phase(
        ways=(
            (("sql", r"CREATE TABLE", 1),),
            (("sql", r"CREATE TABLE", 12),),
            (("sql", r"CREATE (VIRTUAL TABLE|TRIGGER|VIEW|INDEX)", 1),),
            (("sql", r"(INSERT INTO|UPDATE) (alembic_version|batch_job_instance)", 1),),
            (("sql", r"CREATE VIEW", 1), _COMMIT),
        ),
        delay_ms=4.0,
        weight=1,
    ),
    ANY: Phase(mix=BUSY),
}

#: The phases before a process serves.
BEFORE_IT_SERVES: Final = frozenset({RECOVERY, SCHEMA})

READY: Final[Step] = ("log", '"event":"service ready"', 1)

#: Where a process dies that is to leave orphans.
READING: Final[tuple[Step, ...]] = (READY, ("sql", r"FROM ingest_problem\b", 1))

#: The moments at which SIGTERM comes; the last is one when an abandon is certainly under way.
TERM_WAYS: Final[tuple[tuple[Step, ...], ...]] = (
    (("log", '"event":"job started"', 1),),
    (("sql", r"^INSERT INTO bank_scan", 1),),
    (("sql", r"FROM ingest_problem\b", 1),),
    (("sql", r"^INSERT INTO item_log", 1), _COMMIT),
    (("sql", _BECOMES + "STOPPING,", 1),),
    (("sql", _BECOMES + "STOPPING,", 1),),
)

#: And while the process is coming up.
TERM_WAYS_EARLY: Final[tuple[tuple[Step, ...], ...]] = (
    (("sql", r"alembic_version", 1),),
    (("sql", r"^SELECT batch_job_execution", 1),),
    (("sql", r"^SELECT batch_job_instance", 1),),
    (("log", '"event":"service ready"', 1),),
)
