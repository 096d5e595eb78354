"""`karyaksham run` and `karyaksham convert`: the engine alone. Nothing else is imported, so that it starts at once."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time

from ops.cli.errors import CommandError
from ops.cli.progress import ProgressBar

TYPE_CHECKING = False  # what type checkers know; typing itself would be an import of 2 ms
if TYPE_CHECKING:
    from typing import Any

    from engine import JobHandle

_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.+)", re.DOTALL)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".txt": "lines",
    ".log": "lines",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_REDRAW_SECONDS = 0.1
_LEAST_MEMORY = 64 * 1024 * 1024


def run(options: argparse.Namespace) -> int:
    """Run a pipeline; returns the exit code."""
    spec = read_spec(options.spec)
    if "output" not in spec and (output := form_of(options.output)) is not None:
        spec["output"] = output
    return _execute(spec, read_inputs(options.input), options)


def convert(options: argparse.Namespace) -> int:
    """Change a file's format; returns the exit code."""
    output = form_of(options.output)
    if output is None:
        raise CommandError(
            "OUTPUT_FORMAT_UNKNOWN",
            f"The ending of {options.output} names no format.",
            hint=f"Use one of {' '.join(_FORMATS)}, or `karyaksham run` with a spec that says the format.",
            exit_code=2,
        )
    return _execute({"version": 1, "steps": [], "output": output}, {"input": options.input}, options)


def form_of(name: str) -> dict[str, Any] | None:
    """Return the output's format and compression as the file's ending names them, None if it names no format."""
    output: dict[str, Any] = {}
    stem, ending = os.path.splitext(name.lower())
    if ending in _COMPRESSIONS:
        output["compression"] = _COMPRESSIONS[ending]
        ending = os.path.splitext(stem)[1]
    if ending not in _FORMATS:
        return None
    output["format"] = _FORMATS[ending]
    return output


def read_spec(path: str) -> dict[str, Any]:
    """Return the JSON object in a file (`-`: standard input). `CommandError` says where it is broken."""
    try:
        text = sys.stdin.read() if path == "-" else _read(path)
    except OSError as error:
        raise CommandError("SPEC_UNREADABLE", f"{path}: {error.strerror}", exit_code=2) from error
    except UnicodeDecodeError as error:
        raise CommandError("SPEC_INVALID_JSON", f"{path} is not UTF-8 text: {error}", exit_code=2) from error
    try:
        spec = json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandError(
            "SPEC_INVALID_JSON",
            f"{path} is not JSON: {error.msg}",
            place=f"line {error.lineno}, column {error.colno}",
            exit_code=2,
        ) from error
    if not isinstance(spec, dict):
        raise CommandError("SPEC_INVALID_JSON", f"{path} holds no JSON object.", exit_code=2)
    return spec


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_inputs(arguments: list[str]) -> dict[str, str]:
    """Return inputs by name from `[NAME=]VALUE` arguments; without a name the first is `input`."""
    found: dict[str, str] = {}
    for argument in arguments:
        match = _NAMED.fullmatch(argument)
        # a file whose own name holds "=" wins over the reading as NAME=FILE
        name, value = match.groups() if match and not os.path.exists(argument) else ("input", argument)
        if name in found:
            raise CommandError(
                "INPUT_TWICE",
                f"There are two inputs named `{name}`: {found[name]} and {value}.",
                hint="Give each further input a name of its own: --input customers=FILE",
                exit_code=2,
            )
        found[name] = value
    return found


def parse_size(text: str) -> int:
    """Return bytes from `512MB`, `2GiB`, `1.5g` or plain digits."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise CommandError(
            "MEMORY_LIMIT_INVALID", f"{text!r} is no size.", hint="Write 512MB, 2GiB or a number of bytes.", exit_code=2
        )
    number, prefix, binary = match.groups()
    base = 1024 if binary else 1000
    size = int(float(number) * base ** " kmgt".index(prefix.lower() or " "))
    if size < _LEAST_MEMORY:
        raise CommandError(
            "MEMORY_LIMIT_INVALID", f"{text} is too little: the engine needs at least 64 MiB.", exit_code=2
        )
    return size


def default_memory() -> int:
    """Return half of the memory of this machine or container, in bytes; 1 GiB where the system does not tell."""
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError):
        limits.append(2 * 1024**3)
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:
                limits.append(int(file.read()))
        except (OSError, ValueError):
            continue
    return max(min(limits) // 2, _LEAST_MEMORY)


def input_request(value: str) -> dict[str, Any]:
    """Return the engine's description of an input: a file or an `s3://` or `file://` URL."""
    if "://" in value:
        scheme = value.partition("://")[0]
        if scheme not in {"s3", "file"}:
            raise CommandError(
                "INPUT_URL_UNKNOWN", f"{value}: cannot read {scheme}:// URLs.", hint="Use s3://bucket/key or a file."
            )
        return {"url": value, "fileName": value.rpartition("/")[2]}
    if not os.path.isfile(value):
        what = "is a folder" if os.path.isdir(value) else "does not exist"
        raise CommandError("INPUT_NOT_FOUND", f"The input {value} {what}.", hint="Check the path.")
    path = os.path.realpath(value)
    return {"url": path, "fileName": os.path.basename(value), "sizeBytes": os.path.getsize(path)}


def _local(value: str) -> str:
    """Return the path that a local path or a `file://` URL names."""
    if "://" not in value:
        return value
    host, slash, path = value.removeprefix("file://").partition("/")
    if not value.startswith("file://") or host not in {"", "localhost"} or not slash:
        raise CommandError(
            "OUTPUT_NOT_LOCAL", f"{value}: results go to local files here.", hint="Name a file.", exit_code=2
        )
    from urllib.parse import unquote

    return f"/{unquote(path)}"


