"""The Flight server reads a result's copy on its own machine where there is one, and the storage everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from graph.core.copies import copies_folder
from graph.core.tickets import TicketFile
from tests.flight.conftest import Server
from tests.flight.test_do_get import parquet
from tests.flight.test_formats import ipc
from tests.flight.test_security import another

STORED = pa.table({"n": range(3000)})
# as many bytes, so that only who reads them can tell
COPIED = pa.table({"n": range(3000, 6000)})


@pytest.fixture
def copies(server: Server, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A Flight server that reads copies, and their folder."""
    settings = server.settings.model_copy(update={"spill_dir": str(tmp_path), "result_copies_limit_bytes": 1})
    folder = copies_folder(settings)
    assert folder is not None
    # the spool would answer what is pulled again
    more = {"SPILL_DIR": str(tmp_path), "RESULT_COPIES_LIMIT_BYTES": "1", "FLIGHT_SPOOL_LIMIT_BYTES": "0"}
    with another(server, tmp_path / "log", **more) as port:
        yield f"grpc://127.0.0.1:{port}", folder


def as_parquet(table: pa.Table) -> bytes:
    """The table, of a size that does not depend on its numbers."""
    return parquet(table, compression="none", use_dictionary=False)


def put_copy(folder: Path, file: TicketFile, body: bytes) -> Path:
    """Place this under the object's name."""
    path = folder / file.key
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    return path


def first(address: str, ticket: str) -> int:
    """The first number of a table, pulled whole by a connection of its own."""
    with fl.connect(address) as client:
        table = client.do_get(fl.Ticket(ticket)).read_all()
    assert table.num_rows == 3000
    return int(table["n"][0].as_py())


@pytest.mark.parametrize("written", ["parquet", "arrow"])
def test_a_copy_is_read_as_long_as_it_is_there(server: Server, copies: tuple[str, Path], written: str) -> None:
    address, folder = copies
    stored, copied = (as_parquet(table) if written == "parquet" else ipc(table) for table in (STORED, COPIED))
    assert len(stored) == len(copied)
    file = server.put(stored)
    ticket = server.ticket([file], written)
    assert first(address, ticket) == 0
    path = put_copy(folder, file, copied)
    assert first(address, ticket) == 3000
    path.unlink()
    assert first(address, ticket) == 0
    # a server that was not told of copies does not look for them
    path.write_bytes(copied)
    assert first(server.location, ticket) == 0


def test_what_is_not_the_objects_size_is_no_copy(server: Server, copies: tuple[str, Path]) -> None:
    address, folder = copies
    file = server.put(as_parquet(STORED))
    ticket = server.ticket([file])
    put_copy(folder, file, as_parquet(COPIED)[:-1])
    assert first(address, ticket) == 0


def test_keys_lead_nowhere_else(server: Server, copies: tuple[str, Path]) -> None:
    address, folder = copies
    body = as_parquet(COPIED)
    folder.mkdir(parents=True)
    (folder.parent / "outside").write_bytes(body)
    ticket = server.ticket([TicketFile("w/../../outside", len(body))])
    with pytest.raises(fl.FlightError):
        first(address, ticket)
