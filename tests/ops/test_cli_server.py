"""`login`, `upload`, `run-job`, `logs` and `get` as processes, against the whole service."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.graph.second_factor.app import code_of
from tests.stack import ROOT, Account, Stack, clean_environment

FILTER = {"version": 1, "steps": [{"filter": {"where": "id % 2 = 0"}}], "output": {"format": "csv"}}
LINES = "id,name\n" + "".join(f"{number},name {number}\n" for number in range(1000))
UPLOADS = "query { uploads(first: 1) { nodes { id status partCount presentParts } } }"


class Command:
    """The command with a configuration folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = clean_environment(PYTHONPATH=str(ROOT), XDG_CONFIG_HOME=str(home / "config"))

    def __call__(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ops.cli", *map(str, arguments)]
        environment = self.environment | options.pop("env", {})
        return subprocess.run(
            command, env=environment, cwd=self.home, capture_output=True, text=True, timeout=150, **options
        )

    def good(self, *arguments: str | Path, **options: Any) -> str:
        done = self(*arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def ours(command: Command, stack: Stack, user: Account) -> Command:
    """Logged in."""
    command.good("login", stack.url, "--email", user.email, "--password-stdin", input=user.password + "\n")
    (command.home / "spec.json").write_text(json.dumps(FILTER))
    (command.home / "in.csv").write_text(LINES)
    return command


def test_without_a_log_in_it_says_how_to_get_one(command: Command) -> None:
    done = command("get", "x")
    assert done.returncode == 1
    assert "error[NOT_LOGGED_IN]" in done.stderr
    assert "karyaksham login" in done.stderr


def test_logging_in_keeps_a_token_and_no_password(ours: Command, user: Account, stack: Stack) -> None:
    path = ours.home / "config/karyaksham/login.json"
    stored = json.loads(path.read_text())
    assert stored["url"] == stack.url
    assert stored["token"].startswith("kar_")
    assert path.stat().st_mode & 0o777 == 0o600
    assert user.password not in path.read_text()


def test_wrong_log_ins_are_refused(command: Command, stack: Stack, user: Account) -> None:
    done = command("login", stack.url, "--email", user.email, "--password-stdin", input="wrong password 1\n")
    assert (done.returncode, "error[CREDENTIALS_WRONG]" in done.stderr) == (1, True)
    done = command("login", stack.url, "--token-stdin", input="kar_" + "x" * 43 + "\n")
    assert done.returncode == 1
    done = command("login", stack.ready["s3Url"], "--email", "a@b.de", "--password-stdin", input="x\n")
    assert (done.returncode, "error[NOT_KARYAKSHAM]" in done.stderr) == (1, True)
    done = command("login", "http://127.0.0.1:9", "--email", "a@b.de", "--password-stdin", input="x\n")
    assert (done.returncode, "error[SERVER_UNREACHABLE]" in done.stderr) == (1, True)
    assert not (command.home / "config/karyaksham/login.json").exists()


def test_an_account_with_a_second_factor_needs_a_code(command: Command, stack: Stack, user: Account) -> None:
    begin = """mutation($i: BeginSecondFactorInput!) { beginSecondFactor(input: $i) {
      ... on BeginSecondFactorSuccess { secret } } }"""
    secret = user.gql(begin, {"i": {"password": user.password}})["beginSecondFactor"]["secret"]
    confirm = """mutation($i: ConfirmSecondFactorInput!) { confirmSecondFactor(input: $i) {
      ... on ConfirmSecondFactorSuccess { recoveryCodes } ... on Error { code message path } } }"""
    made = user.gql(confirm, {"i": {"code": code_of(secret, time.time())}})
    arguments = ("login", stack.url, "--email", user.email, "--password-stdin")
    password = user.password + "\n"
    done = command(*arguments, input=password)
    assert (done.returncode, "error[CODE_MISSING]" in done.stderr, "--code" in done.stderr) == (2, True, True)
    done = command(*arguments, "--code", "nonsense", input=password)
    assert (done.returncode, "error[CODE_WRONG]" in done.stderr) == (1, True)
    command.good(*arguments, "--code", made["confirmSecondFactor"]["recoveryCodes"][0], input=password)
    assert json.loads((command.home / "config/karyaksham/login.json").read_text())["email"] == user.email


def test_administrators_export_the_audit_log(command: Command, stack: Stack, user: Account) -> None:
    admin = stack.ready["adminEmail"]
    command.good("login", stack.url, "--email", admin, "--password-stdin", input=stack.ready["adminPassword"] + "\n")
    lines = command.good("audit", "export", "--only", "user.register", "--actor", user.email).splitlines()
    assert [json.loads(line)["actorEmail"] for line in lines] == [user.email]
    target = command.home / "audit.csv"
    command.good("audit", "export", "--format", "csv", "--actor", user.email, "-o", target)
    header, *rows = target.read_text().splitlines()
    assert header.startswith("id,at,action,")
    assert any("user.register" in row for row in rows)
    assert target.stat().st_mode & 0o777 == 0o600
    target.unlink()
    done = command("audit", "export", "--since", "yesterday", "-o", target)
    assert (done.returncode, "error[TIME_INVALID]" in done.stderr) == (1, True)
    command.good("login", stack.url, "--email", user.email, "--password-stdin", input=user.password + "\n")
    done = command("audit", "export", "-o", target)
    assert (done.returncode, "error[FORBIDDEN]" in done.stderr) == (1, True)
    assert list(command.home.glob("*audit*")) == []


def test_a_token_in_the_environment_stands_in_for_a_log_in(command: Command, ours: Command, stack: Stack) -> None:
    token = json.loads((ours.home / "config/karyaksham/login.json").read_text())["token"]
    (ours.home / "config/karyaksham/login.json").unlink()
    environment = {"KARYAKSHAM_URL": stack.url, "KARYAKSHAM_TOKEN": token}
    assert ours.good("upload", "in.csv", env=environment)
    done = ours("upload", "in.csv", env=environment | {"KARYAKSHAM_TOKEN": "kar_" + "0" * 43})
    assert "error[UNAUTHENTICATED]" in done.stderr
    assert "karyaksham login" in done.stderr


def test_upload_run_watch_and_get(ours: Command) -> None:
    dataset = ours.good("upload", "in.csv", "--name", "numbers.csv")
    done = ours("run-job", "spec.json", "--input", dataset, "--follow")
    assert done.returncode == 0, done.stderr
    assert "500 rows (1,000 in, 500 filtered, 0 rejected)" in done.stderr
    assert "Attempt 1" in done.stderr
    job = done.stdout.strip()
    log = ours.good("logs", job)
    assert "Queued" in log
    assert ours.good("logs", "-f", job) == log
    assert all(json.loads(line)["message"] for line in ours.good("logs", job, "--json").splitlines())

    ours.good("get", job, "-o", "out.csv")
    wanted = "id,name\n" + "".join(f"{number},name {number}\n" for number in range(0, 1000, 2))
    assert (ours.home / "out.csv").read_text() == wanted
    (ours.home / "out.csv").write_text("precious")
    done = ours("get", job, "-o", "out.csv")
    assert (done.returncode, "error[OUTPUT_EXISTS]" in done.stderr) == (1, True)
    assert (ours.home / "out.csv").read_text() == "precious"
    ours.good("get", job, "-o", "out.csv", "--overwrite")
    (ours.home / "folder").mkdir()
    answer = json.loads(ours.good("get", job, "-o", "folder", "--json"))
    (file,) = answer["files"]
    assert (ours.home / file["file"]).stat().st_size == file["sizeBytes"] == len(wanted)
    left = [path.name for path in ours.home.iterdir() if ".part" in path.name]
    assert left == []


def test_the_same_key_never_makes_a_second_job(ours: Command) -> None:
    dataset = ours.good("upload", "in.csv")
    arguments = ("run-job", "spec.json", "--input", f"input={dataset}", "--idempotency-key", "nightly-1")
    assert ours.good(*arguments) == ours.good(*arguments)


def test_a_job_that_fails_says_where_and_exits_with_1(ours: Command) -> None:
    dataset = ours.good("upload", "in.csv")
    spec = FILTER | {"steps": [{"derive": {"columns": [{"name": "x", "expr": "1 / (id - id)"}]}}]}
    (ours.home / "failing.json").write_text(json.dumps(spec))
    done = ours("run-job", "failing.json", "--input", dataset, "--wait")
    assert done.returncode == 1
    assert done.stderr.startswith("error[")
    job = json.loads(ours("run-job", "failing.json", "--input", dataset, "--json").stdout)["job"]
    ours("logs", "-f", job)
    done = ours("get", job)
    assert done.returncode == 1
    assert "error[" in done.stderr
    assert [path.name for path in ours.home.iterdir() if path.suffix == ".csv"] == ["in.csv"]


def test_refusals_of_the_server_are_shown_whole(ours: Command) -> None:
    dataset = ours.good("upload", "in.csv")
    spec = FILTER | {"steps": [{"filter": {"where": "nme = 1"}}, {"select": {"columns": ["idd"]}}]}
    (ours.home / "bad.json").write_text(json.dumps(spec))
    done = ours("run-job", "bad.json", "--input", dataset)
    assert done.returncode == 1
    for part in ("error[INVALID_PIPELINE]", "steps[0].filter.where", "`name`", "steps[1].select"):
        assert part in done.stderr
    done = ours("run-job", "spec.json", "--input", "nonsense")
    assert (done.returncode, "error[NOT_FOUND]" in done.stderr) == (1, True)
    done = ours("logs", "nonsense")
    assert (done.returncode, "error[JOB_UNKNOWN]" in done.stderr) == (1, True)


def test_unreadable_files_are_explained(ours: Command) -> None:
    (ours.home / "noise.csv").write_bytes(b"\x00\x01\xff" * 1000)
    done = ours("upload", "noise.csv")
    assert done.returncode == 1
    assert "error[INPUT_BINARY]" in done.stderr
    assert ours("upload", "absent.csv").returncode == 2
    (ours.home / "empty.csv").write_bytes(b"")
    done = ours("upload", "empty.csv")
    assert (done.returncode, "error[" in done.stderr) == (1, True)


def test_an_interrupted_upload_goes_on_where_it_was(ours: Command, user: Account) -> None:
    block = "".join(f"{number},{hashlib.sha256(str(number).encode()).hexdigest()}\n" for number in range(20_000))
    path = ours.home / "big.csv"
    path.write_text("id,hash\n" + block * 220)
    command = [sys.executable, "-m", "ops.cli", "upload", "big.csv", "--parallel", "1"]
    process = subprocess.Popen(command, env=ours.environment, cwd=ours.home, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while True:
        nodes = user.gql(UPLOADS)["uploads"]["nodes"]
        if nodes and nodes[0]["presentParts"]:
            break
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    present = user.gql(UPLOADS)["uploads"]["nodes"][0]
    assert 0 < len(present["presentParts"]) < present["partCount"]
    done = ours("upload", "big.csv")
    assert done.returncode == 0, done.stderr
    assert f"of {present['partCount']} parts are there" in done.stderr
    after = user.gql(UPLOADS)["uploads"]["nodes"][0]
    assert (after["id"], after["status"]) == (present["id"], "COMPLETED")
    spec = {
        "version": 1,
        "steps": [{"aggregate": {"groupBy": [], "aggregates": [{"name": "n", "expr": "count(*)"}]}}],
        "output": {"format": "csv"},
    }
    job = user.run_job(spec, input=done.stdout.strip())
    assert user.download(job).decode() == f"n\n{20_000 * 220}\n"
    assert list((ours.home / "config/karyaksham/uploads").iterdir()) == []
