"""What an invariant is: something that holds of every sound database, between transactions.

A query finds what breaks it: the column ``id`` names the thing, and the other columns fill the
words. What does not hold always stands in no list: a migration may process more items than it
counted first (others may have come meanwhile), and the times of a history may step back with the
clock.
"""

from typing import Final

from attrs import frozen

#: What to do about a row that nothing but a fault of the service can have written.
REPORT: Final = (
    "the service never leaves a row so: keep a copy of the file and report it; "
    "no start of the job is hindered by it"
)


@frozen(kw_only=True)
class Invariant:
    """Something that must hold, how to find what breaks it, and the words for that."""

    name: str
    #: What ``id`` is the id of.
    thing: str
    sql: str
    wrong: str
    remedy: str = REPORT
    #: Whether what is found is wrong; else it has an innocent explanation, which `wrong` names.
    is_fault: bool = True
