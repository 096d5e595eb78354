"""What the dashboards show: title, unit, and one or more queries with the legend of their series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph; `queries` are pairs of PromQL and legend. Units are Grafana's."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `rows` are pairs of heading and panels."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def one(title: str, unit: str, query: str, legend: str) -> Panel:
    """A graph of one query."""
    return Panel(title, unit, ((query, legend),))


def rate(metric: str, by: str = "", window: str = "5m") -> str:
    """Sum of rates, by labels."""
    return f"sum{f' by ({by}) ' if by else ' '}(rate({metric}[{window}]))"


def quantile(q: float, metric: str, by: str = "", window: str = "5m") -> str:
    """Quantile of a histogram."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[{window}])))"


SERVICE: Final = Board(
    "karyaksham-service",
    "Karyaksham: service",
    (
        (
            "Objectives: bad events over the last hour, and what the budget allows",
            (
                Panel(
                    "Requests that fail",
                    "percentunit",
                    (("karyaksham:api_errors:ratio_rate1h", "failed"), ("vector(0.001)", "budget")),
                ),
                Panel(
                    "Jobs that fail by the service's fault",
                    "percentunit",
                    (("karyaksham:job_failures:ratio_rate1h", "failed"), ("vector(0.01)", "budget")),
                ),
                Panel(
                    "Attempts that wait over a minute",
                    "percentunit",
                    (("karyaksham:late_starts:ratio_rate1h", "late"), ("vector(0.05)", "budget")),
                ),
            ),
        ),
        (
            "API",
            (
                one("Operations", "reqps", rate("karyaksham_api_request_seconds_count", "operation"), "{{operation}}"),
                one("Latency, p99 by operation", "s", "karyaksham:api_latency:p99_5m", "{{operation}}"),
                one("Errors by code", "reqps", rate("karyaksham_api_errors_total", "code"), "{{code}}"),
                one(
                    "HTTP by status",
                    "reqps",
                    rate("karyaksham_http_requests_total", "route, status"),
                    "{{route}} {{status}}",
                ),
                one("Open subscriptions", "none", "sum by (operation) (karyaksham_subscriptions)", "{{operation}}"),
            ),
        ),
        (
            "Object storage, as API and workers see it",
            (
                one(
                    "Requests",
                    "reqps",
                    rate("karyaksham_s3_request_seconds_count", "operation, outcome"),
                    "{{operation}} {{outcome}}",
                ),
                one("Latency, p99", "s", "karyaksham:s3_latency:p99_5m", "{{operation}}"),
            ),
        ),
        (
            "Flight",
            (
                one(
                    "Calls by method and code",
                    "reqps",
                    rate("karyaksham_flight_calls_total", "method, code"),
                    "{{method}} {{code}}",
                ),
                one("Duration, p95", "s", quantile(0.95, "karyaksham_flight_call_seconds", "method"), "{{method}}"),
                one("Streams", "none", "karyaksham_flight_streams", "{{instance}}"),
                Panel(
                    "Bytes",
                    "Bps",
                    (
                        (rate("karyaksham_flight_sent_bytes_total"), "sent"),
                        (rate("karyaksham_flight_replayed_bytes_total"), "of that from the spool"),
                        (rate("karyaksham_flight_stored_bytes_total"), "stored"),
                        (rate("karyaksham_flight_copied_bytes_total"), "read from results' copies"),
                    ),
                ),
                one("Rows that clients sent", "none", rate("karyaksham_flight_stored_rows_total"), "rows"),
                one("Memory", "bytes", "karyaksham_flight_resident_memory_bytes", "{{instance}}"),
                one("Disk of the spool", "bytes", "karyaksham_flight_spooled_bytes", "{{instance}}"),
            ),
        ),
        (
            "Processes",
            (
                one("Up", "none", 'sum by (job) (up{job=~"karyaksham-.+"})', "{{job}}"),
                one("CPU", "none", rate("process_cpu_seconds_total", "job, instance"), "{{job}} {{instance}}"),
                one("Memory", "bytes", "process_resident_memory_bytes", "{{job}} {{instance}}"),
                one("Open files", "none", "process_open_fds", "{{job}} {{instance}}"),
            ),
        ),
    ),
)

