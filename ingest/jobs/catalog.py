"""The jobs there are, and the job instance that each of them runs as."""

from collections.abc import Iterable

from ingest.errors import InvalidValueError, JobInstanceNotFoundError
from ingest.items.job import Job
from ingest.model.job import JobInstance


class JobCatalog:
    """Finds a job and its one instance by name or by instance id. Neither ever changes."""

    def __init__(self, jobs: Iterable[Job], instances: Iterable[JobInstance]) -> None:
        by_name = {job.name: job for job in jobs}
        self._jobs = {one.id: by_name[one.name] for one in instances if one.name in by_name}
        self.instances = {one.id: one for one in instances}

    def instance(self, instance_id: int) -> JobInstance:
        """Return the instance with this id.

        Raises:
            JobInstanceNotFoundError: There is none.
        """
        try:
            return self.instances[instance_id]
        except KeyError:
            raise JobInstanceNotFoundError(instance_id) from None

    def named(self, name: str) -> JobInstance:
        """Return the instance of the job with this name.

        Raises:
            InvalidValueError: There is no such job; the message names those there are.
        """
        for instance in self.instances.values():
            if instance.name == name:
                return instance
        names = ", ".join(one.name for one in self.instances.values())
        raise InvalidValueError(f"There is no job {name!r}; there are {names}")

    def job(self, instance: JobInstance) -> Job:
        """Return the job that an instance runs."""
        return self._jobs[instance.id]
