"""Hostile Parquet and Arrow files: a clear error in little memory, each in a process of its own that tells its peak."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from engine.exceptions import InputError
from tests.engine.conftest import Run, request
from tests.processes import PATIENCE

CHILD = """
import json, resource, sys
import engine
from engine.exceptions import EngineError
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    outcome = json.loads(engine.submit(sys.stdin.read()).wait(150))["rowsOut"]
except EngineError as error:
    outcome = error.code
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"outcome": outcome, "grown_mb": grown / 1024}))
"""
LIMIT = 256 << 20


def run_alone(spec: dict[str, Any], source: Path, output: Path) -> dict[str, Any]:
    """Run a job under a limit of 256 MB in a process of its own."""
    text = request(spec, {"input": source}, output, memoryLimitBytes=LIMIT, threads=2)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=text, capture_output=True, text=True, timeout=2 * PATIENCE
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return json.loads(done.stdout)


@pytest.mark.parametrize("codec", ["gzip", "zstd", "snappy", "lz4"])
def test_a_page_that_unpacks_to_more_than_the_memory(tmp_path: Path, codec: str) -> None:
    source = tmp_path / "bomb.parquet"
    zeros = pa.table({"n": pa.repeat(pa.scalar(0, pa.int64()), 40 << 20)})
    pq.write_table(
        zeros,
        source,
        compression=codec,
        use_dictionary=False,
        data_page_size=1 << 30,
        row_group_size=40 << 20,
        write_batch_size=40 << 20,
        max_rows_per_page=40 << 20,
    )
    del zeros
    assert source.stat().st_size < 20 << 20
    ran = run_alone({"output": {"format": "parquet"}}, source, tmp_path / "out.parquet")
    assert ran["outcome"] == "RESOURCES_EXHAUSTED"
    assert ran["grown_mb"] < 200


def test_an_arrow_batch_that_unpacks_to_more_than_the_memory(tmp_path: Path) -> None:
    for codec in ("lz4", "zstd"):
        source = tmp_path / f"{codec}.arrow"
        zeros = pa.table({"n": pa.repeat(pa.scalar(0, pa.int64()), 40 << 20)})
        feather.write_feather(zeros, source, compression=codec, chunksize=40 << 20)
        ran = run_alone({"output": {"format": "parquet"}}, source, tmp_path / f"{codec}.parquet")
        assert ran["outcome"] == "RESOURCES_EXHAUSTED"
        assert ran["grown_mb"] < 200


def test_rows_that_are_one_text_again_and_again(tmp_path: Path) -> None:
    # 20,000 rows of one megabyte each, in a file of a few: each batch would make gigabytes of text.
    source = tmp_path / "again.parquet"
    texts = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), 20_000), pa.array(["x" * (1 << 20)]))
    pq.write_table(pa.table({"t": texts.cast(pa.dictionary(pa.int32(), pa.string()))}), source)
    ran = run_alone(
        {"steps": [{"derive": {"columns": [{"name": "n", "expr": "length(t)"}]}}, {"select": {"columns": ["n"]}}]},
        source,
        tmp_path / "out.parquet",
    )
    assert ran["outcome"] == 20_000
    assert ran["grown_mb"] < 400


def test_a_schema_nested_deeply(run: Run, tmp_path: Path) -> None:
    kind: pa.DataType = pa.int64()
    for _ in range(200):
        kind = pa.struct([("s", kind)])
    source = tmp_path / "deep.parquet"
    pq.write_table(pa.table({"a": pa.nulls(3, kind)}), source)
    with pytest.raises(InputError) as raised:
        run({}, source, "out.parquet")
    assert raised.value.code == "INPUT_FORMAT"
    assert "nested too deeply" in str(raised.value)


def test_the_error_names_the_file_and_the_place(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "orders.parquet"
    # With checksums, as many writers make them: then a wrong bit anywhere in the values is told.
    pq.write_table(
        pa.table({"amount": pa.array(range(100_000))}), source, write_page_checksum=True, use_dictionary=False
    )
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    source.write_bytes(data)
    with pytest.raises(InputError) as raised:
        run({}, source, "out.csv")
    assert raised.value.code == "INPUT_FORMAT"
    assert "orders.parquet" in str(raised.value)
    assert "column `amount` of row group 0: a page does not have the checksum" in str(raised.value)
    assert raised.value.hint is not None
    assert not (tmp_path / "out.csv").exists()


def test_a_footer_that_is_longer_than_the_file(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), source)
    for length in (0, 1 << 20, (1 << 31) - 1, (1 << 32) - 1):
        source.write_bytes(source.read_bytes()[:-8] + struct.pack("<I", length) + b"PAR1")
        with pytest.raises(InputError) as raised:
            run({}, source, f"{length}.csv")
        assert raised.value.code == "INPUT_FORMAT"


def test_an_arrow_file_bigger_than_the_limit_is_read_batch_by_batch(tmp_path: Path) -> None:
    source = tmp_path / "big.arrow"
    numbers = pa.table({"n": pa.array(range(1_000_000)), "t": pa.array([f"text {n}" for n in range(1_000_000)])})
    with pa.ipc.new_file(source, numbers.schema) as writer:
        for _ in range(20):
            writer.write_table(numbers, max_chunksize=100_000)
    assert source.stat().st_size > LIMIT
    ran = run_alone({"output": {"format": "csv"}}, source, tmp_path / "out.csv")
    assert ran["outcome"] == 20_000_000
    assert ran["grown_mb"] < 200
