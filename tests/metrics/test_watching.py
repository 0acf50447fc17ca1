"""The alert rules and the dashboard: that they speak of what there is."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml
from aiohttp import web
from attrs import evolve, frozen
from pytest_aiohttp import AiohttpClient

from ingest.api.keys import DATABASE, METRICS
from ingest.app import create_app
from ingest.metrics.state import NoTraffic
from ingest.settings import Settings
from tests.api.test_metrics import run
from tests.support.databases import change
from tests.support.processes import ROOT
from tests.support.promql import grouping_labels, selectors
from tests.support.scrape import Scrape, scrape, scraped
from tests.support.service import Client

PROMETHEUS: Final = ROOT / "config" / "prometheus"
DASHBOARD: Final = ROOT / "config" / "grafana" / "dashboard.json"

#: Prometheus adds these to whatever it scrapes, and makes this metric itself.
TARGET_LABELS: Final = {"job", "instance"}
UP: Final = "up"

COLUMNS: Final = 24


@frozen
class Seen:
    """All that a service shows at some time: label names and values by the names of metrics."""

    values: Mapping[str, Mapping[str, set[str]]]

    @classmethod
    def of(cls, scrapes: list[Scrape]) -> "Seen":
        """Take together what several scrapes show."""
        values: dict[str, dict[str, set[str]]] = {UP: {}}
        for found in scrapes:
            for family in found.families:
                for sample in family.samples:
                    labels = values.setdefault(sample.name, {})
                    for label, value in sample.labels.items():
                        labels.setdefault(label, set()).add(value)
        return cls(values)

    def missing(self, expression: str) -> list[str]:
        """Return what an expression names and no scrape has shown."""
        wrong: list[str] = []
        grouped = grouping_labels(expression) - TARGET_LABELS
        for name, matchers in selectors(expression):
            if name not in self.values:
                wrong.append(name)
                continue
            for label, how, value in matchers:
                known = self.values[name].get(label, set())
                if label in TARGET_LABELS:
                    continue
                if label not in self.values[name]:
                    wrong.append(f"{name}{{{label}}}")
                elif how == "=" and value not in known:
                    wrong.append(f"{name}{{{label}={value}}}")
                elif how == "=~" and not any(re.fullmatch(value, one) for one in known):
                    wrong.append(f"{name}{{{label}=~{value}}}")
            wrong += [f"{name} by {one}" for one in grouped if one not in self.values[name]]
        return wrong


@pytest.fixture
async def seen(settings: Settings, aiohttp_client: AiohttpClient) -> Seen:
    """What a service shows that has run both jobs, and while one runs."""
    slow = evolve(settings, bank=evolve(settings.bank, max_items_per_second=1.0))
    client: Client = await aiohttp_client(create_app(slow))
    assert (await client.post("/sync")).status == 200
    running = await scraped(client, lambda one: bool(one.series("ingest_execution_listed_items")))
    assert (await client.put("/abandon/1")).status == 200
    await client.close()

    app = create_app(settings)
    client = await aiohttp_client(app)
    app[METRICS].state.bank = NoTraffic(outcomes=Counter({"200": 1}))
    await run(client, "/sync")
    await run(client, "/migrate")
    await client.get("/nowhere")
    await pushed(app)
    finished = await scraped(
        client,
        lambda one: len(one.series("ingest_job_last_success_timestamp_seconds")) == 2,
    )
    return Seen.of([running, finished])


async def pushed(app: web.Application) -> None:
    """Put a push on record that nobody has seen to."""
    await change(
        app[DATABASE],
        "INSERT INTO pending_push (bank_key, first_at, last_at)"
        " VALUES ('1', '2020-01-01 00:00:00', '2020-01-01 00:00:00')",
    )


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    document = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels, in the order in which they stand."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every expression of rules and panels, with what it stands in."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in json.loads(DASHBOARD.read_text())["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["name"], annotation["expr"]


async def test_rules_and_panels_name_only_what_there_is(seen: Seen) -> None:
    """Every metric, label and label's value of theirs is in a scrape of a service that worked."""
    found = list(expressions())
    assert len(found) > 50
    wrong = {where: missing for where, expr in found if (missing := seen.missing(expr))}
    assert wrong == {}


