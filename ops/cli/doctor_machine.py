"""What the doctor looks at on this machine: Python, the wheels' programs, data directory, disk, memory, ports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ops.cli.findings import Finding
from ops.cli.progress import human
from ops.local import launch, parts
from ops.local.datadir import DataDir
from ops.local.errors import StackError
from ops.local.ports import is_free
from ops.local.stack import DEFAULT_FLIGHT_PORT, DEFAULT_PORT, DEFAULT_S3_PORT

_GB = 10**9


def machine_findings(data: DataDir, *, embedded: bool) -> list[Finding]:
    """Return all findings about this machine; what only an embedded stack needs where one is meant."""
    found = [_python(), _engine(), _web()]
    if embedded:
        found += [*_servers(), _user(), *_data_dir(data), _disk(data), _memory(), *_ports(data)]
    return found


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", "ok", f"{version} at {sys.executable}")


def _engine() -> Finding:
    try:
        import engine
    except ImportError as error:
        return Finding(
            "engine",
            "fail",
            f"The engine cannot be loaded: {error}",
            "In a checkout run `make engine`; else reinstall.",
        )
    return Finding("engine", "ok", f"version {engine.__version__}")


def _web() -> Finding:
    import graph

    if (Path(next(iter(graph.__path__))) / "static/index.html").exists():
        return Finding("web app", "ok", "built")
    return Finding("web app", "warn", "The web app is not built; the API works without it.", "Run `make web`.")


def _servers() -> list[Finding]:
    """Start each program just to ask its version: that proves that it runs on this machine."""
    found = []
    programs: list[tuple[str, str, Callable[[], Path], list[str]]] = [
        ("PostgreSQL", "DATABASE_URL", lambda: parts.postgres_programs() / "postgres", ["--version"]),
        ("Valkey", "REDIS_URL", parts.valkey_program, ["--version"]),
        ("SeaweedFS", "S3_ENDPOINT_URL", parts.weed_program, ["version"]),
    ]
    for name, setting, find, arguments in programs:
        if os.environ.get(setting) or os.environ.get(f"{setting}_FILE"):
            found.append(Finding(f"{name} program", "skip", f"not needed: {setting} is set"))
            continue
        try:
            path = find()
            done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=20, check=True)
            found.append(Finding(f"{name} program", "ok", done.stdout.strip().splitlines()[0]))
        except StackError as error:
            found.append(Finding(f"{name} program", "fail", error.message, error.hint))
        except (OSError, subprocess.SubprocessError, IndexError) as error:
            hint = f"Reinstall karyaksham[local], or set {setting} to a server of your own."
            found.append(Finding(f"{name} program", "fail", f"It does not run here: {error}", hint))
    return found


def _user() -> Finding:
    if os.geteuid() != 0:
        return Finding("user", "ok", "an ordinary user")
    try:
        _, owner = launch.postgres_user()
    except StackError as error:
        return Finding("user", "fail", error.message, error.hint)
    how = "in a user namespace" if owner == 0 else "as `nobody`"
    return Finding("user", "ok", f"root; PostgreSQL, which refuses root, runs {how}")


def _data_dir(data: DataDir) -> list[Finding]:
    name = "data directory"
    if not data.path.exists():
        parent = next(folder for folder in data.path.parents if folder.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            return [Finding(name, "fail", f"{parent} may not be written to.", "Choose another with --data-dir.")]
        return [Finding(name, "ok", f"{data.path} will be made at the first start")]
    found = []
    stat = data.path.stat()
    if stat.st_uid != os.geteuid():
        found.append(
            Finding(name, "fail", f"{data.path} belongs to another user.", f"chown -R {os.geteuid()} {data.path}")
        )
    elif stat.st_mode & 0o077:
        found.append(Finding(name, "fail", f"{data.path} is open to other users.", f"chmod 700 {data.path}"))
    else:
        found.append(Finding(name, "ok", str(data.path)))
    if data.secrets_file.exists() and data.secrets_file.stat().st_mode & 0o077:
        hint = f"chmod 600 {data.secrets_file}"
        found.append(Finding("secrets", "fail", f"{data.secrets_file} may be read by other users.", hint))
    holder = data.holder()
    if holder is None:
        found.append(Finding("stack", "skip", "no stack is running on this directory"))
    else:
        found.append(Finding("stack", "ok", f"running as process {holder}"))
    return found


def _disk(data: DataDir) -> Finding:
    folder = next(path for path in (data.path, *data.path.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    message = f"{human(free)} free at {folder}"
    if free < _GB:
        return Finding("disk", "fail", message, "PostgreSQL and uploads need room: free some, or move the directory.")
    if free < 20 * _GB:
        return Finding("disk", "warn", message, "Uploads go to 50 GB each, and results come on top.")
    return Finding("disk", "ok", message)


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total < 2 * _GB:
        hint = "Lower JOB_MEMORY_LIMIT_BYTES and WORKER_CONCURRENCY."
        return Finding("memory", "warn", f"{human(total)}: little for the whole stack.", hint)
    return Finding("memory", "ok", human(total))


def _ports(data: DataDir) -> list[Finding]:
    running = data.holder() is not None
    own = set(data.remembered_ports().values()) if running else set()
    found = []
    for name, port in (("API", DEFAULT_PORT), ("Flight", DEFAULT_FLIGHT_PORT), ("S3", DEFAULT_S3_PORT)):
        label = f"port {port}"
        if port in own:
            found.append(Finding(label, "ok", f"used by this stack for {name}"))
        elif is_free(port):
            found.append(Finding(label, "ok", f"free for {name}"))
        else:
            hint = "Nothing to do: another is taken. To have this one, stop the program that uses it."
            found.append(Finding(label, "warn", f"taken by another program; {name} will use another", hint))
    return found
