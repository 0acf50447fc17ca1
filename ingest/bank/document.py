"""The files of an item's repository that are read, and what can be wrong with them."""

from typing import Final

from ingest.model.item import DOCUMENT_LIMIT_BYTES, Problem, ProblemKind

DOCUMENT_NAME: Final = "item.json"

#: The marker beside a document whose item is still being made.
BEING_CREATED_NAME: Final = "create"


def too_large(size_bytes: int) -> Problem:
    """Return the problem of a document of more bytes than are read."""
    return Problem(
        ProblemKind.TOO_LARGE,
        f"{DOCUMENT_NAME} has {size_bytes} bytes, more than the {DOCUMENT_LIMIT_BYTES} that "
        "are read: move what is large into files beside it",
    )


def not_a_file() -> Problem:
    """Return the problem of a document that is committed as something else than a file."""
    return Problem(
        ProblemKind.NOT_A_FILE,
        f"{DOCUMENT_NAME} is committed as a folder, a symbolic link or a submodule: commit it as "
        "a file",
    )
