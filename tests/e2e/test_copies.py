"""On one machine the first pull of a result reads what the worker left there, and asks the storage for nothing."""

from __future__ import annotations

import json
import random

import pyarrow.flight as fl

from graph.core.copies import copies_folder
from graph.core.ids import from_global
from tests.flight.test_watching import samples
from tests.stack import Account, Stack, settings_of

ROWS = 400_000


def test_a_first_pull_reads_what_the_worker_left(stack: Stack, user: Account) -> None:
    spec = {"version": 1, "steps": [{"filter": {"where": "amount >= 50"}}], "output": {"format": "parquet"}}
    # of which a result remains that is worth a copy, packed as it is
    keys = random.Random(1)
    csv = "amount,key\n" + "".join(f"{i},{keys.getrandbits(128):032x}\n" for i in range(ROWS))
    job = user.run_job(spec, input=user.upload(csv, "orders.csv"))
    folder = copies_folder(settings_of(stack.environment))
    assert folder is not None
    (copy,) = folder.glob(f"w/*/jobs/{from_global(job['id'], 'Job')}/*/*")
    assert copy.read_bytes() == user.download(job)
    port = json.loads((stack.data_dir / "run/ports.json").read_text())["flight-metrics"]
    name = ("karyaksham_flight_copied_bytes_total",)
    before = samples(port)[name]
    with fl.connect(stack.flight_url) as client:
        table = client.do_get(fl.Ticket(job["result"]["flight"]["ticket"])).read_all()
    assert table["amount"].to_pylist() == list(range(50, ROWS))
    assert samples(port)[name] > before
