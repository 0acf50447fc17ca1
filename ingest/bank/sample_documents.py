"""What the items of a sample bank say: thirteen types, three ages of documents, two languages.

All chance comes from the `Random` that is handed in: from the same one comes the same document.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from html.entities import codepoint2name
from random import Random
from typing import Any

from attrs import frozen

JsonObject = dict[str, Any]
#: The same text in English and in Spanish.
Pair = tuple[str, str]
#: The types of 25 neighbours; their order changes, but every type is there before long.
_TYPES = ["mc"] * 6 + ["ms"] * 3 + ["ebsr", "eq", "mi", "sa", "stim"] * 2
_TYPES += ["gi", "htqo", "htqs", "ti", "tut", "wer"]


class Age(IntEnum):
    """The models of item.json; the value is the first year of a model's use."""

    OLDEST = 2014  #: content directly under core, old field names, every flag a text
    OLD = 2017  #: content under core.en, old field names
    NEW = 2020  #: new names, update dates, glossary, assignments, enhanced ids


def _pairs(text: str) -> tuple[Pair, ...]:
    texts = [text.strip() for text in text.replace("\n", " ").split("|")]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


_NAMES = ("Amara", "Camila", "Dmitri", "Fatima", "Inés", "Jamal", "Luis", "Mei", "Noor", "Zoë")
_THINGS = _pairs("""apples | manzanas | marbles | canicas | pumpkins | calabazas | kites | cometas |
seashells | conchas | pencils | lápices | lanterns | faroles | tiles | azulejos | postcards |
postales | sunflower seeds | semillas de girasol | model trains | trenes a escala""")
_PLACES = _pairs("""the harbor | el puerto | the library | la biblioteca | the observatory |
el observatorio | the school garden | el huerto escolar | the lighthouse | el faro | the market |
el mercado | the science museum | el museo de ciencias | the mountain cabin | la cabaña""")
_TOPICS = _pairs("""honeybees | las abejas | volcanoes | los volcanes | tide pools |
las pozas de marea | earthquakes | los terremotos | magnets | los imanes | comets | los cometas |
glaciers | los glaciares | wind turbines | las turbinas eólicas | migrating cranes |
las grullas migratorias | fossils | los fósiles | coral reefs | los arrecifes de coral |
chloroplasts | los cloroplastos | suspension bridges | los puentes colgantes""")
_STEMS = {
    "Math": _pairs("""
What is the area of a {n} by {m} rectangle? | ¿Cuál es el área de un rectángulo de {n} por {m}? |
What is the total of {thing} in {m} boxes of {n}? | ¿Cuántas piezas hay en {m} cajas de {n}? |
Which fraction of the {thing} did {name} sell? | ¿Qué fracción de {thing} vendió {name}? |
Is the mean of the data above its median? | ¿Supera la media de los datos a la mediana? |
Solve for x, and explain each of your steps. | Halla x y explica cada uno de tus pasos. |
Which ratio of {thing} is equal to {n} to {m}? | ¿Qué razón de {thing} equivale a {n} a {m}?"""),
    "ELA": _pairs("""
What is the central idea about {topic}? | ¿Cuál es la idea central sobre {topic}? |
How does {name} feel on arriving at {place}? | ¿Cómo se siente {name} al llegar a {place}? |
What does the author's metaphor suggest? | ¿Qué sugiere la metáfora del autor? |
Which claim of {name} is not supported? | ¿Qué afirmación de {name} carece de pruebas? |
Which word could replace "reluctant"? | ¿Qué palabra podría sustituir a "reacio"? |
How does the narrator's tone change near {place}? | ¿Cómo cambia el tono cerca de {place}?"""),
    "Science": _pairs("""
Which question about {topic} can be tested? | ¿Qué pregunta sobre {topic} se puede comprobar? |
How does energy move through {topic}? | ¿Cómo circula la energía en {topic}? |
Which evidence shows that {topic} changed? | ¿Qué prueba muestra que {topic} cambiaron? |
Why do the ice and the water have the same mass? | ¿Por qué pesan igual el hielo y el agua? |
Which variable must stay the same at {place}? | ¿Qué variable debe ser igual en {place}? |
Describe the temperature pattern at {place}. | Describe la pauta de temperatura en {place}."""),
}
_TALES = _pairs("""
Before sunrise, {name} carried {n} {thing} to {place}. | Al alba, {name} llevó {n} {thing}. |
Nobody had ever written about {topic} before. | Nadie había escrito antes sobre {topic}. |
"Patience is a tool that never rusts." | "La paciencia es una herramienta sin óxido". |
At last the storm passed, and {place} was quiet. | Al fin pasó la tormenta en {place}. |
The notebooks about {topic} are centuries old. | Los cuadernos sobre {topic} tienen siglos. |
{name} drew a graph of the {thing} by season. | {name} dibujó una gráfica por estaciones.""")
_ANSWERS = _pairs("""
It explains that {topic} depend on a balance. | Explica que {topic} dependen de un equilibrio. |
The number of {thing} doubles every {m} days. | El número de {thing} se duplica cada {m} días. |
There isn't enough information about {place}. | No hay suficiente información sobre {place}. |
Heat flows from the warm object to the cool one. | El calor pasa del objeto caliente al frío. |
Repetition makes the warning sound urgent. | La repetición da urgencia a la advertencia. |
The graph is a line through the origin. | La gráfica es una recta por el origen.""")
HINTS = _pairs("""Round your answer to the nearest tenth. | Redondea a la décima más cercana. |
Use details from the text as evidence. | Usa detalles del texto como prueba. | Select all the
correct answers. | Elige todas las respuestas correctas. | Enter your answer in the box. | Escribe
tu respuesta en el recuadro. | Click on a button to hear the words. | Haz clic en un botón para oír
las palabras. | You may look back at the source. | Puedes volver a mirar la fuente.""")
_RATIONALES = _pairs("""Correct: the definition is applied. | Correcto: aplica la definición. |
The student mistakes the operation. | El estudiante confunde la operación.""")
_FRAMES = (
    "<p>{}</p>",
    '<p style="margin-left:12.0pt; ">{}&nbsp;</p>',
    '<p style=""><span style="font-weight:bold; ">{}</span></p>\n<p>&#160;</p>',
    "{}",
)
_FORMULAS = (
    "<mfrac><mn>{m}</mn><mn>{n}</mn></mfrac><mo>&#215;</mo><mi>x</mi><mo>=</mo><mn>{m}</mn>",
    "<msup><mi>x</mi><mn>2</mn></msup><mo>\u2212</mo><mn>{n}</mn>",
)
_ENTITIES = {code: f"&{name};" for code, name in codepoint2name.items() if code > ord("~")}
_FIELDS = """accessibilityLanguageComplexity algebraDescriptor1 algebraDescriptor2 claim2Category
claim2SubCategory contentDomain copyrightHolder copyrightHolderOther easyListeningFormula
estimatedQuintile evidenceStatement knowledgeDemands languageFeatures maxGrade meaningPurpose
minGrade performanceTaskPosition primaryTargetSet readabilityFleschKincaid readabilityLexile
scoringPoints specificationVersion stateSpecificUseDescription stimulusFormat stimulusGenre
stimulusLength stimulusLiteraryCategory stimulusName structure wordCount writingPurpose"""
_CHOICES = _pairs("""allowCalculator | , Yes, No | contentTaskModel | , TM1, TM5 | intendedGrade |
3, 4, 5, 6, 7, 8, 11 | depthOfKnowledge | 1, 2, 3, 4 | maximumPoints | 1, 2, 4 | organizationName |
, North Coast Items, Prairie Assessments | organizationTypeId | , vendor, state | pencilPaper |
Yes, No | performanceTask | , Yes, No | primaryClaim | 1, 2, 3, 4 | primaryCommonCoreStandard |
, 5.NF.A.1, RI.6.2, MS-PS1-4 | primaryContentDomain | , NF, ReadingInformation | primaryTarget |
A, B, C, D, E | scoringEngine | , handScored, Automatic with Key(s) | secondaryClaim | , 2, 3 |
secondaryTarget | , F, G | stateSpecificUse | No, No, Yes | testCategory | , Summative, Interim""")
_RANKED_FIELDS = ("Claim", "CommonCoreStandard", "ContentDomain", "MathematicalPractice", "Target")
_RANKS = ("primary", "secondary", "tertiary", "quaternary")
_RENAMED = _pairs(
    "allowCalculator | calculator | intendedGrade | grade | maximumPoints | itemPoint"
)
_OLD_NAMES = dict(_RENAMED) | {f"{rank}Target": f"{rank}AssessmentTarget" for rank in _RANKS}


