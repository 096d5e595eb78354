"""From a job's row to the engine's request, and from its report to the stored result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID

from graph.core.storage import Storage
from graph.datasets.service import engine_input, engine_schema
from graph.jobs.receipt import make_receipt
from graph.models import Dataset

# entries of spec.inputs that change how the bytes are read; then nothing that inspection found about them holds
_NAMING_ONLY: Final = frozenset({"name"})

DEFAULT_FORMAT: Final = "parquet"
TEXT_FORMATS: Final = frozenset({"csv", "tsv", "ndjson", "lines"})
PROGRESS_FIELDS: Final = ("bytesRead", "bytesTotal", "rowsIn", "rowsOut", "rowsFiltered", "rowsRejected")


class InputMissing(Exception):
    """A data set of the job was deleted or is not ready."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name)
        self.name = name
        self.reason = reason

    def to_json(self) -> dict[str, Any]:
        """Return it as the job's error."""
        return {
            "code": "INPUT_GONE",
            "message": f"The data set of input `{self.name}` {self.reason}.",
            "retryable": False,
            "hint": "Upload it again and run the pipeline on the new data set.",
        }


def overridden_inputs(spec: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of inputs whose format or dialect the spec sets itself."""
    entries = spec.get("inputs") or []
    return frozenset(
        str(entry.get("name")) for entry in entries if isinstance(entry, dict) and set(entry) - _NAMING_ONLY
    )


def schemas_for_validation(
    spec: Mapping[str, Any], datasets: Mapping[str, Dataset]
) -> dict[str, list[dict[str, Any]] | None]:
    """Return the schema of each input by its name; None where the spec reads the bytes in its own way."""
    out: dict[str, list[dict[str, Any]] | None] = {name: engine_schema(data) for name, data in datasets.items()}
    for entry in spec.get("inputs") or []:
        columns = out.get(str(entry.get("name")))
        if columns is None:
            continue
        if set(entry) - _NAMING_ONLY - {"columns"}:
            out[entry["name"]] = None
            continue
        # only types are set: the names stay as inspection found them
        types = {column["name"]: column["type"] for column in entry.get("columns") or []}
        for column in columns:
            column["type"] = types.get(column["name"], column["type"])
    return out


def engine_inputs(
    spec: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    datasets: Mapping[UUID, Dataset],
    storage: Storage,
) -> dict[str, dict[str, Any]]:
    """Return the `inputs` of an engine request; `InputMissing` when a data set is gone."""
    own = overridden_inputs(spec)
    out: dict[str, dict[str, Any]] = {}
    for item in inputs:
        name = item["name"]
        dataset = datasets.get(UUID(item["datasetId"]))
        if dataset is None:
            raise InputMissing(name, "was deleted")
        if dataset.status != "READY":
            raise InputMissing(name, "is not ready")
        out[name] = engine_input(dataset, storage)
        if name in own:
            out[name].update(format=None, dialect=None, schema=None)
    return out


def fraction_done(status: str, stored: dict[str, Any]) -> float | None:
    """Share of the input read; 1 exactly when the job has succeeded."""
    if status == "SUCCEEDED":
        return 1.0
    total = stored.get("bytesTotal")
    if not total:
        return None
    share = float(stored.get("bytesRead") or 0) / float(total)
    return min(max(share, 0.0), 1.0)


def progress_from_engine(raw: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return what is stored in `jobs.progress`: the counters, the stage, and the seconds of this attempt so far."""
    return {
        **{name: raw.get(name) for name in PROGRESS_FIELDS},
        "stage": raw.get("stage"),
        "seconds": round(seconds, 3),
    }


def text_compression(format_name: str, output: Mapping[str, Any]) -> str | None:
    """Return how a text result is compressed as a whole; None for Parquet and Arrow, which compress inside."""
    found = output.get("compression")
    return str(found) if format_name in TEXT_FORMATS and found not in {None, "none"} else None


def written_dialect(format_name: str, output: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the dialect in which our writer wrote a delimited result, in the shape of an inspection's."""
    if format_name not in {"csv", "tsv"}:
        return None
    return {
        "delimiter": output.get("delimiter") or ("\t" if format_name == "tsv" else ","),
        "quote": '"',
        "escape": None,
        "header": output.get("header", True),
        "encoding": "utf-8",
        "lineEnding": "lf",
    }


def key_of(url: str) -> str:
    """Return the key of an `s3://bucket/key` URL; the URL's own percent-encoding is undone."""
    return unquote(url.removeprefix("s3://").partition("/")[2])


def result_from_report(
    report: Mapping[str, Any],
    *,
    spec: Mapping[str, Any],
    inputs: Mapping[str, Any],
    attempt: int,
    seconds: float,
    etags: Mapping[str, str] | None = None,
    sources: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return what is stored in `jobs.result`; keys, not URLs, since those are signed anew each time.

    `etags` are those of the written objects by key, `sources` what else is known of each input (datasetId, etag).
    """
    files = [
        {
            "key": key_of(item["url"]),
            "name": item["name"],
            "format": item["format"],
            "sizeBytes": item["sizeBytes"],
            "rows": item.get("rows"),
            **({"partition": item["partition"]} if item.get("partition") else {}),
        }
        for item in report["files"]
    ]
    rejects = report.get("rejects")
    output = spec.get("output") or {}
    format_name = files[0]["format"] if files else output.get("format", DEFAULT_FORMAT)
    return {
        "rows": report["rowsOut"],
        # the administrators' throughput
        "rowsIn": report["rowsIn"],
        "bytesRead": report.get("bytesRead") or 0,
        "sizeBytes": sum(item["sizeBytes"] for item in files),
        "format": format_name,
        "compression": text_compression(format_name, output),
        "dialect": written_dialect(format_name, output),
        "schema": report["schema"],
        "files": files,
        "rejects": rejects
        and {"key": key_of(rejects["url"]), "rows": rejects["rows"], "sizeBytes": rejects.get("sizeBytes")},
        "receipt": make_receipt(
            report,
            spec=spec,
            inputs=inputs,
            sources=sources or {},
            outputs=[{**item, "etag": (etags or {}).get(item["key"])} for item in files],
            attempt=attempt,
            seconds=seconds,
        ),
    }
