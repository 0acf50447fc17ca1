"""What parsing an item.json accepts, what it refuses and in which words, and how it is read."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.items.document import (
    DocumentError,
    as_boolean,
    as_integer,
    as_text,
    as_timestamp,
    id_of,
    lookup,
    objects,
    parse,
    shown,
    type_of,
)
from ingest.model.item import DOCUMENT_LIMIT_BYTES, ITEM_ID_MAX, ITEM_TYPES, Problem, ProblemKind
from tests.support.documents import ABSENT, ANY_JSON, item_content, item_document


def problem_of(content: bytes, key: str = "7") -> Problem:
    """Return the problem that parsing ends in."""
    with pytest.raises(DocumentError) as caught:
        parse(key, content)
    return caught.value.problem


@pytest.mark.parametrize("item_type", sorted(ITEM_TYPES))
def test_every_type_is_parsed(item_type: str) -> None:
    """A document of each of the thirteen types is accepted."""
    document = parse("7", item_content(7, item_type))
    assert (id_of(document), type_of(document)) == (7, item_type)


@pytest.mark.parametrize("value", [7, "7", " 7\n", "007"])
def test_an_id_may_be_a_number_or_a_string_of_digits(value: object) -> None:
    """An id counts by its number, however it is written."""
    assert id_of(parse("7", item_content(7, id=value))) == 7


@pytest.mark.parametrize(
    "value",
    [
        *(ABSENT, None, True, "", "x", "+7", "-7", "7.0", 7.0, 7.5, [7], {}),
        "\N{SUPERSCRIPT SEVEN}",
        *("7" * 5000, 0, -7, 8, "0", "8", ITEM_ID_MAX + 1, str(ITEM_ID_MAX + 1)),
    ],
)
def test_any_other_id_is_wrong(value: object) -> None:
    """An id that is no positive 64-bit number, or another's, is a problem that names it."""
    assert problem_of(item_content(7, id=value)).kind is ProblemKind.WRONG_ID


def test_the_largest_id_is_an_id() -> None:
    """Ids use the whole range of the column, and no more."""
    key = str(ITEM_ID_MAX)
    assert id_of(parse(key, item_content(key))) == ITEM_ID_MAX
    beyond = str(ITEM_ID_MAX + 1)
    assert problem_of(item_content(beyond), beyond).kind is ProblemKind.WRONG_ID


def test_a_name_with_leading_zeros_equals_no_id() -> None:
    """The repository's name must be the number itself."""
    assert problem_of(item_content("007"), "007").kind is ProblemKind.WRONG_ID


def test_a_type_is_trimmed() -> None:
    """White space around the type does not matter."""
    assert type_of(parse("7", item_content(7, type=" mc "))) == "mc"


@pytest.mark.parametrize("value", [ABSENT, None, "", "MC", "mcx", 5, ["mc"]])
def test_any_other_type_is_unknown(value: object) -> None:
    """A type is one of the thirteen in lower case, or a problem."""
    assert problem_of(item_content(7, type=value)).kind is ProblemKind.UNKNOWN_TYPE


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", ProblemKind.NOT_JSON),
        (b'{"id": "7",}', ProblemKind.NOT_JSON),
        (b'{"id": NaN}', ProblemKind.NOT_JSON),
        (b'{"id": "\\ud800"}', ProblemKind.NOT_JSON),
        (b"[" * 100_000, ProblemKind.NOT_JSON),
        (b"null", ProblemKind.NOT_AN_OBJECT),
        (b"[]", ProblemKind.NOT_AN_OBJECT),
        (b'{"id": "\xff"}', ProblemKind.NOT_UTF8),
        ('{"id": "7"}'.encode("utf-16"), ProblemKind.NOT_UTF8),
        (b"\xef\xbb\xbf{}", ProblemKind.BYTE_ORDER_MARK),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", ProblemKind.LFS_POINTER),
        (b" " * (DOCUMENT_LIMIT_BYTES + 1), ProblemKind.TOO_LARGE),
    ],
)
def test_what_is_no_document_is_a_problem_of_its_kind(content: bytes, kind: ProblemKind) -> None:
    """Each way of not being an item.json has its own kind."""
    assert problem_of(content).kind is kind


def test_the_largest_document_is_read() -> None:
    """The limit itself is within the limit."""
    content = item_content(7).ljust(DOCUMENT_LIMIT_BYTES)
    assert id_of(parse("7", content)) == 7


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{\n "id": oops}', "line 2, column 8"),
        (b'{"id": "caf\xe9"}', "byte 0xE9 at offset 11"),
        (b"[1]", "a list"),
        (b'"x"', "'x'"),
        (b" " * 6_000_000, "6,000,000 bytes, and at most 5,242,880"),
        (item_content(8), "id is '8', but the repository is that of item '7'"),
        (item_content(7, id=ABSENT), "item.json has no id"),
        (item_content(7, type="MC"), "type is 'MC': make it one of ebsr, eq"),
    ],
)
def test_a_message_names_the_thing_and_the_value(content: bytes, words: str) -> None:
    """An author can tell from the message alone what to correct, and where."""
    assert words in problem_of(content).message


