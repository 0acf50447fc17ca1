"""Which texts of an item can be searched for, and what becomes of their HTML."""

from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.items.keywords import keywords_of, text_of
from ingest.model.item import ITEM_TYPES, Keyword
from tests.support.documents import ABSENT, CONTENT, item_document

PROMPT = ("Prompt / Stem", "the prompt")
OPTIONS = [("Options", "first option"), ("Options", "second option")]
HEADERS = [("Table Column Headers", "first column"), ("Table Column Headers", "second column")]

#: The keywords of the sample content, by type.
EXPECTED = {
    "ebsr": [
        PROMPT,
        ("Part A Stem", "stem of part A"),
        ("Part B Stem", "stem of part B"),
        ("Part A Options", "option of part A"),
        ("Part B Options", "option of part B"),
    ],
    "eq": [PROMPT, ("Left Labels", "left of it"), ("Right Labels", "right of it")],
    "gi": [PROMPT],
    "htqo": [PROMPT, ("Interactive Texts", "orderable"), ("Interactive Texts", "string")],
    "htqs": [PROMPT, ("Interactive Texts", "selectable text")],
    "mc": [PROMPT, *OPTIONS],
    "mi": [PROMPT, *HEADERS, ("Table Row Labels", "row label")],
    "ms": [PROMPT, *OPTIONS],
    "sa": [PROMPT],
    "stim": [("Content", "the content")],
    "ti": [
        PROMPT,
        ("Table Title", "table title"),
        *HEADERS,
        ("Table Cells (all types)", "row label"),
        ("Table Cells (all types)", "a cell"),
    ],
    "tut": [("Content", "the content")],
    "wer": [PROMPT],
}


def keywords(item_type: str, **changes: Any) -> list[tuple[str, str]]:
    """Return the keywords of a document as pairs of section and content."""
    document = item_document(7, item_type, **changes)
    return [(one.section, one.content) for one in keywords_of(document, item_type)]


@pytest.mark.parametrize("item_type", sorted(ITEM_TYPES))
def test_each_type_has_its_sections(item_type: str) -> None:
    """Of each type exactly the sections of the specification are searchable."""
    assert keywords(item_type) == EXPECTED[item_type]


@pytest.mark.parametrize("item_type", sorted(ITEM_TYPES))
def test_spanish_sections_have_a_prefix(item_type: str) -> None:
    """A translation has the same sections, told apart by their names."""
    found = keywords(item_type, **{"translations.esp": CONTENT[item_type]})
    spanish = [(f"Spanish {section}", content) for section, content in EXPECTED[item_type]]
    assert found == EXPECTED[item_type] + spanish


@pytest.mark.parametrize("english", [ABSENT, None, {}, "", []])
def test_the_oldest_documents_have_their_content_under_core(english: object) -> None:
    """Without languages, what stands directly under core is English."""
    changes = {"core.en": english, "core.prompt": "old prompt", "core.options": [{"text": "old"}]}
    assert keywords("mc", **changes) == [("Prompt / Stem", "old prompt"), ("Options", "old")]


def test_content_under_core_does_not_add_to_a_language() -> None:
    """Where there is a language, core is not read as one."""
    assert keywords("gi", **{"core.prompt": "old prompt"}) == [PROMPT]


def test_blank_texts_give_no_keyword() -> None:
    """A text that is empty once its tags are gone is no row."""
    assert keywords("gi", **{"core.en.prompt": "<p>&nbsp;</p><p> </p><!-- x -->"}) == []


def test_identical_keywords_collapse() -> None:
    """The same content twice in a section is one keyword, in two sections it is two."""
    parts = [{"leftLabel": "<b>x</b>", "rightLabel": "x"}, {"leftLabel": "x"}]
    assert keywords("eq", **{"core.en": {"parts": parts}}) == [
        ("Left Labels", "x"),
        ("Right Labels", "x"),
    ]


def test_numbers_in_cells_can_be_searched_for_and_check_boxes_cannot() -> None:
    """A number is content, a boolean is the state of a control."""
    cells = [{"value": 5}, {"value": True}, {"value": None}, {"value": {"x": "y"}}]
    assert keywords("ti", **{"core.en": {"table": {"rows": [{"cells": cells}]}}}) == [
        ("Table Cells (all types)", "5")
    ]


def test_nul_characters_are_left_out() -> None:
    """No keyword holds what a text column cannot."""
    assert keywords("gi", **{"core.en.prompt": "a\0b <math>\0</math> &#0;"}) == [
        ("Prompt / Stem", "ab <math></math> \ufffd")
    ]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("  plain \n\t text\xa0here ", "plain text here"),
        ("fish &amp; chips&nbsp;&ndash; caf&eacute; &#233;&#xE9;", "fish & chips \u2013 café éé"),
        ("<p>one</p><p>two</p>three<br>four<br/>five", "one two three four five"),
        ("<td>one</td><td>two</td><li>three</li>", "one two three"),
        ("H<sub>2</sub>O, <b>bo</b><i>ld</i>, <SPAN>x</SPAN>y", "H2O, bold, xy"),
        ("<img alt=\"a > b\" src='x>y'>text", "text"),
        ("<p style=a>b>text", "b>text"),
        ("3 < 5 and 5 > 3, a <= b, <3, a << b", "3 < 5 and 5 > 3, a <= b, <3, a << b"),
        ("&lt;b&gt; stays", "<b> stays"),
        ("&am<b></b>p;", "&amp;"),
        ("a<!-- <b> -- > -->b<!-->c<!--->d<!-- x --!>e", "abcde"),
        ("a<!DOCTYPE html>b<?xml version='1.0'?>c</>d</ x>e<![CDATA[<b>]]>f", "abcdef"),
        ("a<script>if (a < b) { '</p>' }</script>b<STYLE>p > a {}</sTyle >c", "abc"),
        ("a<scripted>b", "ab"),
        ("a<script>never closed", "a"),
        ("a<p", "a"),
        ('a<p title="never closed>b', "a"),
        ("a<!-- never closed", "a"),
        ("a<", "a<"),
        ("a</", "a</"),
        ("a<![", "a"),
        ("&", "&"),
        ("&unknown; &#xD800; &#x110000;", "&unknown; \ufffd \ufffd"),
        ("&#" + "9" * 10_000 + "; &amp;", "\ufffd &"),
        ("&#x" + "f" * 10_000 + ";", "\ufffd"),
    ],
)
def test_html_becomes_the_text_that_a_browser_shows(html: str, text: str) -> None:
    """Tags go, references are resolved, white space collapses, and only blocks part words."""
    assert text_of(html) == text


