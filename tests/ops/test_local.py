"""The embedded servers and their supervisor, with real processes and real signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from graph.core.settings import Settings
from graph.core.storage import Storage
from ops.local import launch
from ops.local.datadir import DataDir
from tests.processes import PATIENCE, descendants, wait_gone
from tests.stack import ROOT, clean_environment, running

PARTS = ("postgres", "valkey", "s3")


class Local:
    """`python -m ops.local` on one data directory."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.ready = folder / "ready.json"
        self.log = folder / "local.log"
        self.process: subprocess.Popen[bytes]

    @contextlib.contextmanager
    def run(self, prefix: Sequence[str] = (), **options: Any) -> Iterator[Local]:
        command = [
            *(prefix or [sys.executable]),
            *("-m", "ops.local", "--data-dir", str(self.data), "--ready-file", str(self.ready)),
        ]
        with running(command, self.ready, self.log, **({"cwd": ROOT} | options)) as self.process:
            yield self

    @property
    def settings(self) -> Settings:
        return Settings.model_validate({name.lower(): value for name, value in self.environment.items()})

    @property
    def environment(self) -> dict[str, str]:
        return dict(json.loads((self.data / "run/environment.json").read_text()))

    def pid(self, part: str) -> int:
        return int(json.loads((self.data / f"run/{part}.pid").read_text())[0])

    def pids(self) -> dict[str, int]:
        return {part: self.pid(part) for part in PARTS}

    @property
    def owner_url(self) -> str:
        return self.environment["MIGRATION_DATABASE_URL"].replace("+asyncpg", "")

    def wait_restarted(self, part: str, old: int, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                if self.pid(part) != old:
                    return
            time.sleep(0.05)
        pytest.fail(f"{part} was not started again:\n{self.log.read_text()}")


async def eventually(attempt: Any, seconds: float = PATIENCE) -> Any:
    """The result of an attempt, repeated while it raises."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def put(settings: Settings, key: str, data: bytes) -> None:
    async with await Storage.open(settings) as storage:
        await storage.ensure_bucket_and_cors(settings.origins)
        await storage.put(key, data)


async def read(settings: Settings, key: str) -> bytes:
    async with await Storage.open(settings) as storage:
        return await storage.get_range(key, 0, 100)


async def execute(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url, timeout=PATIENCE)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with Local(tmp_path_factory.mktemp("local")).run() as started:
        yield started


def test_secrets_and_directory_are_closed_to_others(local: Local) -> None:
    assert local.data.stat().st_mode & 0o777 == 0o700
    secret_files = [*local.data.glob("*.json"), *local.data.glob("run/*.json"), *local.data.glob("s3/*.*")]
    secret_files += [local.ready, local.data / "valkey/valkey.conf"]
    assert len(secret_files) >= 6
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in secret_files if path.stat().st_mode & 0o077} == {}


async def test_strangers_are_refused_by_every_server(local: Local) -> None:
    settings = local.settings
    await put(settings, "w/test/object", b"secret")
    url = f"{settings.s3_endpoint_url}/{settings.s3_bucket}/w/test/object"
    assert httpx.get(url).status_code == 403
    ports = json.loads((local.data / "run/ports.json").read_text())
    # the inner server that stands behind S3 would hand out every object
    filer = f"http://127.0.0.1:{ports['filer']}/buckets/{settings.s3_bucket}/w/test/object"
    assert httpx.get(filer).status_code == 401
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(local.owner_url.replace(":" + local.owner_url.split(":")[2].split("@")[0], ":wrong"))
    with socket.create_connection(("127.0.0.1", ports["valkey"])) as raw:
        raw.sendall(b"PING\r\n")
        assert raw.recv(100).startswith(b"-NOAUTH")


async def test_servers_listen_on_this_machine_only(local: Local) -> None:
    ports = set(json.loads((local.data / "run/ports.json").read_text()).values())
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            place, port = address.rsplit(":", 1)
            if state == "0A" and int(port, 16) in ports:
                assert place == "0100007F", f"port {int(port, 16)} is open to the network"


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_comes_back_with_its_data(local: Local, part: str) -> None:
    settings = local.settings
    await put(settings, f"w/test/{part}", part.encode())
    await execute(local.owner_url, f"CREATE TABLE IF NOT EXISTS kept_{part} AS SELECT 42 AS answer")
    old = local.pids()
    os.kill(old[part], signal.SIGKILL)
    local.wait_restarted(part, old[part])
    assert await eventually(lambda: execute(local.owner_url, f"SELECT answer FROM kept_{part}")) == 42
    assert await eventually(lambda: read(settings, f"w/test/{part}")) == part.encode()
    assert {name: pid for name, pid in local.pids().items() if name != part} == {
        name: pid for name, pid in old.items() if name != part
    }


def test_a_second_stack_on_the_same_directory_is_refused(local: Local) -> None:
    command = [sys.executable, "-m", "ops.local", "--data-dir", str(local.data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "error[DATA_DIR_IN_USE]" in done.stderr
    assert str(local.process.pid) in done.stderr
    assert "--data-dir" in done.stderr


async def test_stopping_leaves_nothing_and_the_next_start_finds_everything(tmp_path: Path) -> None:
    local = Local(tmp_path)
    with local.run():
        await put(local.settings, "w/test/kept", b"kept")
        await execute(local.owner_url, "CREATE TABLE kept AS SELECT 1 AS one")
        first, processes = local.environment, descendants(local.process.pid)
        ports = json.loads((local.data / "run/ports.json").read_text())
        local.process.send_signal(signal.SIGTERM)
        assert local.process.wait(PATIENCE) == 0
        assert wait_gone(processes) == set()
        assert not list((local.data / "run").glob("*.pid"))
        assert not local.ready.exists()
        left = [path for port in ports.values() for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]
        assert left == []
    with local.run():
        # the same coordinates, so that bookmarks and presigned URLs stay good
        assert local.environment == first
        assert await execute(local.owner_url, "SELECT one FROM kept") == 1
        assert await read(local.settings, "w/test/kept") == b"kept"


async def test_a_killed_supervisor_leaves_no_orphans_and_no_damage(tmp_path: Path) -> None:
    local = Local(tmp_path)
    with local.run():
        await put(local.settings, "w/test/kept", b"kept")
        await execute(local.owner_url, "CREATE TABLE kept AS SELECT 1 AS one")
        processes = descendants(local.process.pid)
        assert len(processes) > 3
        local.process.kill()
        local.process.wait()
        # started at once, while the old ones still go down
        with local.run():
            assert wait_gone(processes) == set()
            assert await execute(local.owner_url, "SELECT one FROM kept") == 1
            assert await read(local.settings, "w/test/kept") == b"kept"


def test_a_stop_while_starting_is_heard(tmp_path: Path) -> None:
    local = Local(tmp_path)
    command = [sys.executable, "-m", "ops.local", "--data-dir", str(local.data)]
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not list(local.data.glob("run/*.pid")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert wait_gone(processes) == set()


def test_an_unusable_data_directory_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    command = [sys.executable, "-m", "ops.local", "--data-dir", str(blocked / "data")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "error[DATA_DIR_UNUSABLE]" in done.stderr
    assert str(blocked) in done.stderr


def test_missing_secrets_are_never_replaced_by_new_ones(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres/PG_VERSION").write_text("18")
    command = [sys.executable, "-m", "ops.local", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "error[SECRETS_MISSING]" in done.stderr
    assert not (tmp_path / "secrets.json").exists()


def test_a_directory_of_before_gets_an_encryption_key_and_keeps_the_rest(tmp_path: Path) -> None:
    made = asdict(DataDir(tmp_path).secrets())
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({name: value for name, value in made.items() if name != "encryption_key"}))
    found = asdict(DataDir(tmp_path).secrets())
    assert found.pop("encryption_key") != made.pop("encryption_key")
    assert found == made
    assert json.loads(file.read_text()) == asdict(DataDir(tmp_path).secrets())
    assert file.stat().st_mode & 0o777 == 0o600


# A program that becomes what PostgreSQL runs as, then the Python that its arguments are for. Done by a child of this
# process between fork and exec, it failed once in many runs: that child has the locks and handlers of whatever library
# other tests loaded.
_AS_POSTGRES = (
    "import os, sys; from ops.local import launch; before, _ = launch.postgres_user(); before and before(); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def _ordinary_user() -> tuple[int, list[str], dict[str, Any]]:
    """How to start Python as an ordinary user who can read this checkout: owner of its files, command, options."""
    user = {"user": 65534, "group": 65534, "extra_groups": []}
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import ops.local.stack, asyncpg"
    with contextlib.suppress(OSError):
        if subprocess.run([sys.executable, "-c", script], check=False, **user).returncode == 0:
            return 65534, [], user
    # in a folder closed to others: as the stack itself starts PostgreSQL, in a namespace of its own or, where those are
    # forbidden, as `nobody` with the one capability to pass folders
    script = "from ops.local import launch; print(launch.postgres_user()[1])"
    owner = int(subprocess.check_output([sys.executable, "-c", script], cwd=ROOT))
    return owner, [sys.executable, "-c", _AS_POSTGRES], {}


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests already run as an ordinary user")
async def test_an_ordinary_user_can_run_it() -> None:
    owner, prefix, options = _ordinary_user()
    folder = Path(tempfile.mkdtemp(prefix="karyaksham-user-", dir="/tmp"))
    os.chown(folder, owner, -1)
    local = Local(folder)
    environment = clean_environment(HOME=str(folder), PYTHONDONTWRITEBYTECODE="1")
    try:
        with local.run(prefix, env=environment, **options):
            status = Path(f"/proc/{local.process.pid}/status").read_text()
            capabilities = int(re.search(r"CapEff:\t([0-9a-f]+)", status)[1], 16)
            assert capabilities & ~(1 << launch._CAP_DAC_OVERRIDE) == 0
            assert await execute(local.owner_url, "SELECT 1") == 1
            await put(local.settings, "w/test/object", b"theirs")
            assert await read(local.settings, "w/test/object") == b"theirs"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="root only")
def test_without_user_namespaces_root_still_runs_postgresql(tmp_path: Path) -> None:
    """Containers forbid root to make namespaces: the process becomes `nobody` with one capability."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    script = (
        "import ops.local.launch as launch\n"
        "launch._enter_namespace = lambda user: (lambda: (_ for _ in ()).throw(OSError('forbidden')))\n"
        "from ops.local.__main__ import main; import sys; sys.exit(main())\n"
    )
    ready = tmp_path / "ready.json"
    data = closed / "data"
    command = [sys.executable, "-c", script, "--data-dir", str(data), "--ready-file", str(ready)]
    with running(command, ready, tmp_path / "log", cwd=ROOT):
        pid = int(json.loads((data / "run/postgres.pid").read_text())[0])
        assert Path(f"/proc/{pid}").stat().st_uid == 65534
        assert (data / "postgres").stat().st_uid == 65534
        assert data.stat().st_mode & 0o777 == 0o700
