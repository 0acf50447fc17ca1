"""What the items of a sample bank say: thirteen types, three ages of documents, two languages.

All chance comes from the `Random` that is handed in: from the same one comes the same document.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from random import Random
from typing import Any

from attrs import frozen

from ingest.bank.sample_texts import (
    ANSWERS,
    ENTITIES,
    FORMULAS,
    FRAMES,
    HINTS,
    NAMES,
    PLACES,
    RATIONALES,
    STEMS,
    TALES,
    THINGS,
    TOPICS,
    Pair,
    pairs,
)
from ingest.model.columns import RANKS

JsonObject = dict[str, Any]
#: The types of 25 neighbours; their order changes, but every type is there before long.
_TYPES = ["mc"] * 6 + ["ms"] * 3 + ["ebsr", "eq", "mi", "sa", "stim"] * 2
_TYPES += ["gi", "htqo", "htqs", "ti", "tut", "wer"]


class Age(IntEnum):
    """The models of item.json; the value is the first year of a model's use."""

    OLDEST = 2014  #: content directly under core, old field names, every flag a text
    OLD = 2017  #: content under core.en, old field names
    NEW = 2020  #: new names, update dates, glossary, assignments, enhanced ids

    @classmethod
    def of(cls, year: int) -> "Age":
        """Return the age of what is begun in a year."""
        return max(age for age in cls if age <= year)


_FIELDS = """accessibilityLanguageComplexity algebraDescriptor1 algebraDescriptor2 claim2Category
claim2SubCategory contentDomain copyrightHolder copyrightHolderOther easyListeningFormula
estimatedQuintile evidenceStatement knowledgeDemands languageFeatures maxGrade meaningPurpose
minGrade performanceTaskPosition primaryTargetSet readabilityFleschKincaid readabilityLexile
scoringPoints specificationVersion stateSpecificUseDescription stimulusFormat stimulusGenre
stimulusLength stimulusLiteraryCategory stimulusName structure wordCount writingPurpose"""
_CHOICES = pairs("""allowCalculator | , Yes, No | contentTaskModel | , TM1, TM5 | intendedGrade |
3, 4, 5, 6, 7, 8, 11 | depthOfKnowledge | 1, 2, 3, 4 | maximumPoints | 1, 2, 4 | organizationName |
, North Coast Items, Prairie Assessments | organizationTypeId | , vendor, state | pencilPaper |
Yes, No | performanceTask | , Yes, No | primaryClaim | 1, 2, 3, 4 | primaryCommonCoreStandard |
, 5.NF.A.1, RI.6.2, MS-PS1-4 | primaryContentDomain | , NF, ReadingInformation | primaryTarget |
A, B, C, D, E | scoringEngine | , handScored, Automatic with Key(s) | secondaryClaim | , 2, 3 |
secondaryCommonCoreStandard | , 5.NF.A.2, W.6.1 | secondaryContentDomain | , OA, Writing |
secondaryTarget | , F, G | tertiaryClaim | , 4 | tertiaryCommonCoreStandard | , 5.NBT.B.7 |
tertiaryContentDomain | , G | tertiaryTarget | , H | quaternaryClaim | , 1 |
quaternaryCommonCoreStandard | , 5.MD.C.5 | quaternaryContentDomain | , MD |
quaternaryTarget | , I | stateSpecificUse | No, No, Yes |
stateSpecificUseDescription | , No description |
testCategory | , Summative, Interim | writingPurpose | , Explanatory, Opinion""")
_RANKED_FIELDS = ("Claim", "CommonCoreStandard", "ContentDomain", "MathematicalPractice", "Target")
_RENAMED = pairs("allowCalculator | calculator | intendedGrade | grade | maximumPoints | itemPoint")
_OLD_NAMES = dict(_RENAMED) | {f"{rank}Target": f"{rank}AssessmentTarget" for rank in RANKS}


