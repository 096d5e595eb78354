"""Jobs: run a pipeline on data sets, follow it, take its result."""
