"""What becomes of an item of a sample bank: people edit it, and its status moves on."""

from typing import Final

import orjson
from attrs import define

from ingest.bank.sample_documents import (
    Age,
    JsonObject,
    administrations,
    new_document,
)
from ingest.bank.sample_git import PEOPLE, SampleHistory
from ingest.bank.sample_texts import HINTS

_STATUSES: Final = ("InternalReview", "SmarterContentReview", "FieldTest", "OperationalReady")
_SECTIONS: Final = {
    "asl": ("Asl", "ASL.mp4"),
    "braille": ("Braille", "enu.brf"),
    "cc": ("Cc", "cc.vtt"),
}


@define
class SampleItem:
    """An item under way: its document, and who works on it when."""

    history: SampleHistory
    age: Age
    document: JsonObject
    spanish: JsonObject
    is_translated: bool = False

    @property
    def now(self) -> str:
        """The time of the commit under way, as documents have dates."""
        return self.history.at.strftime("%Y-%m-%dT%H:%M:%S.558Z")

    @property
    def english(self) -> JsonObject:
        """The English content, wherever a document of this age has it."""
        english: JsonObject = self.document["core"].get("en", self.document["core"])
        return english

    def files(self) -> dict[str, bytes]:
        """The item's files, a stand-in for each attachment."""
        attachments = (a for section in _SECTIONS for a in self.document[section]["attachments"])
        files = dict.fromkeys((a["fileName"] for a in attachments), b"A recording.\n")
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        return files | {"item.json": orjson.dumps(self.document, option=options)}

    def edit(self) -> str:
        """Change something other than the workflow status; say what, for the commit's message."""
        edits = [self.reword, self.reword, self.attach, self.report]
        edits += [] if self.is_translated else [self.translate]
        edits += [self.assign] if "assignments" in self.document else []
        return self.history.rng.choice(edits)()

    def reword(self) -> str:
        """Add a sentence, in both languages."""
        english = self.english
        name = "content" if "content" in english else "prompt"
        hint = self.history.rng.choice([hint for hint in HINTS if hint[0] not in english[name]])
        for content, text in zip((english, self.spanish), hint, strict=True):
            content[name] += f"\n<p>{text}</p>"
            self.touch(content)
        return f"Reword the {name}"

    def touch(self, content: JsonObject) -> None:
        """Date a content, if documents of this age have such dates."""
        if self.age is Age.NEW:
            content["updatedDate"] = self.now

    def translate(self) -> str:
        """Put the Spanish content there."""
        self.spanish |= {flag: self.english[flag] for flag in ("isRequired", "isProvided")}
        self.touch(self.spanish)
        self.document["translations"] = {"esp": self.spanish}
        self.is_translated = True
        return "Add the Spanish translation"

    def attach(self) -> str:
        """Upload a file to one of the sections."""
        section, (flag, ending) = self.history.rng.choice(tuple(_SECTIONS.items()))
        attachment = {"fileName": f"item_{self.document['id']}_{ending}", "uploadedDate": self.now}
        # The authors' tools enter a file twice at times, and so does a second upload.
        self.document[section]["attachments"] += [attachment] * self.history.rng.choice((1, 1, 2))
        flags = {f"is{flag}Required": "Yes", f"is{flag}Provided": self.english["isProvided"]}
        self.document[section] |= flags
        return f"Upload to {section}"

    def report(self) -> str:
        """Report a content update need, or one that was resolved by now."""
        chance, choice = self.history.chance, self.history.rng.choice
        need: JsonObject = {
            "createDate": self.now,
            "notes": f"{self.history.author} doubts the key.",
        }
        for name, words in (("internalResolution", "Taken"), ("resolution", "Key confirmed")):
            # Unset: absent, null or blank, as the authors' tools left it.
            unset = choice(({}, {f"{name}Date": None, name: None}, {f"{name}Date": "", name: ""}))
            need |= {f"{name}Date": self.now, name: words} if chance(50) else unset
        if need.get("resolution"):
            need["resolutionNotes"] = "It took a second look."
        self.document["core"].setdefault("contentUpdateNeeds", []).append(need)
        return "Report a content update need"

    def assign(self) -> str:
        """Assign the item to one person or two, and to nobody else."""
        by = {"assignedBy": self.history.author, "assignedDate": self.now}
        names = self.history.rng.sample(PEOPLE, self.history.rng.choice((1, 1, 2)))
        self.document["assignments"] = [by | {"assignedTo": name} for name in names]
        return "Assign the item"

    def move_to(self, status: str) -> str:
        """Set the workflow status; items that were in tests have numbers to show for it."""
        self.document["workflow"]["workflowStatusCode"] = status
        if status == "Operational" and self.document["type"] not in ("stim", "tut"):
            self.document["core"]["testAdministration"] = administrations(self.history.rng)
        return f"Set the status to {status}"


def write_history(
    history: SampleHistory, identity: JsonObject, stimulus: str | int | None
) -> SampleItem:
    """Commit an item from its beginning to its last edit; *identity* is its id and type."""
    rng = history.rng
    if history.chance(90):
        history.commit("Create the project", {})
    begun = new_document(rng, identity, stimulus, by=history.author, year=history.at.year)
    item = SampleItem(history, Age.of(history.at.year), *begun)
    marker = {"create": b""} if history.chance(90) else {}
    last = rng.randint(2, 6)
    published = rng.randint(1, last) if history.chance(85) else None
    operational = rng.randint(2, last) if published and history.chance(50) else None
    message, upcoming = "Create the item", list(_STATUSES)
    for number in range(1, last + 1):
        if number == operational:
            message, upcoming = item.move_to("Operational"), []
        elif number > 1 and upcoming and history.chance(50):
            message = item.move_to(upcoming.pop(0))
        elif number > 1:
            message = item.edit()
        history.commit(message, item.files() | marker)
        if number == published and marker:
            marker = {}
            history.commit("Publish the item", item.files())
    return item
