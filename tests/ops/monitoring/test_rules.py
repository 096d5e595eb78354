"""Rules, alerts, routes and runbooks, checked by Prometheus's and Alertmanager's own tools."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from graph.core.telemetry import REGISTRY
from ops.grafana.boards import BOARDS
from ops.setup.debian_tools import find

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "ops/prometheus"
ROUTES = ROOT / "ops/alertmanager/alertmanager.yaml"
RUNBOOKS = ROOT / "docs/runbooks"
UNIT_TESTS = sorted(Path(__file__).parent.glob("*.test.yaml"))
# how often one of ours stands in an expression
OURS = re.compile(r"\bkaryaksham_[a-z0-9_]+")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in load(PROMETHEUS / name)["groups"] for rule in group["rules"]]


ALERTS = rules("alerts.yaml")


def run(program: str, *arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run([find(program), *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_are_rules() -> None:
    text = run("promtool", "check", "rules", str(PROMETHEUS / "rules.yaml"), str(PROMETHEUS / "alerts.yaml"))
    assert f"{len(ALERTS)} rules found" in text
    run("promtool", "check", "config", str(PROMETHEUS / "prometheus.yaml"))


@pytest.mark.parametrize("cases", UNIT_TESTS, ids=lambda path: str(path.name))
def test_alerts_speak_and_are_silent_when_they_should(cases: Path) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", cases.name, cwd=cases.parent)


def test_every_alert_has_a_case_where_it_speaks_and_one_where_it_is_silent() -> None:
    cases = [case for path in UNIT_TESTS for test in load(path)["tests"] for case in test["alert_rule_test"]]
    speak = {case["alertname"] for case in cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    names = {alert["alert"] for alert in ALERTS}
    assert (names - speak, names - silent) == (set(), set())


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    for alert in ALERTS:
        page = ROOT / alert["annotations"]["runbook"]
        assert page == RUNBOOKS / f"{alert['alert']}.md"
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {alert['alert']}\n")
        assert len(text.splitlines()) < 20, f"{page.name} is too long for three o'clock at night"
        for link in re.findall(r"\]\((\w+\.md)\)", text):
            assert (RUNBOOKS / link).exists(), (page.name, link)
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_alerts_reach_somebody(alert: dict[str, Any]) -> None:
    severity = alert["labels"]["severity"]
    receiver = {"page": "pager", "ticket": "tickets"}[severity]
    labels = [f"alertname={alert['alert']}", f"severity={severity}"]
    run("amtool", "config", "routes", "test", "--config.file", str(ROUTES), f"--verify.receivers={receiver}", *labels)


def test_the_routes_are_valid_and_inhibit_alerts_that_exist() -> None:
    assert "SUCCESS" in run("amtool", "check-config", str(ROUTES))
    names = {alert["alert"] for alert in ALERTS}
    for rule in load(ROUTES)["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, value = re.fullmatch(r'(\w+) =~? "(.+)"', matcher).groups()  # type: ignore[union-attr]
            if label == "alertname":
                assert [name for name in names if re.fullmatch(value, name)], matcher


def expressions() -> dict[str, str]:
    """Every expression of rules, alerts and dashboards, by where it stands."""
    found = {
        str(rule.get("record") or rule.get("alert")): str(rule["expr"]) for rule in (*rules("rules.yaml"), *ALERTS)
    }
    for board in BOARDS:
        for row_title, row in board.rows:
            for panel in row:
                for number, (query, _) in enumerate(panel.queries):
                    found[f"{board.title} / {row_title} / {panel.title} / {number}"] = query
    return found


def test_every_metric_that_is_asked_for_exists() -> None:
    import workers.gauges  # noqa: F401  # whatever registers metrics

    known = set()
    for family in REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        known |= {family.name + suffix for suffix in suffixes}
    asked = {metric for query in expressions().values() for metric in OURS.findall(query)}
    # the Flight server's are Rust's: test_scrape asks the server itself
    assert {metric for metric in asked - known if not metric.startswith("karyaksham_flight_")} == set()
    # and nothing is measured that nobody looks at
    ours = {re.sub("_(bucket|count|sum)$", "", name) for name in known if name.startswith("karyaksham_")}
    assert {name for name in ours if not any(metric.startswith(name) for metric in asked)} == set()
    recorded = {rule["record"] for rule in rules("rules.yaml")}
    used = {name for query in expressions().values() for name in re.findall(r"karyaksham:[a-z0-9_]+:[a-z0-9_]+", query)}
    assert used <= recorded
