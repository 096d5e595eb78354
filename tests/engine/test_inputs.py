"""Detection and bad input: each a clear error, nothing lost."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.exceptions import EngineError, InputError
from tests.engine.conftest import Run, inspect


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.csv", b"", "INPUT_EMPTY"),
        ("a.csv", b"\n\r\n\n", "INPUT_EMPTY"),
        ("a.csv", gzip.compress(b""), "INPUT_EMPTY"),
        ("a.csv", b"a,b\n1,\x00\x01\n", "INPUT_BINARY"),
        ("a.xlsx", b"PK\x03\x04" + bytes(100), "INPUT_BINARY"),
        ("a.csv", b"a,b\n1,caf\xe9\n", "INPUT_ENCODING"),
        ("a.parquet", b"no parquet at all", "INPUT_FORMAT"),
        ("a.parquet", b"PAR1" + bytes(100) + b"PAR1", "INPUT_FORMAT"),
        ("a.arrow", b"ARROW1" + bytes(100), "INPUT_FORMAT"),
        ("a.json", b'[{"a": 1}]', "INPUT_FORMAT"),
        ("a.ndjson", b"not json\n", "INPUT_FORMAT"),
    ],
)
def test_bad_files(write: Any, run: Run, name: str, data: bytes, code: str) -> None:
    path = write(name, data)
    for attempt in (lambda: inspect(path), lambda: run({"steps": []}, path)):
        with pytest.raises(InputError) as raised:
            attempt()
        assert raised.value.code == code, raised.value
        assert raised.value.hint or code == "INPUT_FORMAT"


def test_encoding_error_names_the_place_and_a_declared_encoding_mends_it(write: Any, run: Run) -> None:
    path = write("a.csv", b"a,b\n1,caf\xe9\n")
    with pytest.raises(InputError) as raised:
        inspect(path)
    assert (raised.value.row, raised.value.byte_offset) == (2, 9)
    report = run({"inputs": [{"name": "input", "encoding": "windows-1252"}], "output": {"format": "csv"}}, path)
    assert report["path"].read_text() == "a,b\n1,café\n"


def test_invalid_utf8_far_behind_the_sample_rejects_the_row(write: Any, run: Run) -> None:
    good = b"1,plain text of some length\n" * 400_000
    data = b"a,b\n" + good + b"2,caf\xe9\n" + good
    report = run({"output": {"format": "csv"}}, write("a.csv", data))
    assert report["rowsRejected"] == 1
    assert report["rowsOut"] == 800_000
    rejects = Path(f"{report['path']}.rejects.csv").read_text()
    assert rejects.splitlines()[1].startswith(f'400002,{4 + len(good)},"b","the text is not UTF-8"')


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_by_byte_order_mark(write: Any, run: Run, encoding: str) -> None:
    data = ("\ufeffa,b\r\n1,né\r\n").encode(encoding)
    report = run({"output": {"format": "csv"}}, write("a.csv", data))
    assert report["path"].read_text() == "a,b\n1,né\n"


@pytest.mark.parametrize("suffix", ["bz2", "xz"])
def test_bzip2_and_xz_of_several_members(write: Any, run: Run, suffix: str) -> None:
    pack = bz2.compress if suffix == "bz2" else lzma.compress
    rows = [b"%d,x%d\n" % (n, n) for n in range(200_000)]
    packed = pack(b"a,b\n" + b"".join(rows[:70_000])) + pack(b"".join(rows[70_000:]))
    source = write(f"a.csv.{suffix}", packed)
    report = run({"output": {"format": "csv"}}, source, "back.csv")
    assert report["path"].read_bytes() == b"a,b\n" + b"".join(rows)
    assert inspect(source)["compression"] == ("bzip2" if suffix == "bz2" else "xz")
    with pytest.raises(InputError) as raised:
        run({"output": {"format": "csv"}}, write(f"d.csv.{suffix}", packed[: len(packed) // 3]), "never.csv")
    assert raised.value.code == "INPUT_FORMAT"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("windows-1252", "Zürich, café, naïve"),
        ("windows-1251", "Москва и Киев"),
        ("shift-jis", "東京と大阪"),
        ("utf-16le", "né"),
    ],
)
def test_undeclared_encodings_end_as_errors_that_name_likely_ones(
    write: Any, run: Run, encoding: str, text: str
) -> None:
    stored = "utf-16-le" if encoding == "utf-16le" else encoding.replace("shift-jis", "shift_jis")
    path = write("a.csv", f"id,name\n1,{text}\n2,{text}\n".replace(", ", " ").encode(stored))
    with pytest.raises(InputError) as raised:
        run({"output": {"format": "csv"}}, path)
    assert encoding in raised.value.hint
    report = run({"inputs": [{"name": "input", "encoding": encoding}], "output": {"format": "csv"}}, path)
    assert report["path"].read_text().splitlines()[1] == f"1,{text.replace(', ', ' ')}"


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_compressed(write: Any, run: Run, suffix: str) -> None:
    plain = b"a,b\n" + b"".join(b"%d,x%d\n" % (n, n) for n in range(300_000))
    source = write("plain.csv", plain)
    packed = run(
        {"output": {"format": "csv", "compression": "gzip" if suffix == "gz" else "zstd"}}, source, f"p.csv.{suffix}"
    )
    assert packed["path"].stat().st_size < len(plain)
    back = run({"output": {"format": "csv"}}, packed["path"], "back.csv")
    assert back["path"].read_bytes() == plain
    damaged = write(f"d.csv.{suffix}", packed["path"].read_bytes()[: packed["path"].stat().st_size // 2])
    with pytest.raises(InputError) as raised:
        run({"output": {"format": "csv"}}, damaged, "never.csv")
    assert raised.value.code == "INPUT_FORMAT"


def test_inspection_report(write: Any) -> None:
    report = inspect(write("a.csv", b"id;zip;when;price;ok\n1;00501;2024-01-31T10:00:00Z;1.5;true\n2;10001;;2;false\n"))
    assert report["format"] == "csv"
    assert (report["compression"], report["encoding"]) == ("none", "utf-8")
    assert report["dialect"]["delimiter"] == ";"
    assert report["dialect"]["header"] is True
    types = {column["name"]: column["type"] for column in report["schema"]}
    assert types == {"id": "int64", "zip": "utf8", "when": "timestamp(UTC)", "price": "float64", "ok": "boolean"}
    reasons = {column["name"]: column["reason"] for column in report["schema"]}
    assert "leading zeros in `00501` (line 2)" in reasons["zip"]
    assert (report["rowEstimate"], report["rowsExact"]) == (2, True)
    assert report["preview"]["columns"] == list(types)
    assert report["preview"]["rows"][1] == [2, "10001", None, 2.0, False]


def test_row_estimate_of_a_big_file(write: Any) -> None:
    report = inspect(write("a.csv", b"a,b\n" + b"12345,abcdefgh\n" * 1_000_000))
    assert (report["rowsExact"], report["rowEstimate"]) == (True, 1_000_000)


def test_a_file_that_changed_since_inspection(write: Any, tmp_path: Path) -> None:
    path = write("a.csv", b"a\n1\n")
    request = {
        "spec": {"version": 1},
        "inputs": {"input": {"url": str(path), "sizeBytes": 5}},
        "output": {"url": str(tmp_path / "out.parquet")},
    }
    with pytest.raises(EngineError) as raised:
        engine.submit(json.dumps(request)).wait()
    assert (raised.value.code, raised.value.retryable) == ("INPUT_CHANGED", True)


def test_a_stored_schema_is_used_without_looking(write: Any, tmp_path: Path) -> None:
    path = write("a.bin", b"a|b\n1|2\n")
    report = inspect(path, fileName="a.csv")
    columns = [{**column, "type": "utf8"} for column in report["schema"]]
    fields = {"url": str(path), "format": "csv", "dialect": report["dialect"], "schema": columns}
    request = {
        "spec": {"version": 1, "output": {"format": "ndjson"}},
        "inputs": {"input": fields},
        "output": {"url": str(tmp_path / "out.ndjson")},
    }
    engine.submit(json.dumps(request)).wait()
    assert (tmp_path / "out.ndjson").read_text() == '{"a":"1","b":"2"}\n'


def test_missing_file_and_unknown_request_fields(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        inspect(tmp_path / "none.csv")
    assert raised.value.code == "INPUT_NOT_FOUND"
    with pytest.raises(EngineError) as wrong:
        engine.inspect('{"input": {"url": "x"}, "inptu": 1}')
    assert wrong.value.code == "INVALID_REQUEST"
