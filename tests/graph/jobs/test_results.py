"""Names and types of downloads, dialects of results, progress figures: pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.core.storage import content_disposition
from graph.jobs.requests import fraction_done, key_of, overridden_inputs, text_compression, written_dialect
from graph.jobs.results import download_name, media_type
from graph.jobs.types import eta_seconds


@pytest.mark.parametrize(
    ("job", "stored", "number", "expected"),
    [
        ("orders.csv", "part-00000.parquet", None, "orders.parquet"),
        ("orders.csv.gz", "part-00000.csv.gz", None, "orders.csv.gz"),
        ("Only India", "part-00000.csv", None, "Only India.csv"),
        ("Only India", "part-00001.csv", 2, "Only India-00002.csv"),
        ("prices", "price=1.5/part-00000.csv.gz", 3, "prices-00003.csv.gz"),
        ("v1.2 final", "part-00000.ndjson", None, "v1.2 final.ndjson"),
        ("../../etc/passwd", "part-00000.csv", None, "_.._etc_passwd.csv"),
        ("  .csv", "part-00000.csv", None, "result.csv"),
        ("कार्य.csv", "part-00000.parquet", None, "कार्य.parquet"),
        ("x" * 500, "part-00000.csv", None, "x" * 150 + ".csv"),
    ],
)
def test_downloads_are_named_after_the_job(job: str, stored: str, number: int | None, expected: str) -> None:
    assert download_name(job, stored, number) == expected


@given(st.text(max_size=300))
def test_no_name_breaks_out_of_folder_or_header(name: str) -> None:
    made = download_name(name, "part-00000.csv")
    assert made.endswith(".csv")
    assert not set(made) & set('/\\\r\n\x00"')
    header = content_disposition(made)
    assert header.isascii()
    assert "\n" not in header


def test_keys_of_partitions_are_those_of_the_storage() -> None:
    # the folder's own name holds a percent sign, which an address encodes
    assert key_of("s3://bucket/w/jobs/1/city=New%2520York/part-00000.csv") == "w/jobs/1/city=New%20York/part-00000.csv"


def test_types_of_downloads() -> None:
    assert media_type("part-00000.parquet", "parquet") == "application/vnd.apache.parquet"
    assert media_type("part-00000.csv", "csv") == "text/csv"
    assert media_type("part-00000.csv.gz", "csv") == "application/gzip"
    assert media_type("part-00000.ndjson.zst", "ndjson") == "application/zstd"
    assert media_type("strange", "strange") == "application/octet-stream"


def test_inputs_that_the_pipeline_reads_in_its_own_way() -> None:
    spec = {"inputs": [{"name": "input"}, {"name": "other", "delimiter": ";"}]}
    assert overridden_inputs(spec) == {"other"}
    assert overridden_inputs({}) == frozenset()


def test_dialect_and_compression_of_what_we_write() -> None:
    assert written_dialect("parquet", {}) is None
    made = written_dialect("csv", {"delimiter": ";", "header": False})
    assert made is not None
    assert (made["delimiter"], made["header"]) == (";", False)
    assert text_compression("csv", {"compression": "gzip"}) == "gzip"
    assert text_compression("csv", {"compression": "none"}) is None
    assert text_compression("parquet", {"compression": "zstd"}) is None


def test_progress_is_a_share_and_only_guesses_when_it_can() -> None:
    assert fraction_done("RUNNING", {"bytesRead": 5, "bytesTotal": 10}) == 0.5
    assert fraction_done("RUNNING", {"bytesRead": 50, "bytesTotal": 10}) == 1.0
    assert fraction_done("RUNNING", {"bytesRead": 50, "bytesTotal": None}) is None
    assert fraction_done("SUCCEEDED", {}) == 1.0
    assert eta_seconds("RUNNING", 0.25, 10.0) == 30.0
    assert eta_seconds("RUNNING", 0.001, 10.0) is None
    assert eta_seconds("RUNNING", None, 10.0) is None
    assert eta_seconds("SUCCEEDED", 1.0, 10.0) is None
