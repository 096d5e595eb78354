"""The role that KEDA asks PostgreSQL with, made as an operator makes it."""

from __future__ import annotations

import subprocess
from typing import Final

from sqlalchemy import make_url

from ops.local.parts import postgres_programs
from tests.stack import ROOT

SCALER_PASSWORD: Final = 'it\'s "quoted" here'
_SCRIPT: Final = ROOT / "ops/setup/scaler.sql"


def make_scaler(owner_url: str) -> None:
    """Run the script as the owner of the tables; it must say nothing."""
    url = make_url(owner_url)
    place = ("-h", str(url.host), "-p", str(url.port), "-U", str(url.username), "-d", str(url.database))
    command = [str(postgres_programs() / "psql"), *place, "-v", f"password={SCALER_PASSWORD}", "-q", "-f", str(_SCRIPT)]
    environment = {"PGPASSWORD": str(url.password)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
