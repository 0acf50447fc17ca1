"""The names of the metrics, by Prometheus' own guide."""

import re
from collections import Counter

import pytest
from aiohttp import web

from ingest.api.keys import METRICS
from ingest.metrics.state import NoTraffic
from tests.api.test_metrics import run
from tests.support.scrape import Scrape, scrape
from tests.support.service import Client

#: Base units, as far as they occur here; what is counted in things is named by the things.
UNITS = ("seconds", "bytes")
#: Other units, and what names must not say because the type or the labels do.
FORBIDDEN = re.compile(
    r"(^|_)(milliseconds|ms|minutes|hours|kilobytes|mb|percent|ratio|gauge|counter|histogram)(_|$)"
)
#: What the client library brings along has names of its own.
FOREIGN = ("process_", "python_")
#: Labels that Prometheus gives each target: one of ours would be renamed.
RESERVED = {"job", "instance", "le", "quantile"}


@pytest.fixture
async def found(app: web.Application, client: Client) -> Scrape:
    """A scrape of a service that has run both jobs, and has counted something of everything."""
    app[METRICS].state.bank = NoTraffic(outcomes=Counter({"200": 1}))
    await run(client, "/sync")
    await run(client, "/migrate")
    return await scrape(client)


async def test_names_follow_the_guide(found: Scrape) -> None:
    """One prefix, snake case, counters and only they end in _total, units are base units."""
    for family in found.families:
        name = family.name
        if name.startswith(FOREIGN):
            continue
        assert re.fullmatch(r"ingest_[a-z]+(_[a-z]+)*", name), name
        assert not FORBIDDEN.search(name), name
        samples = {sample.name for sample in family.samples}
        if family.type == "counter":
            assert samples <= {f"{name}_total"}, name
        else:
            assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_created")), name
        if family.type == "histogram":
            assert name.endswith(UNITS), name
        if "timestamp" in name:
            assert name.endswith("_timestamp_seconds"), name
        if re.search(r"duration|lag|wait(_|$)|_at(_|$)", name):
            assert name.endswith("_seconds"), name


async def test_every_metric_says_what_it_is(found: Scrape) -> None:
    """HELP is a sentence that is not the name over again, and the type is known."""
    for family in found.families:
        if family.name.startswith(FOREIGN):
            continue
        assert family.type in {"counter", "gauge", "histogram", "info"}, family.name
        assert re.fullmatch(r"[A-Z0-9].{10,}\.", family.documentation), family.name


async def test_labels_are_few(found: Scrape) -> None:
    """None is Prometheus' own, each is snake case, and a metric has three of them at the most."""
    for name, labels in found.names().items():
        own = labels - {"le"} if name.endswith("_bucket") else labels
        assert not own & RESERVED, name
        assert len(own) <= 3 or name == "ingest_build_info", name
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in own), name


async def test_there_are_not_too_many_series(found: Scrape) -> None:
    """A scrape of everything stays small."""
    assert sum(len(family.samples) for family in found.families) < 1000


async def test_no_family_comes_twice(found: Scrape) -> None:
    """Each is described once, with all its samples together, and none of them twice."""
    names = [family.name for family in found.families]
    assert sorted(names) == sorted(set(names))
    samples = [
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in found.families
        for sample in family.samples
    ]
    assert len(samples) == len(set(samples))
