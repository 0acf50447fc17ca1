"""What is counted of an execution, and what is shown of how it ended."""

from ingest.model.job import TRACEBACK_MARK, Counts, summary


def test_counts_add_up_each_for_itself() -> None:
    """Every count is the sum of its own two, and of no others."""
    one = Counts(read=1, created=2, updated=4, unchanged=8, deleted=16, failed=32)
    ten = Counts(read=10, created=20, updated=40, unchanged=80, deleted=160, failed=320)
    both = Counts(read=11, created=22, updated=44, unchanged=88, deleted=176, failed=352)
    assert one + ten == both
    assert one.written == 22


def test_a_summary_ends_at_the_first_traceback() -> None:
    """Of an error that was raised from another, neither traceback is shown."""
    message = f"It failed{TRACEBACK_MARK} one\n\nfrom{TRACEBACK_MARK} two"
    assert summary(message) == "It failed"
    assert summary("It went well") == "It went well"
