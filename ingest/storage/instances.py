"""The job instances: made with the database, and put back where somebody has deleted one."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import structlog
from sqlalchemy import Connection, insert, select

from ingest.errors import DatabaseVersionError
from ingest.model.job import JobInstance
from ingest.storage.tables import job_instance

_log = structlog.get_logger(__name__)

#: The ids that scripts know.
EXPECTED: Final[Mapping[int, str]] = MappingProxyType(
    {1: "itemSynchronizationJob", 2: "itemMigrationJob"}
)

#: Spring Batch's key of a job without parameters: the MD5 of nothing.
_NO_PARAMETERS: Final = "d41d8cd98f00b204e9800998ecf8427e"


def load_instances(connection: Connection) -> tuple[JobInstance, ...]:
    """Return the job instances, by ascending id."""
    query = select(
        job_instance.c.job_instance_id, job_instance.c.version, job_instance.c.job_name
    ).order_by(job_instance.c.job_instance_id)
    rows = connection.execute(query).all()
    return tuple(JobInstance(id=row[0], version=row[1], name=row[2]) for row in rows)


def are_expected(instances: Sequence[JobInstance]) -> bool:
    """Tell whether every job has its own instance."""
    return EXPECTED.items() <= {one.id: one.name for one in instances}.items()


def restore_instances(connection: Connection) -> tuple[JobInstance, ...]:
    """Put back what is missing, each with its own id; return all of them.

    Raises:
        DatabaseVersionError: Another job has the id, or the job has another id.
    """
    instances = load_instances(connection)
    names = {one.id: one.name for one in instances}
    ids = {one.name: one.id for one in instances}
    for id_, name in EXPECTED.items():
        if names.get(id_, name) != name or ids.get(name, id_) != id_:
            raise DatabaseVersionError(
                f"The database was changed by hand: in batch_job_instance, {name} must have the "
                f"job_instance_id {id_}, and there {id_} is {names.get(id_, 'missing')} and {name} "
                f"{ids.get(name, 'missing')}. Put that right with sqlite3, or restore a backup"
            )
        if id_ not in names:
            connection.execute(
                insert(job_instance).values(
                    job_instance_id=id_, job_name=name, job_key=_NO_PARAMETERS
                )
            )
            _log.warning("job instance was missing, put back", instance=id_, job=name)
    return load_instances(connection)