MATH = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><mn>3</mn><mo>&#247;</mo>\n <mi>x</mi></math>'
)
NESTED = "<math><semantics><math>x</math> <b>y</b></semantics></math>"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (MATH, MATH),
        (f"<p>Solve&nbsp;{MATH} .</p>", f"Solve {MATH} ."),
        (f"<p>{MATH}</p><p>{MATH}</p>", f"{MATH} {MATH}"),
        (f"a{MATH}b", f"a{MATH}b"),
        ("<MATH>\xa0  x</MATH >  y", "<MATH>\xa0  x</MATH > y"),
        ("<b><math/></b>  <math a='>'/> z", "<math/> <math a='>'/> z"),
        (f"{NESTED}<b>z</b>", f"{NESTED}z"),
        ("<math alttext='</math>'> x</math><b>z</b>", "<math alttext='</math>'> x</math>z"),
        ("<math><!-- </math> --> x</math><b>z</b>", "<math><!-- </math> --> x</math>z"),
        ("<math><mo a='>' ><</mo> x</math><b>z</b>", "<math><mo a='>' ><</mo> x</math>z"),
        ("<mathematics>x</mathematics>", "x"),
        ("<img data-mathml='<math>'>x</math>", "x"),
        ("a <math><mi>x</mi> <b>y</b>", "a <math><mi>x</mi> <b>y</b>"),
    ],
)
def test_mathml_is_kept_verbatim(html: str, text: str) -> None:
    """From its start tag to the end tag that matches it, no character of MathML is changed."""
    assert text_of(html) == text


@given(st.text() | st.text("<>/!-[]=\"'& \0\nmathscriptCDATA#;0x"))
def test_any_text_is_read(html: str) -> None:
    """No text makes the reading raise, and none comes out that cannot be stored."""
    text = text_of(html)
    text.encode()
    assert text == text.strip()
    assert keywords_of(item_document(7, "gi", **{"core.en.prompt": html}), "gi") in {
        (),
        (Keyword("Prompt / Stem", text_of(html.replace("\0", ""))),),
    }


MARKUP = st.sampled_from(
    [
        *("<p>", "</p>", "</b junk>", "<td\n>", "<x:y z>", "<br/>", "<b a='>'>", '<i title="<b>">'),
        *("<!-- <b> -->", "<!DOCTYPE x>", "<?x?>", "<script><b></script>", "<style>", "</style>"),
        *("< ", "<3"),
    ]
)


@given(st.lists(MARKUP | st.text(st.characters(blacklist_characters="<&", codec="utf-8"))))
def test_no_tag_is_left(pieces: list[str]) -> None:
    """Outside of MathML nothing that a browser would take for markup comes through."""
    text = text_of(" ".join(pieces))
    assert not any(
        text[at + 1 : at + 2].isalpha() or text[at + 1 : at + 2] in {"/", "!", "?"}
        for at, character in enumerate(text)
        if character == "<"
    )


class Reference(HTMLParser):
    """What the standard library's parser makes of well-formed HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        """Take in a text."""
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Part the words where a block begins."""
        del attrs
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Part the words where a block ends."""
        self.text += " " * (tag in {"p", "div", "td", "br"})


def element(name: str, value: str, children: list[str]) -> str:
    """Return an element with one attribute."""
    return f'<{name} title="{escape(value)}" x={name}>{"".join(children)}</{name}>'


WELL_FORMED = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_characters="\0")).map(escape)
    | st.sampled_from(["<br>", "<br/>", "<!-- <p> -->", "&nbsp;", "&eacute;", "&#8722;"]),
    lambda children: st.builds(
        element, st.sampled_from(["p", "div", "td", "b", "SPAN"]), st.text(), st.lists(children)
    ),
    max_leaves=10,
)


@given(WELL_FORMED)
def test_well_formed_html_is_read_as_the_standard_library_reads_it(html: str) -> None:
    """Where there is no doubt what the text is, two parsers agree about it."""
    reference = Reference()
    reference.feed(html)
    reference.close()
    assert text_of(html) == " ".join(reference.text.split())


@pytest.mark.parametrize(
    "piece",
    [
        *("<", "<a ", "</a ", '<a b="', "<a b=\"'", "<a b=c ", "<a =", "<p>", "<b></b>", "</"),
        *("<!--", "<!-", "<!", "<?", "<![CDATA[", "<script>", "&#", "&#9", "&a", "&amp"),
        *("<math>", "<math/>", "<math><p></math>", "<math a='", " ", "=", "-"),
    ],
)
@pytest.mark.parametrize("before", ["", "<a ", "<math>", "<!--", "<script>"])
def test_the_time_grows_with_the_length_only(before: str, piece: str) -> None:
    """Half a megabyte of unfinished markup is read at once: quadratic time would take minutes."""
    text_of(before + piece * (500_000 // len(piece)))