@given(st.text(), st.sampled_from(["id", "type"]))
def test_no_message_carries_control_characters(value: str, field: str) -> None:
    """A value is quoted so that neither a log nor a terminal is upset by it, nor flooded."""
    try:
        parse("7", item_content(7, **{field: value}))
    except DocumentError as error:
        message = error.problem.message
        assert message.isprintable()
        assert len(message) < 1000


@given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_bytes_are_a_document_or_a_problem(content: bytes) -> None:
    """Nothing that a repository may hold makes parsing raise anything else."""
    try:
        document = parse("7", content)
    except DocumentError:
        return
    assert id_of(document) == 7


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"a": {"b": {"c": 1}}}, 1),
        ({"a": {"b": None}}, None),
        ({"a": [{"b": {"c": 1}}]}, None),
        ({"a": "b.c"}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_path_leads_to_a_value_or_nowhere(document: object, found: object) -> None:
    """A list or a string on the way is no way."""
    assert lookup(document, "a.b.c") == found


@given(ANY_JSON, st.text())
def test_looking_up_never_raises(document: object, path: str) -> None:
    """Any path can be asked of any shape."""
    lookup(document, path)


def test_the_objects_of_a_list_leave_out_all_else() -> None:
    """Entries that are no objects are passed over; what is no list has none."""
    assert objects([{"a": 1}, None, "x", [], {}]) == [{"a": 1}, {}]
    assert objects({"a": 1}) == objects(None) == objects("x") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((" as is ", " as is "), ("", ""), (" \xa0\n", ""), ("a\0b\0", "ab"), ("\0", "")),
        *((5, "5"), (1.5, "1.5"), (True, "true"), (False, "false"), (0, "0")),
        *((None, ""), ([], ""), (["a"], ""), ({"a": 1}, "")),
    ],
)
def test_scalars_have_a_text(value: object, text: str) -> None:
    """Strings stay, numbers and booleans read as in JSON, all else is blank."""
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((5, 5), (-5, -5), ("5", 5), (" -5 ", -5), ("+5", 5), ("007", 7), (5.0, 5)),
        *((2**63 - 1, 2**63 - 1), ("-9223372036854775808", -(2**63))),
        *((2**63, None), (str(2**63), None), (1e300, None), ("9" * 5000, None)),
        *((5.5, None), ("5.0", None), ("five", None), ("", None), ("--5", None), ("- 5", None)),
        *(("\N{SUPERSCRIPT FIVE}", None), ("\N{ARABIC-INDIC DIGIT FIVE}", None), ("1_000", None)),
        *((True, None), (None, None), ([5], None)),
    ],
)
def test_whole_numbers_of_64_bits_are_integers(value: object, number: int | None) -> None:
    """Strings count as what they spell; anything else is no number."""
    assert as_integer(value) == number


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        *((True, True), ("true", True), ("Yes", True), (" TRUE ", True), (False, False)),
        *(("No", False), ("false", False), ("undetermined", False), ("", False)),
        *((1, False), (None, False), ([True], False)),
    ],
)
def test_flags_are_booleans_or_words(value: object, flag: object) -> None:
    """Old documents mix booleans and words."""
    assert as_boolean(value) is flag


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2018-08-18T17:24:28.558Z", datetime(2018, 8, 18, 17, 24, 28, 558000, tzinfo=UTC)),
        ("2018-08-18t17:24:28z", datetime(2018, 8, 18, 17, 24, 28, tzinfo=UTC)),
        ("2018-08-18T17:24:28-07:00", datetime(2018, 8, 19, 0, 24, 28, tzinfo=UTC)),
        ("2018-08-18T17:24:28+0000", datetime(2018, 8, 18, 17, 24, 28, tzinfo=UTC)),
        ("2018-08-18T17:24:28.123456789Z", datetime(2018, 8, 18, 17, 24, 28, 123456, tzinfo=UTC)),
        (" 2018-08-18T17:24 ", datetime(2018, 8, 18, 17, 24, tzinfo=UTC)),
        ("2018-08-18", datetime(2018, 8, 18, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2018-02-30", None),
        ("18 August 2018", None),
        ("", None),
        (1534613068, None),
        (None, None),
        ([], None),
    ],
)
def test_dates_are_aware_utc(value: object, moment: datetime | None) -> None:
    """Zones are converted, a date without one is UTC, and what is no date is none."""
    assert as_timestamp(value) == moment


@given(ANY_JSON | st.text("0123456789-:TZ+. "))
def test_reading_any_value_as_any_type_never_raises(value: Any) -> None:
    """The accessors are total, and what they return fits its column."""
    as_text(value).encode()
    assert "\0" not in as_text(value)
    assert -(2**63) <= (as_integer(value) or 0) < 2**63
    assert isinstance(as_boolean(value), bool)
    moment = as_timestamp(value)
    assert moment is None or moment.tzinfo is UTC
    assert shown(value).isprintable()


def test_builders_do_not_share_what_they_build() -> None:
    """Changing one document leaves the next as it was."""
    item_document(7)["core"]["en"]["options"].clear()
    assert item_document(7)["core"]["en"]["options"]
