"""What starts asked for beyond the start itself: the job parameters, in Spring Batch's table."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert, select

from ingest.storage.tables import job_execution_params

#: How Spring Batch names the type of a text.
_TEXT = "java.lang.String"


def add_parameters(
    connection: Connection, execution_id: int, parameters: Mapping[str, str]
) -> None:
    """Put an execution's parameters on record."""
    if parameters:
        connection.execute(
            insert(job_execution_params),
            [
                {
                    "job_execution_id": execution_id,
                    "parameter_name": name,
                    "parameter_type": _TEXT,
                    "parameter_value": value,
                }
                for name, value in parameters.items()
            ],
        )


def load_parameters(
    connection: Connection, execution_ids: Sequence[int]
) -> dict[int, dict[str, str]]:
    """Return the parameters of each of these executions, by name."""
    found: dict[int, dict[str, str]] = {one: {} for one in execution_ids}
    query = (
        select(
            job_execution_params.c.job_execution_id,
            job_execution_params.c.parameter_name,
            job_execution_params.c.parameter_value,
        )
        .where(job_execution_params.c.job_execution_id.in_(execution_ids))
        .order_by(job_execution_params.c.parameter_name)
    )
    for execution_id, name, value in connection.execute(query):
        found[execution_id][name] = value
    return found
