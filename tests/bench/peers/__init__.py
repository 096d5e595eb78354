"""The engine beside its peers on ten workloads: data, pipelines of each engine, runs, checks, and the table."""
