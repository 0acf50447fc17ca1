"""What Prometheus would see of the service."""

import asyncio
from collections.abc import Callable, Mapping

from attrs import field, frozen
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.service import DEADLINE_S, Client

Labels = Mapping[str, str]


@frozen
class Scrape:
    """The answer to one scrape."""

    text: str
    families: list[Metric] = field(init=False)

    @families.default
    def _parsed(self) -> list[Metric]:
        return list(text_string_to_metric_families(self.text))

    def series(self, name: str) -> list[tuple[Labels, float]]:
        """Return every sample of this name, with its labels."""
        return [
            (sample.labels, sample.value)
            for family in self.families
            for sample in family.samples
            if sample.name == name
        ]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sample with exactly these labels; None where there is none."""
        return next((value for found, value in self.series(name) if found == labels), None)

    def names(self) -> dict[str, set[str]]:
        """Return the names of the labels that samples come with, by the samples' names."""
        found: dict[str, set[str]] = {}
        for family in self.families:
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        return found


async def scrape(client: Client, accept: str = "") -> Scrape:
    """Scrape the service."""
    response = await client.get("/metrics", headers={"Accept": accept})
    assert response.status == 200
    return Scrape(await response.text())


async def scraped(client: Client, fits: Callable[[Scrape], bool]) -> Scrape:
    """Scrape until the answer fits: what is on record a moment ago may not be counted yet."""
    async with asyncio.timeout(DEADLINE_S):
        while not fits(found := await scrape(client)):
            pass
        return found
