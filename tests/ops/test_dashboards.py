"""The Grafana dashboard and the alert rules: they ask for what the hub measures, and for nothing else."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # one call, in tests only
from prometheus_client.metrics import MetricWrapperBase

from bus import telemetry
from gateways.sockets.closing import Closing
from gateways.sockets.recovery import OUTCOMES
from gateways.sockets.sessions import REFUSALS

FOLDER = Path(__file__).parents[2] / "ops" / "dashboards"
BOARD = json.loads((FOLDER / "hub.json").read_text())
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PANELS = {panel["title"]: panel for panel in BOARD["panels"] if panel["type"] != "row"}

PUT_ON_BY_PROMETHEUS = {"instance", "job"}
VARIABLES = {"$instance": ".*", "$__rate_interval": "5m"}
AGGREGATES = {"max", "min", "sum"}
RANGED = {"deriv", "increase", "min_over_time", "rate"}
FUNCTIONS = AGGREGATES | RANGED | {"histogram_quantile", "scalar"}
WORDS = {"and", "by", "on", "or"}

SELECTOR = re.compile(r"\b([a-z_][a-z0-9_]*)\s*(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*("[^"\\]*")')
LABELS = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
RANGE = re.compile(r"\[\d+[smh]\]")
TOKEN = re.compile(r"\s+|[a-z_][a-z0-9_]*|\d+(?:\.\d+)?|==|>|<|[-+*/,(){}]")
SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


def measured() -> dict[str, set[str]]:
    """The labels of every sample there can be, by its name."""
    found: dict[str, set[str]] = {"up": set()}
    for family in telemetry.REGISTRY.collect():
        found |= {sample.name: set(sample.labels) for sample in family.samples}
    for metric in vars(telemetry).values():
        if isinstance(metric, MetricWrapperBase):
            name, labels = metric._name, set(metric._labelnames)
            found |= {name: labels, f"{name}_total": labels} if metric._type == "counter" else {name: labels}
            if metric._type == "histogram":
                found |= {f"{name}_{end}": labels for end in ("sum", "count")}
                found[f"{name}_bucket"] = labels | {"le"}
    return found


MEASURED = measured()


def expressions() -> dict[str, str]:
    found = {f"alert {name}": rule["expr"] for name, rule in ALERTS.items()}
    for title, panel in PANELS.items():
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            found[f"panel {title} {target['refId']}"] = expression
    return found


def selectors(expression: str) -> Iterator[tuple[str, str]]:
    """The name and the matchers of each metric that is asked for."""
    bare = RANGE.sub("", LABELS.sub("", expression))
    for name, matchers in SELECTOR.findall(bare):
        if name not in WORDS | FUNCTIONS:
            yield name, matchers


def grouped(expression: str) -> set[str]:
    """The labels that a result is grouped or joined by."""
    return {one.strip() for labels in LABELS.findall(expression) for one in labels.split(",")}


EXPRESSIONS = expressions()
every_expression = pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())


@every_expression
def test_every_metric_that_is_asked_for_is_measured_with_its_labels(expression: str) -> None:
    asked = list(selectors(expression))
    assert asked
    for name, matchers in asked:
        assert name in MEASURED
        labels = {label for label, _, _ in MATCHER.findall(matchers)}
        assert labels <= MEASURED[name] | PUT_ON_BY_PROMETHEUS, name
        assert matchers.count("=") == 0 or labels
    there = set[str]().union(*(MEASURED[name] for name, _ in asked))
    assert grouped(expression) <= there | PUT_ON_BY_PROMETHEUS


@every_expression
def test_every_expression_could_be_promql(expression: str) -> None:
    plain = RANGE.sub("", expression)
    for _, _, value in MATCHER.findall(plain):
        re.compile(value)
    rest = TOKEN.sub("", MATCHER.sub("", plain))
    assert not rest, rest
    depth = 0
    for sign in plain:
        depth += (sign in "({") - (sign in ")}")
        assert depth >= 0
    assert depth == 0
    called = set(re.findall(r"\b([a-z_]+)\s*\(", plain)) - WORDS
    assert called <= FUNCTIONS
    # `rate` and its like want a range, and a counter is never drawn as it is.
    for function in RANGED:
        for inside in re.findall(rf"\b{function}\(([^()]*)\)", expression):
            assert RANGE.search(inside), inside
    for name in re.findall(r"\b(\w+_total)\b", expression):
        assert re.search(rf"\b(rate|increase)\({name}\b", expression), name


def test_a_parser_of_prometheus_agrees_where_there_is_one(tmp_path: Path) -> None:
    rules = [{"record": f"one:{n}", "expr": one} for n, one in enumerate(EXPRESSIONS.values())]
    file = tmp_path / "board.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    if promtool := shutil.which("promtool"):  # the other tests look at the same expressions without it
        subprocess.run([promtool, "check", "rules", FOLDER / "alerts.yml", file], check=True)


def test_what_alerts_count_by_why_is_there_before_it_happens() -> None:
    """Prometheus sees no increase in the first of something that was not there before."""
    program = "import gateways.app, bus.telemetry as here; print(here.exposed(None).decode())"
    fresh = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    expected = [
        ("hub_socket_closes_total", "reason", [closing.name.lower() for closing in Closing]),
        ("hub_socket_recoveries_total", "outcome", list(OUTCOMES)),
        ("hub_socket_connects_refused_total", "code", list(REFUSALS)),
    ]
    for name, label, values in expected:
        for value in values:
            assert f'{name}{{{label}="{value}"}} 0.0' in fresh


def test_values_that_are_asked_for_exist() -> None:
    there = {
        "reason": {closing.name.lower() for closing in Closing},
        "code": set(REFUSALS),
    }
    for label, values in there.items():
        asked = set(re.findall(rf'\b{label}="(\w+)"', " ".join(EXPRESSIONS.values())))
        assert asked
        assert asked <= values


def test_what_was_not_sent_is_shown_whatever_kept_it_back() -> None:
    asked = " ".join(target["expr"] for target in PANELS["Not sent, by reason"]["targets"])
    assert {"hub_decisions_total", "hub_deliveries_unsent_total"} <= {name for name, _ in selectors(asked)}
    shown = {family.name for family in telemetry.WORK.collect()}
    assert {"hub_decisions", "hub_deliveries_unsent"} <= shown, "`hub work` is who knows"


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS.keys())
def test_an_alert_waits_says_what_it_means_and_what_to_do(rule: Any) -> None:
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in {"page", "warning"}
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert len(rule["annotations"]["runbook"]) > 60
    told = SHOWN.findall(rule["annotations"]["summary"])
    alone = all(f"by ({one}" in rule["expr"] for one in told) or "by (" not in rule["expr"]
    assert alone, "the summary names a label that the result has not"


def test_the_readme_explains_every_alert() -> None:
    text = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"`(Hub\w+)`", text)) == set(ALERTS)


def test_the_dashboard_is_grouped_and_asks_one_data_source() -> None:
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows == [
        "Publish and relay",
        "Groups, parked and dead",
        "Push and sockets",
        "Recoveries by outcome",
        "Slow closes and drains",
        "HTTP",
        "Delivery quality",
    ]
    sources = [one["name"] for one in BOARD["templating"]["list"] if one["type"] == "datasource"]
    assert sources == ["datasource"]
    for panel in PANELS.values():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["description"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert set(SHOWN.findall(target["legendFormat"])) <= grouped(target["expr"]) | {"instance"}


def test_panels_have_their_own_ids_and_places() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        fields = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not fields & taken, panel["title"]
        taken |= fields