@frozen
class _Writer:
    """Writes the texts of one item, all of them about the same few things."""

    rng: Random
    subject: str
    has_entities: bool
    words: tuple[JsonObject, ...]

    @classmethod
    def of(cls, rng: Random) -> "_Writer":
        topics = {"thing": THINGS, "place": PLACES, "topic": TOPICS}
        chosen = {slot: rng.choice(bank) for slot, bank in topics.items()}
        common = {"name": rng.choice(NAMES), "n": rng.randint(5, 48), "m": rng.randint(2, 12)}
        words = tuple(common | {slot: pair[i] for slot, pair in chosen.items()} for i in (0, 1))
        return cls(rng, rng.choice(tuple(STEMS)), rng.choice((True, False)), words)

    def text(self, *sentences: Pair, formula: str = "") -> Pair:
        english, spanish = (
            " ".join(texts).format_map(words)
            for texts, words in zip(zip(*sentences, strict=True), self.words, strict=True)
        )
        if self.has_entities:
            english, spanish = english.replace("'", "&rsquo;"), spanish.translate(ENTITIES)
        frame = self.rng.choice(FRAMES)
        return frame.format(english + formula), frame.format(spanish + formula)

    def some(self, bank: Sequence[Pair], count: int) -> Pair:
        return self.text(*self.rng.sample(bank, count))

    def formula(self) -> str:
        if self.subject != "Math":
            return ""
        numbers = {"n": self.rng.randint(2, 99), "m": self.rng.randint(2, 99)}
        formula = self.rng.choice(FORMULAS).format_map(numbers)
        return f'&nbsp;<math xmlns="http://www.w3.org/1998/Math/MathML">{formula}</math>'

    def prompt(self) -> Pair:
        sentences = self.rng.choice(TALES), self.rng.choice(STEMS[self.subject])
        return self.text(*sentences, formula=self.formula())

    def options(self, correct: int) -> list[JsonObject]:
        options = [
            {
                "text": self.text(answer, formula=self.formula()),
                "rationale": RATIONALES[i >= correct],
                "isCorrectAnswer": i < correct,
            }
            for i, answer in enumerate(self.rng.sample(ANSWERS, 4))
        ]
        return self.rng.sample(options, len(options))

    def table(self, cell_type: str, values: Sequence[object]) -> JsonObject:
        cells = [{"type": cell_type, "value": self.rng.choice(values)} for _ in range(2)]
        labels = self.rng.sample(PLACES, 3)
        return {
            "title": self.some(TOPICS, 1),
            "columns": [{"label": label} for label in (("", ""), *self.rng.sample(THINGS, 2))],
            "rows": [{"cells": [{"type": "label", "value": label}, *cells]} for label in labels],
        }

    def scoring(self) -> JsonObject:
        return {"exemplarResponses": [self.some(ANSWERS, 2)], "rubrics": [RATIONALES[0]]}

    def passage(self) -> JsonObject:
        return {"title": self.some(TOPICS, 1), "body": self.some(TALES, 5)}


#: What a type has beside its prompt, or a stimulus beside its content; gi and tut: nothing.
_PARTS: dict[str, Callable[[_Writer], JsonObject]] = {
    "ebsr": lambda w: {
        "partAPrompt": w.prompt(),
        "partAOptions": w.options(1),
        "partBPrompt": w.some(HINTS, 1),
        "partBOptions": w.options(2),
    },
    "eq": lambda w: {"parts": [{"leftLabel": ("x =", "x ="), "rightLabel": w.some(THINGS, 1)}]},
    "htqo": lambda w: {"htqOrderable": {"orderableStrings": [w.some(TALES, 1) for _ in "123"]}},
    "htqs": lambda w: {"htqSelectable": {"interactiveText": w.some(TALES, 3)}},
    "mc": lambda w: {"options": w.options(1)},
    "mi": lambda w: {"table": w.table("checkbox", (True, False))},
    "ms": lambda w: {"options": w.options(2)},
    "sa": _Writer.scoring,
    "stim": lambda w: {"passages": [w.passage() for _ in range(w.rng.randint(1, 3))]},
    "ti": lambda w: {"table": w.table("text", ("", "12", None))},
    "wer": _Writer.scoring,
}


def _read(tree: Any, language: int | None) -> Any:
    """One language of a tree of pairs; with None the same shape without a word in it."""
    match tree:
        case tuple():
            return "" if language is None else tree[language]
        case list():
            return [] if language is None else [_read(branch, language) for branch in tree]
        case dict():
            return {key: _read(branch, language) for key, branch in tree.items()}
    return tree


def _metadata(writer: _Writer, age: Age, author: str) -> JsonObject:
    choice = writer.rng.choice
    ranked = (f"{rank}{name}" for rank in RANKS for name in _RANKED_FIELDS)
    metadata: JsonObject = dict.fromkeys((*_FIELDS.split(), *ranked), "")
    metadata |= {name: choice(values.split(", ")) for name, values in _CHOICES}
    metadata |= {"itemAuthor": author, "presentationFormat": [], "primaryEmphasis": None}
    metadata["subject"] = writer.subject
    if age is not Age.NEW:
        metadata = {_OLD_NAMES.get(name, name): value for name, value in metadata.items()}
    return dict(sorted(metadata.items()))


