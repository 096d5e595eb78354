"""`karyaksham doctor`, as a process."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.ops.commands import karyaksham
from tests.stack import Backends


def test_the_doctor_finds_what_is_wrong_and_says_how_to_mend_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    done = karyaksham("doctor", "--json", "--data-dir", data)
    report = json.loads(done.stdout)
    findings = {finding["name"]: finding for finding in report["findings"]}
    assert (done.returncode, report["ok"]) == (1, False)
    assert findings["data directory"]["status"] == "fail"
    assert findings["data directory"]["hint"] == f"chmod 700 {data}"
    assert findings["engine"]["status"] == "ok"
    assert findings["PostgreSQL program"]["message"].startswith("postgres (PostgreSQL) 18")
    data.chmod(0o700)
    assert karyaksham("doctor", "--data-dir", data).returncode == 0


def test_the_doctor_looks_at_the_parts_that_the_environment_names(backends: Backends) -> None:
    done = karyaksham("doctor", "--json", "--data-dir", backends.data_dir / "none", env=backends.environment)
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    statuses = {
        name: findings[name]["status"] for name in ("PostgreSQL", "migrations", "Redis", "S3", "S3 CORS", "clock")
    }
    assert set(statuses.values()) == {"ok"}, [findings[name] for name in statuses if statuses[name] != "ok"]
    # no service runs on these backends
    assert findings["API"]["status"] == "fail"
    assert "karyaksham api" in findings["API"]["hint"]
    wrong = backends.environment | {"REDIS_URL": "redis://127.0.0.1:1/0", "S3_SECRET_ACCESS_KEY": "wrong"}
    done = karyaksham("doctor", "--json", "--data-dir", backends.data_dir / "none", env=wrong)
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert "REDIS_URL" in findings["Redis"]["hint"]
    assert "S3_SECRET_ACCESS_KEY" in findings["S3"]["hint"]
    assert backends.environment["S3_SECRET_ACCESS_KEY"] not in done.stdout
    assert os.environ["DATABASE_URL"] == backends.environment["DATABASE_URL"]
