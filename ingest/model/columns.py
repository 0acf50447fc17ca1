"""The item table, a line a column: its name, what it says, and where in item.json it comes from.

Adding a column is adding a line here, a version of the schema, and running the migration job; the
README tells how. The table, the mapping, and the API with its description all read this list.
"""

from enum import StrEnum

from attrs import frozen


class ColumnType(StrEnum):
    """What a column holds, on every database."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"  #: aware and in UTC in Python


@frozen(kw_only=True)
class ItemColumn:
    """One column of the item table."""

    name: str
    type: ColumnType
    #: What it says, in a line for people.
    description: str
    #: Paths into the document, newest name first: the first that is not blank counts. A column
    #: without paths is computed, from the document's structure or from the item's history.
    paths: tuple[str, ...] = ()
    #: Whether "unset" is NULL; otherwise it is the empty text, zero or false.
    nullable: bool = False


def _text(name: str, description: str, *paths: str, nullable: bool = False) -> ItemColumn:
    kind = ColumnType.TEXT
    return ItemColumn(name=name, type=kind, description=description, paths=paths, nullable=nullable)


def _metadata(name: str, description: str, *fields: str) -> ItemColumn:
    return _text(name, description, *(f"core.metadata.{field}" for field in fields))


def _integer(name: str, description: str, *paths: str, nullable: bool = False) -> ItemColumn:
    kind = ColumnType.INTEGER
    return ItemColumn(name=name, type=kind, description=description, paths=paths, nullable=nullable)


def _flag(name: str, description: str, *paths: str) -> ItemColumn:
    return ItemColumn(name=name, type=ColumnType.BOOLEAN, description=description, paths=paths)


def _timestamp(name: str, description: str, *paths: str) -> ItemColumn:
    kind = ColumnType.TIMESTAMP
    return ItemColumn(name=name, type=kind, description=description, paths=paths, nullable=True)


def _ranked(rank: str) -> tuple[ItemColumn, ...]:
    """Return the columns of one of the four standards that an item may be aligned to."""
    target = (f"{rank}Target", f"{rank}AssessmentTarget")
    standard = f"The {rank} common core standard"
    return (
        _metadata(f"{rank}_claim", f"The {rank} claim", f"{rank}Claim"),
        _metadata(f"{rank}_target", f"The {rank} assessment target", *target),
        _metadata(f"{rank}_content_domain", f"The {rank} domain", f"{rank}ContentDomain"),
        _metadata(f"{rank}_common_core_standard", standard, f"{rank}CommonCoreStandard"),
    )


def _enhanced_id(rank: str) -> ItemColumn:
    path = f"serverManaged.{rank}EnhancedId"
    return _text(f"{rank}_enhanced_id", f"Enhanced id of the {rank} standard", path, nullable=True)


def _accommodation(name: str, words: str, required: str, provided: str) -> tuple[ItemColumn, ...]:
    """Return the two columns of something that is required or not, and provided or not."""
    return (
        _text(f"{name}_required", f"Whether {words} required, in the authors' word", required),
        _flag(f"{name}_provided", f"Whether {words} provided", provided),
    )


_SIGNED = ("asl.isAslRequired", "asl.isAslProvided")
_BRAILLE = ("braille.isBrailleRequired", "braille.isBrailleProvided")
_CAPTIONS = ("cc.isCcRequired", "cc.isCcProvided")
_SPANISH = ("translations.esp.isRequired", "translations.esp.isProvided")
_SIGHT = "textToSpeech.isSightTTSProvided"
_VISUAL = ("textToSpeech.isVisualTTSRequired", "textToSpeech.isVisualTTSProvided")
_ENGLISH_TERMS = "glossary.isEnglishGlossaryProvided"
_PICTURES = ("glossary.isIllustratedGlossaryRequired", "glossary.isIllustratedGlossaryProvided")
_NEED = "the newest content update need"
_TERMS = ("glossary.isTranslatedGlossaryRequired", "glossary.isTranslatedGlossaryProvided")

#: The ranks of the standards that an item may be aligned to.
RANKS = ("primary", "secondary", "tertiary", "quaternary")

ITEM_COLUMNS: tuple[ItemColumn, ...] = (
    _integer("id", "The item's id in the bank"),
    _text("item_type", "One of the thirteen item types, such as mc or stim"),
    _text("classification", "stim for a stimulus, item for anything else"),
    _metadata("subject", "Subject", "subject"),
    _metadata("grade", "Grade that the item is intended for", "intendedGrade", "grade"),
    _metadata("dok", "Depth of knowledge", "depthOfKnowledge"),
    _metadata("organization_type_id", "Kind of organization behind the item", "organizationTypeId"),
    _metadata("organization_name", "Organization behind the item", "organizationName"),
    _metadata("content_task_model", "Content or task model", "contentTaskModel"),
    _metadata("performance_task", "Whether it belongs to a performance task", "performanceTask"),
    _metadata("writing_purpose", "Purpose of the writing that is asked for", "writingPurpose"),
    _metadata("item_author", "Author, as the document names one", "itemAuthor"),
    _metadata("test_category", "Category of test", "testCategory"),
    _metadata("scoring_engine", "How answers are scored", "scoringEngine"),
    _metadata("maximum_points", "Points for a full answer", "maximumPoints", "itemPoint"),
    _metadata(
        "allow_calculator", "Whether calculators are allowed", "allowCalculator", "calculator"
    ),
    _metadata("pencil_paper", "Whether it may be used on paper", "pencilPaper"),
    _metadata("state_specific_use", "Whether it is for single states", "stateSpecificUse"),
    _metadata(
        "state_specific_use_description",
        "Which use by single states",
        "stateSpecificUseDescription",
    ),
    *(column for rank in RANKS for column in _ranked(rank)),
    *(_enhanced_id(rank) for rank in RANKS),
    _text("workflow_status", "Code of the workflow status", "workflow.workflowStatusCode"),
    _timestamp("workflow_status_set_at", "When the workflow status last changed"),
    _timestamp("operational_at", "When the status last became exactly Operational"),
    _flag("content_changed_after_operational", "Whether content is newer than operational_at"),
    _integer("associated_stimulus_id", "Id of the stimulus", "core.stimulusId", nullable=True),
    _flag("is_being_created", "Whether the item was not published yet"),
    _timestamp(
        "english_content_last_updated_at", "Date of the English content", "core.en.updatedDate"
    ),
    _timestamp(
        "spanish_content_last_updated_at",
        "Date of the Spanish content",
        "translations.esp.updatedDate",
    ),
    _integer("english_passages_count", "Passages of a stimulus in English"),
    _integer("spanish_passages_count", "Passages of a stimulus in Spanish"),
    *_accommodation("asl", "American Sign Language is", *_SIGNED),
    *_accommodation("braille", "braille is", *_BRAILLE),
    *_accommodation("cc", "closed captioning is", *_CAPTIONS),
    *_accommodation("translation", "the Spanish translation is", *_SPANISH),
    *_accommodation("visual_tts", "text-to-speech of what is to be seen is", *_VISUAL),
    _flag("sight_tts_provided", "Whether text-to-speech for sight is provided", _SIGHT),
    _flag("english_glossary_provided", "Whether an English glossary is provided", _ENGLISH_TERMS),
    *_accommodation("illustrated_glossary", "an illustrated glossary is", *_PICTURES),
    *_accommodation("translated_glossary", "a translated glossary is", *_TERMS),
    _integer("exposures_count", "Exposures over all forms; null if never given", nullable=True),
    _integer("form_count", "Forms that had it; null if never given", nullable=True),
    _integer("item_difficulty_quintile", "Difficulty by its field test, 1 to 5", nullable=True),
    _flag("unresolved_update_need", "Whether any content update need has no resolution"),
    _timestamp("current_update_need_create_date", f"When {_NEED} was reported"),
    _text("current_update_need_internal_resolution", f"Internal resolution of {_NEED}"),
    _timestamp(
        "current_update_need_internal_resolution_date",
        f"Date of the internal resolution of {_NEED}",
    ),
    _text("current_update_need_resolution", f"Resolution of {_NEED}"),
    _timestamp("current_update_need_resolution_date", f"Date of the resolution of {_NEED}"),
    _text("assigned_to", "Names of those whom the item is assigned to, sorted"),
    _text("item_created_by", "Author of the first commit with an item.json"),
    _timestamp("item_created_at", "Date of the first commit with an item.json"),
    _text("updated_by", "Author of the newest commit"),
    _timestamp("updated_at", "Date of the newest commit"),
    _integer("derivation_version", "Version of the rules that the row was derived by"),
    _text("item_json", "The whole document"),
)
