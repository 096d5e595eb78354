"""`python -m tests.bench.flight.peer PARQUET PORT`: what a few lines of pyarrow.flight give.

Tickets: `memory` (the table held in memory), `memory:0/2` (one of two halves), `parquet` (decoded by one thread), and
`dataset` (decoded by all of them, with read-ahead).
"""

from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.flight as fl
import pyarrow.parquet as pq

ROWS = 65_536


class Server(fl.FlightServerBase):  # type: ignore[misc]  # pyarrow publishes no types
    """One file, four ways."""

    def __init__(self, path: str, port: int) -> None:
        super().__init__(f"grpc://127.0.0.1:{port}")
        self._path = path
        self._table: pa.Table | None = None

    def do_get(self, _: fl.ServerCallContext, ticket: fl.Ticket) -> fl.RecordBatchStream:
        """Answer a ticket."""
        kind, _, part = ticket.ticket.decode().partition(":")
        if kind == "memory":
            if self._table is None:
                self._table = pq.read_table(self._path).combine_chunks()
            table = self._table
            if part:
                number, of = map(int, part.split("/"))
                start, end = table.num_rows * number // of, table.num_rows * (number + 1) // of
                table = table.slice(start, end - start)
            batches = table.to_batches(max_chunksize=ROWS)
            return fl.RecordBatchStream(pa.RecordBatchReader.from_batches(table.schema, batches))
        if kind == "parquet":
            file = pq.ParquetFile(self._path)
            batches = file.iter_batches(ROWS, use_threads=False)
            return fl.RecordBatchStream(pa.RecordBatchReader.from_batches(file.schema_arrow, batches))
        scanner = ds.dataset(self._path).scanner(batch_size=ROWS, batch_readahead=4, fragment_readahead=1)
        return fl.RecordBatchStream(scanner.to_reader())


if __name__ == "__main__":
    Server(sys.argv[1], int(sys.argv[2])).serve()