async def test_what_is_not_there_would_be_found(seen: Seen) -> None:
    """A metric, a label, a value and a grouping that do not exist are each told."""
    for expression, missing in (
        ("rate(ingest_nothing_total[5m])", "ingest_nothing_total"),
        ('ingest_bank_up{colour="red"} == 0', "ingest_bank_up{colour}"),
        ('ingest_items_total{outcome="eaten"}', "ingest_items_total{outcome=eaten}"),
        ('ingest_items_total{outcome=~"a.*|b.*"}', "ingest_items_total{outcome=~a.*|b.*}"),
        ("sum by (kind) (ingest_bank_up)", "ingest_bank_up by kind"),
    ):
        assert seen.missing(expression) == [missing]
    assert seen.missing("up == 0 or absent(ingest_bank_up offset 1d) > 2 * 1e9") == []


async def test_the_dashboard_shows_every_metric(seen: Seen) -> None:
    """No metric of ours is measured for nothing: each has a place where somebody sees it."""
    shown = {name for _, expr in expressions() for name, _ in selectors(expr)}
    for name in seen.values:
        if not name.startswith("ingest_") or name == "ingest_build_info":
            continue
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        others = {f"{family}_bucket", name}
        assert shown & others or name == "ingest_executions_started_total", name


def test_every_rule_says_what_to_do() -> None:
    """A name, how bad it is, what is wrong on one line, and a command to begin with."""
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert re.fullmatch(r"Ingest[A-Za-z]+", rule["alert"])
        assert rule["labels"] == {"severity": rule["labels"]["severity"]}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert "\n" not in rule["annotations"]["summary"]
        command = r"\b(ingest [a-z]+|curl|journalctl|kubectl|df -h|fuser|request id)\b"
        assert re.search(command, rule["annotations"]["description"]), rule["alert"]


def test_every_rule_has_an_example() -> None:
    """Whatever can fire has been seen to fire, in the examples that promtool runs."""
    document = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())
    assert document["rule_files"] == ["alerts.yml"]
    fires: set[str] = set()
    for test in document["tests"]:
        for one in test.get("alert_rule_test", []):
            fires |= {one["alertname"]} if one.get("exp_alerts") else set()
        for one in test.get("promql_expr_test", []):
            if one.get("exp_samples"):
                text = f"{one['expr']} {one['exp_samples']}"
                fires |= set(re.findall(r'alertname="(\w+)"', text))
    assert {rule["alert"] for rule in rules()} <= fires


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.timeout(60)
def test_promtool_is_content() -> None:
    """Prometheus' own tool takes the rules, and their examples come out as they say."""
    for command in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        done = subprocess.run(
            ["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
async def test_promtool_finds_nothing_to_mend_in_a_scrape(client: Client) -> None:
    """Its own lint has no word about names, units and help."""
    await run(client, "/sync")
    text = (await scrape(client)).text
    done = subprocess.run(  # noqa: ASYNC221 - the service has nothing to do meanwhile
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_panels_have_their_places() -> None:
    """Ids are unique, no panel lies on another, and no row of them leaves a gap."""
    found = panels()
    ids = [panel["id"] for panel in found]
    assert len(ids) == len(set(ids))
    taken: dict[tuple[int, int], str] = {}
    for panel in found:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < COLUMNS, panel["title"]
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]
    lines = max(y for _, y in taken) + 1
    assert len(taken) == COLUMNS * lines


def test_the_dashboard_is_whole() -> None:
    """One source of data, chosen by a variable; every panel is of a kind and explains itself."""
    document = json.loads(DASHBOARD.read_text())
    assert document["schemaVersion"] >= 41
    variables = {one["name"]: one["type"] for one in document["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels():
        if panel["type"] == "row":
            continue
        assert panel["type"] in {"timeseries", "stat", "bargauge"}, panel["title"]
        assert panel["datasource"] == source
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))
        for target in panel["targets"]:
            assert target["datasource"] == source
            assert 'instance=~"$instance"' in target["expr"], panel["title"]
