"""Workers: claim jobs from PostgreSQL, run the engine in child processes, publish results once."""
