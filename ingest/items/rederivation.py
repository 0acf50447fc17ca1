"""A stored item under the rules of today, without asking the bank."""

from attrs import fields

from ingest.items.derivation import rederive
from ingest.model.item import HistoryFacts, Ingested, Problem, Rejected
from ingest.storage.items import ItemWrite, StoredItem


def rederive_stored(stored: StoredItem) -> ItemWrite | Rejected | None:
    """Derive an item's row anew from its stored document; None where nothing would change.

    What only the item's history tells is carried over. The write names the stored commit in the
    log once more, now with the execution that derived from it.
    """
    values = stored.row.values
    row = rederive(
        stored.key,
        values["item_json"].encode(),
        HistoryFacts(**{fact.name: values[fact.name] for fact in fields(HistoryFacts)}),
        is_being_created=values["is_being_created"],
    )
    if isinstance(row, Problem):
        return Rejected(key=stored.key, path=stored.path, revision=None, problem=row)
    if row == stored.row:
        return None
    ingested = Ingested(
        key=stored.key,
        path=stored.path,
        branch=stored.branch,
        revision=stored.stored.revision,
        commit=stored.commit,
        row=row,
        log=(stored.commit,),
        bank_id=stored.stored.bank_id,
    )
    return ItemWrite(ingested=ingested, replaces=stored.stored.revision)