@frozen
class _Writer:
    """Writes the texts of one item, all of them about the same few things."""

    rng: Random
    subject: str
    has_entities: bool
    words: tuple[JsonObject, ...]

    @classmethod
    def of(cls, rng: Random) -> "_Writer":
        topics = {"thing": _THINGS, "place": _PLACES, "topic": _TOPICS}
        chosen = {slot: rng.choice(bank) for slot, bank in topics.items()}
        common = {"name": rng.choice(_NAMES), "n": rng.randint(5, 48), "m": rng.randint(2, 12)}
        words = tuple(common | {slot: pair[i] for slot, pair in chosen.items()} for i in (0, 1))
        return cls(rng, rng.choice(tuple(_STEMS)), rng.choice((True, False)), words)

    def text(self, *sentences: Pair, formula: str = "") -> Pair:
        english, spanish = (
            " ".join(texts).format_map(words)
            for texts, words in zip(zip(*sentences, strict=True), self.words, strict=True)
        )
        if self.has_entities:
            english, spanish = english.replace("'", "&rsquo;"), spanish.translate(_ENTITIES)
        frame = self.rng.choice(_FRAMES)
        return frame.format(english + formula), frame.format(spanish + formula)

    def some(self, bank: Sequence[Pair], count: int) -> Pair:
        return self.text(*self.rng.sample(bank, count))

    def formula(self) -> str:
        if self.subject != "Math":
            return ""
        numbers = {"n": self.rng.randint(2, 99), "m": self.rng.randint(2, 99)}
        formula = self.rng.choice(_FORMULAS).format_map(numbers)
        return f'&nbsp;<math xmlns="http://www.w3.org/1998/Math/MathML">{formula}</math>'

    def prompt(self) -> Pair:
        sentences = self.rng.choice(_TALES), self.rng.choice(_STEMS[self.subject])
        return self.text(*sentences, formula=self.formula())

    def options(self, correct: int) -> list[JsonObject]:
        options = [
            {
                "text": self.text(answer, formula=self.formula()),
                "rationale": _RATIONALES[i >= correct],
                "isCorrectAnswer": i < correct,
            }
            for i, answer in enumerate(self.rng.sample(_ANSWERS, 4))
        ]
        return self.rng.sample(options, len(options))

    def table(self, cell_type: str, values: Sequence[object]) -> JsonObject:
        cells = [{"type": cell_type, "value": self.rng.choice(values)} for _ in range(2)]
        labels = self.rng.sample(_PLACES, 3)
        return {
            "title": self.some(_TOPICS, 1),
            "columns": [{"label": label} for label in (("", ""), *self.rng.sample(_THINGS, 2))],
            "rows": [{"cells": [{"type": "label", "value": label}, *cells]} for label in labels],
        }

    def scoring(self) -> JsonObject:
        return {"exemplarResponses": [self.some(_ANSWERS, 2)], "rubrics": [_RATIONALES[0]]}

    def passage(self) -> JsonObject:
        return {"title": self.some(_TOPICS, 1), "body": self.some(_TALES, 5)}


