"""What a worker does: run jobs, inspect data sets, sweep, purge."""
