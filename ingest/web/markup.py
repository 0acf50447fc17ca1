"""HTML that cannot be broken by what is put into it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Final

_VOID: Final = frozenset({"input", "link", "meta"})


class Html(str):
    """Text that is HTML already; any other text is escaped before it becomes some."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: str | bool | None) -> Html:
    """Return an element.

    Args:
        name: The element's name.
        children: What stands in it; None is left out.
        attributes: By their names, with ``_`` for ``-``, and one more behind a keyword of Python's.
            True is an attribute without a value, False and None are none.
    """
    begin = f"<{name}{''.join(_written(attributes))}>"
    if name in _VOID:
        return Html(begin)
    return Html(f"{begin}{join(children)}</{name}>")


def join(parts: Iterable[str | None]) -> Html:
    """Return parts one behind the other."""
    return Html("".join(_safe(part) for part in parts if part is not None))


def words(text: str) -> Html:
    """Return a line of Markdown: of it, only `code` and *emphasis* are known."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return Html(re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", marked))


def paragraphs(text: str) -> Html:
    """Return the paragraphs of a text, which have empty lines between them."""
    return join(tag("p", words(part)) for part in text.split("\n\n"))


def _safe(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)


def _written(attributes: Mapping[str, str | bool | None]) -> Iterator[str]:
    for name, value in attributes.items():
        if value is not None and value is not False:
            yield f" {name.rstrip('_').replace('_', '-')}"
            if value is not True:
                yield f'="{escape(value)}"'