def _output(value: str, spec: dict[str, Any], *, overwrite: bool) -> dict[str, Any]:
    value = _local(value)
    form = spec.get("output")
    if isinstance(form, dict) and (form.get("partitionBy") or form.get("maxFileBytes") is not None):
        return _output_folder(value, overwrite=overwrite)
    if os.path.isdir(value):
        raise CommandError("OUTPUT_IS_FOLDER", f"{value} is a folder.", hint="Name a file.", exit_code=2)
    if os.path.exists(value) and not overwrite:
        raise CommandError("OUTPUT_EXISTS", f"{value} exists.", hint="Choose another name, or add --overwrite.")
    path = os.path.realpath(value)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise CommandError("OUTPUT_FOLDER_MISSING", f"The folder {folder} does not exist.")
    return {"url": path, "overwrite": overwrite}


def _output_folder(value: str, *, overwrite: bool) -> dict[str, Any]:
    """Return the output of a result of many files; the engine makes the folder, and looks at what is in it."""
    path = os.path.realpath(value)
    if os.path.exists(path) and not os.path.isdir(path):
        raise CommandError(
            "OUTPUT_IS_FILE", f"{value} is a file; a result of many files needs a folder.", hint="Name a folder."
        )
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise CommandError("OUTPUT_FOLDER_MISSING", f"The folder {folder} does not exist.")
    return {"url": f"{path}/", "overwrite": overwrite}


def storage_options(inputs: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return S3 settings from AWS's usual variables, where an input needs them."""
    if not any(entry["url"].startswith("s3://") for entry in inputs.values()):
        return None
    environment = os.environ
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        raise CommandError(
            "S3_CREDENTIALS_MISSING",
            "An input is on S3, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.",
            hint="Set them, and AWS_REGION; AWS_ENDPOINT_URL for stores other than AWS.",
        )
    return {
        "endpoint": endpoint,
        "region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
        "accessKeyId": key,
        "secretAccessKey": secret,
        "pathStyle": endpoint is not None,
    }


def _execute(spec: dict[str, Any], named: dict[str, str], options: argparse.Namespace) -> int:
    inputs = {name: input_request(value) for name, value in named.items()}
    request = {
        "spec": spec,
        "inputs": inputs,
        "output": _output(options.output, spec, overwrite=options.overwrite),
        "storage": storage_options(inputs),
        "memoryLimitBytes": parse_size(options.memory_limit) if options.memory_limit else default_memory(),
        "spillDir": os.environ.get("SPILL_DIR") or None,
        "threads": options.threads,
    }
    if options.spill_limit:
        request["spillLimitBytes"] = parse_size(options.spill_limit)
    from engine import submit

    started = time.monotonic()
    if request["spillDir"]:
        # a folder of its own: a job that is cancelled may give its files up a moment after it has ended
        request["spillDir"] = os.path.join(request["spillDir"], f"karyaksham-run-{os.getpid()}")
        try:
            os.makedirs(request["spillDir"], mode=0o700, exist_ok=True)
        except OSError as error:
            raise CommandError(
                "SPILL_UNAVAILABLE", f"No folder for spilled data: {error}.", hint="Set SPILL_DIR to one with room."
            ) from error
    try:
        report = json.loads(_watch(submit(json.dumps(request)), enabled=not options.json))
    finally:
        if request["spillDir"]:
            _remove(request["spillDir"])
    _finish(report, time.monotonic() - started, options)
    return 0


def _remove(folder: str) -> None:
    """Remove spilled data, also what threads of the engine that are just ending still hold."""
    try:
        os.rmdir(folder)
        return
    except OSError:
        from shutil import rmtree
    for _ in range(100):
        rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.02)


def _watch(handle: JobHandle, *, enabled: bool) -> str:
    """Wait for the engine's report; Ctrl-C cancels and waits until nothing is left behind."""
    bar = ProgressBar("Running", enabled=enabled)
    try:
        while True:
            try:
                return handle.wait(_REDRAW_SECONDS)  # at once when the job ends
            except TimeoutError:
                counters = handle.progress()
                bar.update(counters["bytesRead"], counters["bytesTotal"], f"{counters['rowsOut']:,} rows out")
    except KeyboardInterrupt:
        handle.cancel()
        while not handle.is_done():
            time.sleep(0.01)
        raise
    finally:
        bar.clear()


def _finish(report: dict[str, Any], seconds: float, options: argparse.Namespace) -> None:
    outcome = {
        "output": options.output,
        "rowsIn": report["rowsIn"],
        "rowsOut": report["rowsOut"],
        "rowsFiltered": report["rowsFiltered"],
        "rowsRejected": report["rowsRejected"],
        "bytesRead": report["bytesRead"],
        "bytesWritten": report["bytesWritten"],
        "seconds": report["seconds"],
        "peakMemoryBytes": report["peakMemoryBytes"],
        "steps": report.get("steps") or [],
        "files": report.get("files") or [],
        "rejects": report.get("rejects"),
        "engineVersion": report.get("engineVersion"),
    }
    if options.stats:
        folder, name = os.path.split(options.stats)
        temporary = os.path.join(folder, f".{name}.{os.getpid()}")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(json.dumps(outcome, indent=1) + "\n")
        os.replace(temporary, options.stats)
    if options.json:
        print(json.dumps(outcome))
        return
    rejected = report["rowsRejected"]
    print(
        f"{options.output}: {report['rowsOut']:,} rows ({report['rowsIn']:,} in, {report['rowsFiltered']:,} filtered, "
        f"{rejected:,} rejected) in {seconds:.2f} s",
        file=sys.stderr,
    )
    if rejected and report.get("rejects"):
        print(f"Rejected rows, with the reason of each: {report['rejects'].get('url')}", file=sys.stderr)
