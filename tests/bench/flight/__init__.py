"""Streams of Arrow Flight beside a pyarrow.flight server and a download, on the same Parquet file, in one run."""
