"""Backups, tested by restoring them: what was there is there again, in another stack with other passwords and keys."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow.flight as fl
import pytest
from sqlalchemy import make_url

from graph.core.ids import uuid7
from ops.backup import postgres
from ops.backup.errors import BackupError
from tests.ops.commands import karyaksham
from tests.ops.scaler import make_scaler
from tests.stack import Account, Backends, Stack, stack_in
from tests.workers.helpers import children_of, send

ROWS = 999
CSV = "id,country\n" + "".join(f"{number},{'India' if number % 3 else 'Nepal'}\n" for number in range(ROWS))
SPEC = {"version": 1, "steps": [{"filter": {"where": "country = 'Nepal'"}}], "output": {"format": "parquet"}}
WEBHOOK = """mutation($i: CreateWebhookInput!) { createWebhook(input: $i) {
  __typename ... on CreateWebhookSuccess { webhook { id } } ... on Error { code message } } }"""
DELETE = "mutation($i: DeleteDatasetInput!) { deleteDataset(input: $i) { __typename } }"
JOB_STATUS = "query($id: ID!) { job(id: $id) { status } }"


def pull(stack: Stack, account: Account, kind: str, id_: str) -> Any:
    with fl.connect(stack.flight_url) as client:
        call = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {account.token}".encode())])
        info = client.get_flight_info(fl.FlightDescriptor.for_path(kind, id_), call)
        return client.do_get(info.endpoints[0].ticket, call).read_all()


class Kept:
    """A stack that was used, its backup, taken while a job ran, and what its people know."""

    def __init__(self, folder: Path) -> None:
        self.data, self.backup = folder / "data", folder / "backup"
        with stack_in(self.data) as stack:
            make_scaler(stack.environment["MIGRATION_DATABASE_URL"])
            self.account = account = stack.register()
            self.dataset = account.upload(CSV, "orders.csv")
            self.job = account.run_job(SPEC, input=self.dataset)["id"]
            self.table = pull(stack, account, "jobs", self.job)
            account.gql(DELETE, {"i": {"id": account.upload(CSV, "gone.csv")}})
            account.gql(WEBHOOK, {"i": {"url": "https://receiver.example/hook", "events": ["JOB_SUCCEEDED"]}})
            send(children_of(stack.pid("worker-1")), signal.SIGSTOP)
            self.running = account.start_job(SPEC, input=self.dataset)
            while account.gql(JOB_STATUS, {"id": self.running})["job"]["status"] != "RUNNING":
                pass
            done = karyaksham("backup", self.backup, "--objects", "--data-dir", self.data)
        assert done.returncode == 0, done.stderr
        self.told: dict[str, Any] = json.loads((self.backup / "backup.json").read_text())
        self.keys = [json.loads(line)["key"] for line in (self.backup / "objects.ndjson").read_text().splitlines()]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept"))


def test_a_backup_says_what_is_in_it(kept: Kept) -> None:
    # of the data set that was deleted nothing
    assert len(kept.keys) == kept.told["objects"] == 2
    assert kept.told["object_bytes"] == sum(
        path.stat().st_size for path in kept.backup.glob("objects/**/*") if path.is_file()
    )
    assert (kept.told["missing"], kept.told["unfinished_jobs"], kept.told["sealed_webhooks"]) == ([], 1, 1)
    secrets = json.loads((kept.data / "secrets.json").read_text())
    for path in kept.backup.glob("*.*"):
        assert not [name for name, value in secrets.items() if value.strip().encode() in path.read_bytes()], path
    assert kept.backup.stat().st_mode & 0o077 == 0


def test_the_doctor_looks_for_it(kept: Kept, tmp_path: Path) -> None:
    found = {}
    for folder in (kept.backup.parent, tmp_path):
        done = karyaksham("doctor", "--json", "--data-dir", tmp_path / "none", "--backups", folder)
        found[folder] = {each["name"]: each["status"] for each in json.loads(done.stdout)["findings"]}["backup"]
    assert found == {kept.backup.parent: "ok", tmp_path: "fail"}


def test_a_restored_stack_has_everything(kept: Kept, tmp_path: Path) -> None:
    done = karyaksham("restore", kept.backup, "--data-dir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "1 jobs waited or ran then" in done.stdout
    assert "ENCRYPTION_KEY is another one than then" in done.stdout
    with stack_in(tmp_path / "data") as stack:
        account = stack.log_in(kept.account.email, kept.account.password)
        state = account.wait_job(kept.job)
        assert state["status"] == "SUCCEEDED"
        assert account.download(state) == next(kept.backup.glob("objects/**/*.parquet")).read_bytes()
        assert pull(stack, account, "jobs", kept.job).equals(kept.table)
        assert pull(stack, account, "datasets", kept.dataset).num_rows == ROWS
        # what ran when the backup was taken runs anew, and reads the object that was restored
        again = account.wait_job(kept.running)
        assert (again["status"], again["result"]["rows"]) == ("SUCCEEDED", kept.table.num_rows)
        # row-level security, and rights that only migrations of long ago have given
        assert stack.register().gql(JOB_STATUS, {"id": kept.job}) == {"job": None}
        query = (
            "SELECT has_function_privilege('karyaksham_system', 'expire_audit_log(integer,integer)', 'EXECUTE'), "
            "has_table_privilege('karyaksham_app', 'audit_log', 'UPDATE'), "
            # of a role that this PostgreSQL did not know
            "has_column_privilege('karyaksham_scaler', 'jobs', 'status', 'SELECT'), "
            "(SELECT rolcanlogin FROM pg_roles WHERE rolname = 'karyaksham_scaler')"
        )
        assert asyncio.run(ask(stack.environment["MIGRATION_DATABASE_URL"], query)) == (True, False, True, False)


def test_a_damaged_copy_changes_nothing_and_may_be_mended(kept: Kept, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(kept.backup, backup)
    copied = next(backup.glob("objects/**/*.parquet"))
    good = copied.read_bytes()
    copied.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    done = karyaksham("restore", backup, "--data-dir", tmp_path / "data")
    assert done.returncode == 1
    assert "error[BACKUP_DAMAGED]" in done.stderr
    copied.write_bytes(good)
    done = karyaksham("restore", backup, "--data-dir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    # now there is something
    done = karyaksham("restore", backup, "--data-dir", tmp_path / "data")
    assert (done.returncode, "error[DATABASE_NOT_EMPTY]" in done.stderr) == (1, True), done.stderr


def test_without_copies_the_missing_objects_are_named(kept: Kept, tmp_path: Path) -> None:
    """The stack of before is still there, stopped: the backup starts its backends for the time being."""
    done = karyaksham("backup", tmp_path / "list", "--data-dir", kept.data)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "list/objects").exists()
    done = karyaksham("restore", tmp_path / "list", "--data-dir", tmp_path / "data", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["missing"] == kept.keys
    assert all(key in done.stderr for key in kept.keys)
    # the next backup of such a stack says so too
    done = karyaksham("backup", tmp_path / "next", "--data-dir", tmp_path / "data", "--json")
    assert (done.returncode, json.loads(done.stdout)["missing"]) == (1, kept.keys)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda folder: (folder / "backup.json").unlink(), "BACKUP_NOT_WHOLE"),
        (lambda folder: (folder / "database.dump").write_bytes(b"PGDMP"), "BACKUP_DAMAGED"),
        (lambda folder: describe(folder, revision="9999"), "BACKUP_NEWER"),
        (lambda folder: describe(folder, format=2), "FORMAT_UNKNOWN"),
        (lambda folder: describe(folder, app="somebody"), "OTHER_ROLES"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_restored_is_refused(
    kept: Kept, backends: Backends, tmp_path: Path, change: Any, code: str
) -> None:
    shutil.copytree(kept.backup, tmp_path / "backup", ignore=shutil.ignore_patterns("objects"))
    change(tmp_path / "backup")
    done = karyaksham("restore", tmp_path / "backup", env=backends.environment)
    assert (done.returncode, f"error[{code}]" in done.stderr) == (1, True), done.stderr


def describe(folder: Path, **changes: object) -> None:
    path = folder / "backup.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_is_used_once(kept: Kept, backends: Backends) -> None:
    done = karyaksham("backup", kept.backup, env=backends.environment)
    assert (done.returncode, "error[FOLDER_NOT_EMPTY]" in done.stderr) == (1, True)


def test_programs_that_are_older_than_the_server_are_refused() -> None:
    with pytest.raises(BackupError, match="is of PostgreSQL") as caught:
        postgres.program("pg_dump", 99)
    assert caught.value.code == "PG_DUMP_TOO_OLD"
    assert postgres.program("pg_restore", 15)


async def ask(url: str, query: str, *values: object) -> Any:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        row = await connection.fetchrow(query, *values)
        return None if row is None else tuple(row)
    finally:
        await connection.close()


async def test_nobody_has_to_be_a_superuser(backends: Backends, tmp_path: Path) -> None:
    """As with a managed PostgreSQL: an owner who may make databases and roles, and whom row-level security binds."""
    admin = backends.settings.owner_database_url
    tail = uuid7().hex[-12:]
    owner, app = f"owner_{tail}", f"app_{tail}"
    await ask(admin, f"CREATE ROLE {owner} LOGIN CREATEDB CREATEROLE PASSWORD 'owner'")
    await ask(admin, f"GRANT karyaksham_system TO {owner} WITH ADMIN OPTION")
    place = make_url(admin)

    def environment(database: str) -> dict[str, str]:
        urls = {"MIGRATION_DATABASE_URL": (owner, "owner"), "DATABASE_URL": (app, "app")}
        made = {name: place.set(username=user, password=word, database=database) for name, (user, word) in urls.items()}
        return backends.environment | {name: url.render_as_string(False) for name, url in made.items()}

    before, after = environment(f"before_{tail}"), environment(f"after_{tail}")
    try:
        done = karyaksham("migrate", env=before)
        assert done.returncode == 0, done.stderr
        connection = await asyncpg.connect(
            before["DATABASE_URL"].replace("+asyncpg", ""), server_settings={"role": "karyaksham_system"}
        )
        who = uuid7()
        await connection.execute("INSERT INTO users (id, email, name, password_hash) VALUES ($1, 'a@b', 'a', 'x')", who)
        await connection.execute("INSERT INTO workspaces (id, name, owner_id) VALUES ($1, 'w', $1)", who)
        await connection.close()
        done = karyaksham("backup", tmp_path / "backup", env=before)
        assert done.returncode == 0, done.stderr
        done = karyaksham("restore", tmp_path / "backup", env=after)
        assert done.returncode == 0, done.stderr
        counted = "SELECT count(*) FROM workspaces"
        assert await ask(after["DATABASE_URL"], counted) == (0,)
        connection = await asyncpg.connect(
            after["DATABASE_URL"].replace("+asyncpg", ""), server_settings={"role": "karyaksham_system"}
        )
        assert await connection.fetchval(counted) == 1
        await connection.close()
    finally:
        for name in (f"before_{tail}", f"after_{tail}"):
            await ask(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        for role in (app, owner):
            await ask(admin, f"DROP ROLE IF EXISTS {role}")
