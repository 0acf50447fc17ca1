"""Text that came from file names or git, as a database and JSON can hold it."""


def storable(text: str) -> str:
    """Return *text* with a question mark for each byte that was not UTF-8 where it came from.

    Python keeps such bytes as lone surrogates, which nothing outside of Python takes.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
