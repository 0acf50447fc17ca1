"""The searchable texts of an item, by section and language.

HTML is read by the rules of the HTML standard's tokenizer, so that what a browser would show is
what is found, but for MathML, which is kept as it was written. The standard library's parser would
not do for what an item bank may hold: unclosed tags take it quadratic time, some declarations make
it raise, and what it makes of the same text differs from one version of Python to the next.
"""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

from ingest.items.document import JsonObject, as_text, english_of, lookup
from ingest.model.item import Keyword

_Read = Callable[[JsonObject], list[Any]]


def _at(path: str) -> _Read:
    """Return what reads the values at *path*; a list on the way stands for its entries."""
    steps = path.split(".")

    def read(content: JsonObject) -> list[Any]:
        found: list[Any] = [content]
        for step in steps:
            found = [
                value
                for node in found
                if isinstance(node, dict)
                for value in _entries(node.get(step))
            ]
        return found

    return read


def _entries(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_cells = _at("table.rows.cells")


def _label_cells(content: JsonObject) -> list[Any]:
    return [
        cell.get("value")
        for cell in _cells(content)
        if isinstance(cell, dict) and cell.get("type") == "label"
    ]


_PROMPT = ("Prompt / Stem", _at("prompt"))
_CONTENT = ("Content", _at("content"))
_OPTIONS = ("Options", _at("options.text"))
_COLUMN_HEADERS = ("Table Column Headers", _at("table.columns.label"))

#: What is searchable of each type, in the order of the rows.
_SECTIONS: dict[str, tuple[tuple[str, _Read], ...]] = {
    "ebsr": (
        _PROMPT,
        ("Part A Stem", _at("partAPrompt")),
        ("Part B Stem", _at("partBPrompt")),
        ("Part A Options", _at("partAOptions.text")),
        ("Part B Options", _at("partBOptions.text")),
    ),
    "eq": (
        _PROMPT,
        ("Left Labels", _at("parts.leftLabel")),
        ("Right Labels", _at("parts.rightLabel")),
    ),
    "gi": (_PROMPT,),
    "htqo": (_PROMPT, ("Interactive Texts", _at("htqOrderable.orderableStrings"))),
    "htqs": (_PROMPT, ("Interactive Texts", _at("htqSelectable.interactiveText"))),
    "mc": (_PROMPT, _OPTIONS),
    "mi": (_PROMPT, _COLUMN_HEADERS, ("Table Row Labels", _label_cells)),
    "ms": (_PROMPT, _OPTIONS),
    "sa": (_PROMPT,),
    "stim": (_CONTENT,),
    "ti": (
        _PROMPT,
        ("Table Title", _at("table.title")),
        _COLUMN_HEADERS,
        ("Table Cells (all types)", _at("table.rows.cells.value")),
    ),
    "tut": (_CONTENT,),
    "wer": (_PROMPT,),
}


def keywords_of(document: JsonObject, item_type: str) -> tuple[Keyword, ...]:
    """Return the keywords of a document, each once, the English ones first."""
    spanish = lookup(document, "translations.esp")
    found: dict[Keyword, None] = {}
    for prefix, content in (("", english_of(document)), ("Spanish ", spanish)):
        if isinstance(content, dict):
            for section, read in _SECTIONS[item_type]:
                for value in read(content):
                    # Cells hold the state of a check box as a boolean, which nobody searches for.
                    text = "" if isinstance(value, bool) else text_of(as_text(value))
                    if text:
                        found[Keyword(prefix + section, text)] = None
    return tuple(found)


#: What follows the "<" of markup; a "<" before anything else is text.
_AFTER_LESS = r"""
    (?:
        (?P<close> /? ) (?P<name> [a-zA-Z] [^\t\n\f\r />]* )
        (?P<rest> [^>=]* > )?               # a tag without "=" ends at the first ">"
      | !-- (?: -?> | .*? (?: --!?> | \Z ) )
      | !\[CDATA\[ .*? (?: \]\]> | \Z )
      | (?: [!?] | / (?=.) ) [^>]* >?       # a declaration, or what a browser takes for a comment
    )
"""
_MARKUP = re.compile("<" + _AFTER_LESS, re.VERBOSE | re.DOTALL)
#: The same without plain tags such as ``<mo>``: in MathML all but a few, and nothing to stop at.
_MARKUP_IN_MATH = re.compile(
    r"< (?! /? (?! [mM][aA][tT][hH] [\t\n\f\r />] ) [a-zA-Z] [^<>=]* > )" + _AFTER_LESS,
    re.VERBOSE | re.DOTALL,
)
#: One step through a tag, for those where ">" may stand in a value; fails at its end.
_ATTRIBUTE = re.compile(
    r"""
    [\t\n\f\r /]+
    | [^\t\n\f\r />] [^\t\n\f\r />=]*
      (?: [\t\n\f\r ]* = [\t\n\f\r ]* (?: "[^"]*"? | '[^']*'? | [^\t\n\f\r >]+ )? )?
    """,
    re.VERBOSE,
)
#: Elements whose text is not shown, and is not HTML.
_HIDDEN = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII)
    for name in ("script", "style")
}
_BLOCK_NAMES = """
    address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu
    nav ol optgroup option p pre search section select summary table tbody td tfoot th thead title
    tr ul
"""
#: Elements that part the words before them from those after them.
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_SPACE = re.compile(r"\s+")
_ENDLESS_REFERENCE = re.compile("&#[0-9]{600,};?")


