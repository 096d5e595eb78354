"""A real Prometheus scrapes the real stack, with our rules: every rule and every query of a dashboard is evaluated."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.flight as fl
import pytest
import yaml

from graph.core.ids import from_global
from ops.setup.debian_tools import find
from tests.graph.http.serving import free_port
from tests.ops.monitoring.test_rules import ALERTS, OURS, PROMETHEUS, expressions, rules
from tests.processes import PATIENCE
from tests.stack import Account, Stack, stack_in

SPEC = {"version": 1, "steps": [{"filter": {"where": "id > 1"}}], "output": {"format": "csv"}}
STRICT = {
    "version": 1,
    "onBadRow": "fail",
    "steps": [{"cast": {"columns": [{"name": "name", "type": "int64"}]}}],
    "output": {"format": "csv"},
}
# these appear when something goes wrong, expires or waits, which nothing does here
RARE = {
    "karyaksham_workspace_jobs",
    "karyaksham_job_retries_total",
    "karyaksham_webhook_attempts_total",
    "karyaksham_expired_total",
    "karyaksham_orphans_total",
}


class Prometheus:
    """Its HTTP API."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=PATIENCE)

    def get(self, path: str, **parameters: str) -> Any:
        """What it answers; errors of queries fail."""
        body = self._http.get(path, params=parameters).json()
        assert body["status"] == "success", body
        return body["data"]

    def value(self, query: str) -> float:
        """The one value of a query, 0 without any."""
        found = self.get("/query", query=query)["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else 0.0

    def until(self, query: str, least: float) -> None:
        """Wait for a value."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.value(query)) < least:
            assert time.monotonic() < deadline, f"{query} is {found}, not {least}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Prometheus]]:
    """A stack, and a Prometheus that scrapes all its parts."""
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    with stack_in(folder / "data") as stack:
        config = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text(encoding="utf-8"))
        # as committed, but for where things are and how often
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["alerting"] = {}
        config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
        targets = {
            "karyaksham-api": stack.url.removeprefix("http://"),
            "karyaksham-flight": f"127.0.0.1:{_metrics_port(stack, 'flight')}",
            "karyaksham-worker": f"127.0.0.1:{_metrics_port(stack, 'worker-1')}",
        }
        for job in config["scrape_configs"]:
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": [targets.pop(job["job_name"])]}]
        assert targets == {}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [find("prometheus"), f"--config.file={folder / 'prometheus.yaml'}"]
        command += [f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
        log = folder / "prometheus.log"
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd=folder) as process:
            try:
                deadline = time.monotonic() + PATIENCE
                while not _ready(f"http://127.0.0.1:{port}/-/ready"):
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.1)
                yield stack, Prometheus(f"http://127.0.0.1:{port}")
            finally:
                process.terminate()


def _metrics_port(stack: Stack, part: str) -> str:
    """Where the stack lets a part tell its metrics: it chooses the ports itself."""
    environment = Path(f"/proc/{stack.pid(part)}/environ").read_bytes().decode().split("\0")
    name = f"{part.partition('-')[0].upper()}_METRICS_PORT="
    (port,) = [each.removeprefix(name) for each in environment if each.startswith(name)]
    return port


def _pull(stack: Stack, account: Account, dataset: str) -> int:
    """Pull a data set by Flight; its rows."""
    client = fl.connect(stack.flight_url)
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {account.token}".encode())])
    info = client.get_flight_info(fl.FlightDescriptor.for_path("datasets", dataset), options)
    return sum(client.do_get(endpoint.ticket, options).read_all().num_rows for endpoint in info.endpoints)


def _ready(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def busy(watched: tuple[Stack, Prometheus]) -> Prometheus:
    """The same after some work: jobs that end in both ways, an error of the API, a workspace that stores something."""
    stack, prometheus = watched
    somebody = stack.register()
    dataset = somebody.upload("id,name\n1,a\n2,b\n3,c\n")
    somebody.run_job(SPEC, input=dataset)
    assert somebody.wait_job(somebody.start_job(STRICT, input=dataset))["status"] == "FAILED"
    assert _pull(stack, somebody, dataset) == 3
    somebody.post("{ nothingLikeThis }")
    watching = somebody.watch(
        "subscription($id: ID!) { jobUpdated(id: $id) { id status } }", {"id": somebody.start_job(SPEC, input=dataset)}
    )
    assert [state["status"] for state in watching][-1] == "SUCCEEDED"
    prometheus.until('sum(karyaksham_jobs_ended_total{status="succeeded"})', 2)
    prometheus.until('sum(karyaksham_jobs_ended_total{status="failed",fault="user"})', 1)
    home = somebody.gql("{ me { workspaces { id } } }")["me"]["workspaces"][0]["id"]
    key = from_global(home, "Workspace")
    prometheus.until(f'sum(karyaksham_workspace_storage_bytes{{workspace="{key}",kind="datasets"}})', 20)
    return prometheus


def test_figures_of_the_work_are_right(busy: Prometheus) -> None:
    assert busy.value('sum(karyaksham_step_seconds_count{step="filter"})') == 2
    assert busy.value('sum(karyaksham_step_bytes_total{step="filter",direction="read"})') > 0
    assert busy.value('sum(karyaksham_jobs_ended_total{fault="service"})') == 0
    assert busy.value("sum(karyaksham_job_wait_seconds_count)") == 3
    assert busy.value('sum(karyaksham_api_errors_total{code="GRAPHQL_VALIDATION_FAILED"})') == 1
    assert (
        busy.value('sum(karyaksham_s3_request_seconds_count{outcome="ok",operation="complete_multipart_upload"})') == 1
    )
    assert busy.value("sum(karyaksham_engine_memory_bytes)") > 1_000_000
    assert busy.value("sum(karyaksham_engine_memory_limit_bytes)") > busy.value(
        "sum(karyaksham_engine_memory_promised_bytes)"
    )
    assert busy.value("sum(karyaksham_spill_free_bytes)") > 0
    assert busy.value('sum(karyaksham_flight_calls_total{method="DoGet",code="Ok"})') == 1
    assert busy.value("sum(karyaksham_flight_sent_bytes_total)") > 3 * 8
    assert busy.value("sum(karyaksham_flight_streams)") == 0
    assert busy.value("sum(karyaksham_flight_resident_memory_bytes)") > 10_000_000


def test_every_metric_that_is_asked_for_is_told(busy: Prometheus) -> None:
    told = set(busy.get("/label/__name__/values"))
    asked = {metric for query in expressions().values() for metric in OURS.findall(query)}
    assert asked - told - RARE == set()
    # and Flight measures nothing that nobody looks at
    flight = {re.sub("_(bucket|count|sum)$", "", name) for name in told if name.startswith("karyaksham_flight_")}
    assert len(flight) > 5
    assert {name for name in flight if not any(metric.startswith(name) for metric in asked)} == set()


def test_every_expression_is_evaluated(busy: Prometheus) -> None:
    for place, query in expressions().items():
        assert "result" in busy.get("/query", query=query), place


def test_every_rule_is_evaluated_and_no_alert_fires(busy: Prometheus) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        found = {rule["name"]: rule for group in busy.get("/rules")["groups"] for rule in group["rules"]}
        if all(rule["health"] != "unknown" for rule in found.values()):
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert set(found) == {str(rule.get("record") or rule.get("alert")) for rule in (*rules("rules.yaml"), *ALERTS)}
    assert {name: rule["lastError"] for name, rule in found.items() if rule["health"] != "ok"} == {}
    # what a small disk of this machine says is true, and not about the work
    firing = {name for name, rule in found.items() if rule.get("state") == "firing"} - {"SpillDiskFull"}
    assert firing == set()


def test_objectives_are_computed(watched: tuple[Stack, Prometheus], busy: Prometheus) -> None:
    """From counters that grow while Prometheus looks on: what grew before its first look has no rate."""
    stack, _ = watched
    somebody = stack.register()
    busy.until("karyaksham:queue_depth:max + 1", 1)
    assert busy.value("karyaksham:queue_depth:max") == 0
    deadline = time.monotonic() + PATIENCE
    while not busy.get("/query", query="karyaksham:api_errors:ratio_rate5m")["result"]:
        assert time.monotonic() < deadline, "requests are made, and no ratio of their errors is computed"
        somebody.gql("{ me { id } }")
        time.sleep(0.2)
    assert busy.value("karyaksham:api_errors:ratio_rate5m") == 0