JOBS: Final = Board(
    "karyaksham-jobs",
    "Karyaksham: jobs and engine",
    (
        (
            "Queue",
            (
                one("Waiting", "none", "karyaksham:queue_depth:max", "jobs"),
                one("Age of the oldest", "s", "karyaksham:queue_oldest_seconds:max", "oldest"),
                one("Running", "none", 'max(karyaksham_jobs{status="RUNNING"})', "jobs"),
                Panel(
                    "Wait for a worker",
                    "s",
                    (
                        (quantile(0.5, "karyaksham_job_wait_seconds"), "p50"),
                        (quantile(0.95, "karyaksham_job_wait_seconds"), "p95"),
                    ),
                ),
            ),
        ),
        (
            "Jobs",
            (
                one("Ended", "none", rate("karyaksham_jobs_ended_total", "status, fault"), "{{status}} {{fault}}"),
                one("Attempts by outcome", "none", rate("karyaksham_job_seconds_count", "outcome"), "{{outcome}}"),
                one("Repeated, by code", "none", rate("karyaksham_job_retries_total", "code"), "{{code}}"),
                one("Expired leases", "none", rate("karyaksham_lease_expiries_total"), "leases"),
            ),
        ),
        (
            "By kind of step (a job counts under each kind it has)",
            (
                one("Duration, p95", "s", quantile(0.95, "karyaksham_step_seconds", "step"), "{{step}}"),
                one("Bytes", "Bps", rate("karyaksham_step_bytes_total", "step, direction"), "{{step}} {{direction}}"),
            ),
        ),
        (
            "Engine",
            (
                one("Bytes", "Bps", rate("karyaksham_engine_bytes_total", "direction"), "{{direction}}"),
                one("Rows", "none", rate("karyaksham_engine_rows_total", "kind"), "{{kind}}"),
                Panel(
                    "Memory",
                    "bytes",
                    (
                        ("karyaksham_engine_memory_bytes", "{{instance}}"),
                        ("karyaksham_engine_memory_promised_bytes", "{{instance}} promised"),
                        ("karyaksham_engine_memory_limit_bytes", "{{instance}} limit"),
                    ),
                ),
                one("Spilled", "bytes", "karyaksham_spill_bytes", "{{instance}}"),
                one("Copies of results", "bytes", "max(karyaksham_result_copies_bytes)", "the fullest machine"),
                one("Room to spill", "bytes", "karyaksham_spill_free_bytes", "{{instance}}"),
            ),
        ),
    ),
)

USAGE: Final = Board(
    "karyaksham-usage",
    "Karyaksham: workspaces and housekeeping",
    (
        (
            "Workspaces",
            (
                one(
                    "Stored, the ten largest",
                    "bytes",
                    "topk(10, sum by (workspace) (max by (workspace, kind) (karyaksham_workspace_storage_bytes)))",
                    "{{workspace}}",
                ),
                one(
                    "Jobs that wait or run, the ten busiest",
                    "none",
                    "topk(10, max by (workspace, status) (karyaksham_workspace_jobs))",
                    "{{workspace}} {{status}}",
                ),
            ),
        ),
        (
            "Housekeeping",
            (
                one("Webhooks", "none", rate("karyaksham_webhook_attempts_total", "outcome"), "{{outcome}}"),
                one("Mails", "none", rate("karyaksham_mail_attempts_total", "outcome"), "{{outcome}}"),
                one("Expired by policy", "none", rate("karyaksham_expired_total", "kind", "1h"), "{{kind}}"),
                one("Orphans removed", "none", rate("karyaksham_orphans_total", "kind", "1h"), "{{kind}}"),
                one("Size of orphans removed", "Bps", rate("karyaksham_orphan_bytes_total", "", "1h"), "bytes"),
            ),
        ),
    ),
)

BOARDS: Final = (SERVICE, JOBS, USAGE)