def text_of(html: str) -> str:
    """Return the text of a piece of HTML: on one line, without tags, its MathML as it stands.

    Total and linear in the length, whatever it is given. Only MathML that is never closed reaches
    to the end, whatever follows.
    """
    if "<" not in html and "&" not in html:
        return " ".join(html.split())
    kept: list[str] = []
    run: list[str] = []  # the text since the last MathML
    at = 0
    while (markup := _MARKUP.search(html, at)) is not None:
        run.append(_decoded(html[at : markup.start()]))
        at = _end_of(html, markup)
        name = (markup["name"] or "").lower()
        if name == "math" and not markup["close"]:
            at = _end_of_math(html, at)
            kept += _on_one_line(run), html[markup.start() : at]
            run.clear()
        elif name in _HIDDEN and not markup["close"]:
            end = _HIDDEN[name].search(html, at)
            at = len(html) if end is None else end.start()
        elif name in _BLOCKS:
            run.append(" ")
    run.append(_decoded(html[at:]))
    kept.append(_on_one_line(run))
    return "".join(kept).strip()


def _end_of(html: str, markup: re.Match[str]) -> int:
    at = markup.end()
    if markup["name"] and not markup["rest"]:
        # Step by step, for one expression over all attributes takes memory for each of them.
        while (attribute := _ATTRIBUTE.match(html, at)) is not None:
            at = attribute.end()
        at += 1
    return at


def _end_of_math(html: str, at: int) -> int:
    """Return where the MathML ends whose start tag ends at *at*."""
    depth = 0 if html[at - 2 : at] == "/>" else 1
    while depth:
        markup = _MARKUP_IN_MATH.search(html, at)
        if markup is None:
            return len(html)
        at = _end_of(html, markup)
        if (markup["name"] or "").lower() == "math":
            if markup["close"]:
                depth -= 1
            elif html[at - 2 : at] != "/>":
                depth += 1
    return at


def _decoded(text: str) -> str:
    if "&" not in text:
        return text
    try:
        return unescape(text)
    except ValueError:
        # int() refuses thousands of digits; a number that long names no character.
        return unescape(_ENDLESS_REFERENCE.sub("\ufffd", text))


def _on_one_line(run: list[str]) -> str:
    return _SPACE.sub(" ", "".join(run))
