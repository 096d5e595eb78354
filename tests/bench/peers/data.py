"""`python data.py FOLDER ROWS`: the workloads' files, the same bytes each time. Runs in the peers' environment.

An order has 16 columns and about 200 bytes; one in a hundred cities is quoted, with commas, quotes or line ends in it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


CHUNK = 250_000
CUSTOMERS = 100_000
# Of 5 million orders: 15 million lines of a log (2 GB), 1.5 million events.
LINES_PER_ORDER, EVENTS_PER_ORDER = 3.0, 0.3
SECOND = 1_000_000
WORDS = words(
    "leave at the door ring twice fragile gift wrap call before delivery neighbour has key second floor urgent "
    "replace damaged box invoice copy blue large medium small size exchange warranty repeat buyer discount manual"
)
SYLLABLES = words("ka ri mo ten del var shu lin bra os pur nag ham ville burg ton sk mar el ia")
COUNTRIES = [
    "India",
    *(f"{a}{b}land" for a in ("Nor", "Sou", "Ost", "Wes", "Mid", "Hoch") for b in ("", "er", "en", "ia")),
]
STATUSES = ["delivered", "shipped", "processing", "cancelled", "returned", "pending"]
PAYMENTS = ["card", "upi", "wallet", "netbanking", "cod"]
LEVELS = ["INFO ", "DEBUG", "WARN ", "ERROR"]


def dice(name: str, chunk: int) -> np.random.Generator:
    """A stream of random numbers for one part of one file."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([2026, *name.encode(), chunk])))


def pick(words: list[str], index: np.ndarray) -> pa.Array:
    """The words of these indices."""
    return pa.array(words).take(pa.array(index))


def text(numbers: np.ndarray) -> pa.Array:
    """Numbers as decimal digits."""
    return pa.array(numbers).cast(pa.string())


def join(*parts: pa.Array | str) -> pa.Array:
    """Texts put together row by row."""
    return pc.binary_join_element_wise(*parts, "")