#: What a type has beside its prompt, or a stimulus beside its content; gi and tut: nothing.
_PARTS: dict[str, Callable[[_Writer], JsonObject]] = {
    "ebsr": lambda w: {
        "partAPrompt": w.prompt(),
        "partAOptions": w.options(1),
        "partBPrompt": w.some(HINTS, 1),
        "partBOptions": w.options(2),
    },
    "eq": lambda w: {"parts": [{"leftLabel": ("x =", "x ="), "rightLabel": w.some(_THINGS, 1)}]},
    "htqo": lambda w: {"htqOrderable": {"orderableStrings": [w.some(_TALES, 1) for _ in "123"]}},
    "htqs": lambda w: {"htqSelectable": {"interactiveText": w.some(_TALES, 3)}},
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
    ranked = (f"{rank}{name}" for rank in _RANKS for name in _RANKED_FIELDS)
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
    form = {"assessmentType": assessment, "formType": kind, "exposures": rng.randrange(5000)}
    return form | {"formId": f"form.{rng.randrange(1000)}.{kind[:2].upper()}"}


def new_document(
    rng: Random, identity: dict[str, str], stimulus: str | int | None, *, by: str, year: int
) -> tuple[JsonObject, JsonObject]:
    """Write the first document of an id and type; return it, and its Spanish content for later."""
    age, item_type = max(age for age in Age if age <= year), identity["type"]
    writer = _Writer.of(rng)
    is_text = item_type in ("stim", "tut")
    first = {"content": writer.some(_TALES, 3)} if is_text else {"prompt": writer.prompt()}
    content = first | (_PARTS[item_type](writer) if item_type in _PARTS else {})
    english, spanish, blank = (_read(content, language) for language in (0, 1, None))
    no, yes = ("false", "true") if age is Age.OLDEST else (False, True)
    english |= {"isRequired": "true", "isProvided": yes}
    core = english if age is Age.OLDEST and not is_text else {"en": english}
    core |= {"attachments": [], "enemyItems": [], "tutorialId": None}
    core["stimulusId"] = stimulus
    if item_type != "tut":
        core["metadata"] = _metadata(writer, age, by)
    speech = {"isSightTTSProvided": no, "isVisualTTSProvided": no}
    document: JsonObject = {
        **identity,
        "version": f"iat-{(age - Age.OLDEST) * 7 + rng.randint(1, 9)}",
        "core": core,
        **{
            name: {"attachments": [], f"is{flag}Provided": no, f"is{flag}Required": "undetermined"}
            for name, flag in (("asl", "Asl"), ("braille", "Braille"), ("cc", "Cc"))
        },
        "textToSpeech": speech | {"isVisualTTSRequired": rng.choice(("Yes", "No", ""))},
        "translations": {"esp": blank | {"isRequired": "undetermined", "isProvided": no}},
        "workflow": {"workflowStatusCode": "Draft"},
    }
    if age is Age.NEW:
        ids = {f"{rank}EnhancedId": f"{item_type}.C{rng.choice('123')}.TB" for rank in _RANKS[:2]}
        document |= {"assignments": [], "serverManaged": {"id": identity["id"], **ids}}
        names = ("EnglishGlossaryProvided", "TranslatedGlossaryProvided")
        glossary = {f"is{name}": rng.choice((True, False)) for name in names}
        document["glossary"] = glossary | {"isTranslatedGlossaryRequired": "Yes", "terms": []}
    return document, spanish