def types_at(index: int, *, first_id: int, seed: int) -> dict[int, str]:
    """The types of the item at this index and of those beside it, by item id."""
    block = index // len(_TYPES)
    types = Random(f"{seed}/types/{block}").sample(_TYPES, len(_TYPES))  # noqa: S311  # no secret
    return dict(enumerate(types, first_id + block * len(_TYPES)))


def administrations(rng: Random) -> JsonObject:
    """Write the testAdministration of an item that has been in tests."""
    names = rng.sample(("2018.ft", "2019.op", "2021.op", "2022.int"), rng.randint(1, 3))
    tests = [
        {
            "administrationId": name,
            "fieldTestData": {"itemDifficultyQuintile": rng.choice(("1", "2", "3", "4", "5", ""))},
            "forms": [_form(rng, kind) for kind in ("Summative", "Interim")[: rng.randint(1, 2)]],
        }
        for name in names
    ]
    return {"fieldTestAdministrationId": rng.choice((*names, "2016.ft")), "administrations": tests}


def _form(rng: Random, assessment: str) -> JsonObject:
    kind = rng.choice(("Operational", "Field Test"))
    exposures = rng.randrange(5000)
    form: JsonObject = {
        "assessmentType": assessment,
        "formType": kind,
        "sequence": "1",
        "status": kind,
    }
    # Numbers are texts at times, or not known.
    form |= {"exposures": rng.choice((exposures, exposures, f"{exposures}", None))}
    return form | {"formId": f"form.{rng.randrange(1000)}.{kind[:2].upper()}"}


def new_document(
    rng: Random, identity: dict[str, str], stimulus: str | int | None, *, by: str, year: int
) -> tuple[JsonObject, JsonObject]:
    """Write the first document of an id and type; return it, and its Spanish content for later."""
    age, item_type = Age.of(year), identity["type"]
    writer = _Writer.of(rng)
    is_text = item_type in ("stim", "tut")
    first = {"content": writer.some(TALES, 3)} if is_text else {"prompt": writer.prompt()}
    content = first | (_PARTS[item_type](writer) if item_type in _PARTS else {})
    english, spanish, blank = (_read(content, language) for language in (0, 1, None))
    no, yes = ("false", "true") if age is Age.OLDEST else (False, True)
    english |= {"isRequired": "true", "isProvided": yes}
    if age is Age.NEW:
        # Unset: absent, null or blank, as the authors' tools left it.
        english |= rng.choice(({}, {"updatedDate": None}, {"updatedDate": ""}))
    core = english if age is Age.OLDEST and not is_text else {"en": english}
    core |= {"attachments": [], "enemyItems": [], "tutorialId": None}
    core["stimulusId"] = stimulus
    if item_type != "tut":
        core["metadata"] = _metadata(writer, age, by)
    speech: JsonObject = {"isVisualTTSRequired": rng.choice(("Yes", "No", "undetermined", ""))}
    speech |= {f"is{sense}TTSProvided": rng.choice((no, yes)) for sense in ("Visual", "Sight")}
    document: JsonObject = {
        **identity,
        "version": f"iat-{(age - Age.OLDEST) * 7 + rng.randint(1, 9)}",
        "core": core,
        **{
            name: {"attachments": [], f"is{flag}Provided": no, f"is{flag}Required": "undetermined"}
            for name, flag in (("asl", "Asl"), ("braille", "Braille"), ("cc", "Cc"))
        },
        "textToSpeech": speech,
        "translations": {"esp": blank | {"isRequired": "undetermined", "isProvided": no}},
        "workflow": {"workflowStatusCode": "Draft"},
    }
    document |= _optional_parts(rng, identity, age)
    return document, spanish


def _optional_parts(rng: Random, identity: dict[str, str], age: Age) -> JsonObject:
    """Write what documents of the newest age all have, and some of the older ones."""
    parts: JsonObject = {}
    if age is Age.NEW or rng.randrange(3) == 0:
        ids = (f"{identity['type']}.C{rng.choice('123')}.T{rng.choice('ABC')}" for _ in RANKS)
        ranked = zip(RANKS, ids, strict=True)
        managed = {f"{rank}EnhancedId": rng.choice((value, "")) for rank, value in ranked}
        parts["serverManaged"] = {"id": identity["id"], "version": "", **managed}
    if age is Age.NEW or rng.randrange(3) == 0:
        names = ("English", "Illustrated", "Translated")
        words: JsonObject = {
            f"is{name}GlossaryProvided": rng.choice((True, False)) for name in names
        }
        words |= {
            f"is{name}GlossaryRequired": rng.choice(("Yes", "No", "undetermined"))
            for name in names[1:]
        }
        parts["glossary"] = words | {"terms": []}
    if age is Age.NEW or rng.randrange(3) == 0:
        parts["assignments"] = []
    return parts
