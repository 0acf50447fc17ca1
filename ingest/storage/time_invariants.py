"""What holds of every time in every table: see `Invariant`."""

from typing import Final

from sqlalchemy import Column, Table

from ingest.storage.invariants import Invariant
from ingest.storage.table_parts import UtcDateTime
from ingest.storage.tables import metadata

_DIGITS: Final = "[0-9]" * 2
#: What the service writes, and nothing else keeps the order of text that of time.
_FORM: Final = f"{_DIGITS * 2}-{_DIGITS}-{_DIGITS} {_DIGITS}:{_DIGITS}:{_DIGITS}.{_DIGITS * 3}"


def _odd_times(table: Table, column: Column[object]) -> str:
    key = next(iter(table.primary_key)).name
    name = column.name
    # Days that a month has not are carried over into the next one; so they differ.
    return f"""
        SELECT '{key} = ' || quote({key}) || ' of {table.name}' AS id, '{name}' AS name,
            quote({name}) AS value
        FROM {table.name}
        WHERE {name} IS NOT NULL AND NOT (
            typeof({name}) = 'text' AND {name} GLOB '{_FORM}' AND coalesce(
                strftime('%Y-%m-%d %H:%M:%S', substr({name}, 1, 19), '+0 days'), ''
            ) = substr({name}, 1, 19)
        )
    """  # noqa: S608 - names of the schema


TIME_INVARIANTS: Final = (
    Invariant(
        name="times can be read",
        thing="row",
        sql=" UNION ALL ".join(
            _odd_times(table, column)
            for table in metadata.sorted_tables
            for column in table.columns
            if isinstance(column.type, UtcDateTime)
        ),
        wrong="has {value} in {name}, which is no time as the service writes them",
        remedy="it was changed by hand: stop the service and put the time there in UTC, like "
        "'2020-01-31 23:59:59.123456'; until then a time that cannot be read is taken for the "
        "year 1",
    ),
)