def hexadecimal(random: np.random.Generator, rows: int, groups: list[int]) -> pa.Array:
    """Random hexadecimal digits in groups with a dash between."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[random.integers(0, 16, (rows, sum(groups)), np.uint8)]
    parts = np.split(digits, np.cumsum(groups)[:-1], axis=1)
    dash = np.full((rows, 1), ord("-"), np.uint8)
    cells = np.hstack([cell for part in parts for cell in (dash, part)][1:])
    offsets = np.arange(rows + 1, dtype=np.int32) * cells.shape[1]
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(cells)))


def vocabulary() -> tuple[list[str], list[str]]:
    """Names of cities, the last 30 of which need quoting, and short remarks."""
    random = dice("vocabulary", 0)
    names = ["".join(random.choice(SYLLABLES, 3)).capitalize() for _ in range(2970)]
    odd = [
        f"{a}, {b}" if n % 3 == 0 else f'{a} "{b}"' if n % 3 == 1 else f"{a}\n{b}"
        for n, (a, b) in enumerate(zip(names[:30], names[30:60], strict=True))
    ]
    remarks = [" ".join(random.choice(WORDS, random.integers(3, 9))) for _ in range(20_000)]
    return names + odd, remarks


def orders(chunk: int, start: int, rows: int, cities: list[str], remarks: list[str]) -> pa.Table:
    """A part of the orders."""
    random = dice("orders", chunk)
    price = np.round(np.exp(random.normal(3.1, 0.9, rows)) + 0.5, 2)
    quantity = np.minimum(random.geometric(0.4, rows), 40)
    discount = np.round(random.integers(0, 7, rows) * 0.05 * (random.random(rows) < 0.5), 2)
    customer = (CUSTOMERS * random.random(rows) ** 1.6).astype(np.int64) + 1
    seconds = 1_672_531_200 + np.arange(start, start + rows) * 13 + random.integers(0, 4000, rows)
    shares = 1 / np.arange(1, len(COUNTRIES) + 1)
    shares[0] = shares[1:].sum() * 0.06 / 0.94  # India has six in a hundred
    mail = join(pick(SYLLABLES, random.integers(0, 20, rows)), ".", text(customer), "@example.com")
    return pa.table(
        {
            "order_id": np.arange(start + 1, start + rows + 1),
            "customer_id": customer,
            "order_ts": pa.array(seconds * SECOND, pa.timestamp("us")),
            "country": pick(COUNTRIES, random.choice(len(COUNTRIES), rows, p=shares / shares.sum())),
            "city": pick(cities, random.integers(0, len(cities), rows)),
            "status": pick(STATUSES, random.choice(6, rows, p=[0.55, 0.17, 0.10, 0.08, 0.05, 0.05])),
            "payment_method": pick(PAYMENTS, random.integers(0, 5, rows)),
            "quantity": quantity,
            "unit_price": price,
            "discount": discount,
            "amount": np.round(quantity * price * (1 - discount), 2),
            "email": pc.if_else(pa.array(random.random(rows) < 0.15), pa.scalar(None, pa.string()), mail),
            "note": join(pick(remarks, random.integers(0, 20_000, rows)), " ", text(random.integers(0, 10_000, rows))),
            "is_gift": random.random(rows) < 0.1,
            "is_express": random.random(rows) < 0.3,
            "txn_uuid": hexadecimal(random, rows, [8, 4, 4, 4, 12]),
        }
    )


def write_orders(folder: Path, rows: int) -> None:
    """`orders.csv` and `orders.parquet`."""
    cities, remarks = vocabulary()
    with (folder / "orders.csv").open("wb") as csv:
        parquet = None
        for chunk, start in enumerate(range(0, rows, CHUNK)):
            table = orders(chunk, start, min(CHUNK, rows - start), cities, remarks)
            if parquet is None:
                parquet = pq.ParquetWriter(
                    folder / "orders.parquet", table.schema, compression="zstd", compression_level=1
                )
                csv.write(",".join(table.column_names).encode() + b"\n")
            parquet.write_table(table)
            csv.write(in_bytes(csv_lines(table.combine_chunks())))
        if parquet is not None:
            parquet.close()


def csv_lines(table: pa.Table) -> pa.Array:
    """Rows as lines; only what must be quoted is."""
    city = table["city"].combine_chunks()
    quoted = join('"', pc.replace_substring(city, '"', '""'), '"')
    texts = {
        "order_ts": pc.strftime(table["order_ts"].cast(pa.timestamp("s")), "%Y-%m-%dT%H:%M:%S"),
        "city": pc.if_else(pc.match_substring_regex(city, '[",\n]'), quoted, city),
        "email": pc.fill_null(table["email"], ""),
    }
    cells = (texts.get(name, table[name].cast(pa.string())) for name in table.column_names)
    plain = [cell.combine_chunks() if isinstance(cell, pa.ChunkedArray) else cell for cell in cells]
    return join(pc.binary_join_element_wise(*plain, ","), "\n")


def in_bytes(lines: pa.Array) -> memoryview:
    """The bytes of texts, one after the other."""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[offsets[0] : offsets[-1]]


def write_customers(folder: Path) -> None:
    """`customers.csv`"""
    random = dice("customers", 0)
    table = pa.table(
        {
            "customer_id": np.arange(1, CUSTOMERS + 1),
            "name": join(
                pick(SYLLABLES, random.integers(0, 20, CUSTOMERS)), " ", pick(WORDS, random.integers(0, 30, CUSTOMERS))
            ),
            "segment": pick(
                ["consumer", "smb", "enterprise", "public"], random.choice(4, CUSTOMERS, p=[0.55, 0.2, 0.15, 0.1])
            ),
            "region": pick(words("north south east west central apac emea amer"), random.integers(0, 8, CUSTOMERS)),
            "credit_limit": np.round(random.random(CUSTOMERS) * 10_000, 2),
        }
    )
    pacsv.write_csv(table, folder / "customers.csv", pacsv.WriteOptions(quoting_style="needed"))


def write_lines(path: Path, lines: int, make: Callable[[int, int, int], pa.Array]) -> None:
    """A text file, part by part."""
    with path.open("wb") as file:
        for chunk, start in enumerate(range(0, lines, CHUNK)):
            part = make(chunk, start, min(CHUNK, lines - start))
            file.write(in_bytes(join(part, "\n")))


def log_lines(chunk: int, start: int, rows: int) -> pa.Array:
    """Lines of a service's log, one in a hundred of level ERROR."""
    random = dice("log", chunk)
    clock = pa.array(1_767_225_600_000 + (start + np.arange(rows)) * 3, pa.timestamp("ms"))
    path = pick(
        [f"/api/v1/{a}/{b}" for a in ("orders", "jobs", "files") for b in ("list", "get", "put")],
        random.integers(0, 9, rows),
    )
    words = pick(
        ["completed", "retrying after timeout", "cache miss", "no error reported"], random.integers(0, 4, rows)
    )
    return join(
        pc.strftime(clock, "%Y-%m-%dT%H:%M:%SZ "),
        pick(LEVELS, random.choice(4, rows, p=[0.8, 0.14, 0.05, 0.01])),
        " [worker-",
        text(random.integers(0, 64, rows)),
        "] karya.engine.Writer req=",
        hexadecimal(random, rows, [12]),
        " user=",
        text(random.integers(1, CUSTOMERS, rows)),
        " ",
        path,
        " dur=",
        text(random.integers(1, 3000, rows)),
        "ms ",
        words,
    )


def event_lines(chunk: int, start: int, rows: int) -> pa.Array:
    """JSON objects with one inside."""
    random = dice("events", chunk)
    clock = pa.array(1_767_225_600 + (start + np.arange(rows)) // 3, pa.timestamp("s"))
    kind = pick(
        words("view click search cart purchase refund"), random.choice(6, rows, p=[0.45, 0.25, 0.12, 0.08, 0.08, 0.02])
    )
    source = pick(["null", '"google"', '"mail \\"promo\\""', '"direct"'], random.integers(0, 4, rows))
    return join(
        '{"event_id":',
        text(np.arange(start, start + rows)),
        ',"ts":"',
        pc.strftime(clock, "%Y-%m-%dT%H:%M:%S"),
        '","event":"',
        kind,
        '","user_id":',
        text(random.integers(1, CUSTOMERS, rows)),
        ',"session":"',
        hexadecimal(random, rows, [16]),
        '","country":"',
        pick(COUNTRIES, random.integers(0, len(COUNTRIES), rows)),
        '","amount":',
        text(np.round(np.exp(random.normal(3.6, 1.0, rows)), 2)),
        ',"props":{"page":"/p/',
        text(random.integers(0, 5000, rows)),
        '","ref":',
        source,
        "}}",
    )


if __name__ == "__main__":
    target, count = Path(sys.argv[1]), int(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    write_customers(target)
    write_orders(target, count)
    write_lines(target / "app.log", int(count * LINES_PER_ORDER), log_lines)
    write_lines(target / "events.ndjson", int(count * EVENTS_PER_ORDER), event_lines)
