"""The extension module, written in Rust (`engine/bindings`)."""

from typing import Any, final

__version__: str

@final
class JobHandle:
    """A running or ended job."""

    def progress(self) -> dict[str, Any]:
        """Return bytesRead, bytesTotal, rowsIn, rowsOut, rowsFiltered, rowsRejected, bytesWritten and stage."""
    def cancel(self) -> None:
        """Ask the job to stop; `wait` then raises `CancelledError` unless it ended before."""
    def is_done(self) -> bool:
        """Return whether the job ended."""
    def wait(self, timeout: float | None = None) -> str:
        """Wait for the end and return the report as JSON; `TimeoutError` if `timeout` seconds pass first."""

def validate_pipeline(spec: str, schemas: str | None = None) -> str:
    """Return everything wrong with a specification, as a JSON list of `{path, code, message, hint}`."""

def pipeline_schema() -> str:
    """Return the JSON Schema of a specification."""

def inspect(request: str) -> str:
    """Find out what a file is; takes `{"input": {…}, "storage": {…}}` and returns the report as JSON."""

def schema_diff(request: str) -> str:
    """Compare a file with a fixed schema; takes `{"input": {…}, "schema": [{…}], "storage": {…}}`, returns JSON.

    `same`, and the columns that were `added`, `removed`, `retyped` (with `from`, `to`, `reason`) or `reordered`.
    """

def preview(request: str, rows: int) -> str:
    """Return what a pipeline makes of samples of its inputs; takes a run request without output, returns JSON.

    At most `rows` rows of the result; for each step the rows before and behind it, and the columns it added, removed or
    retyped. `sampled` says whether only parts of the inputs were read, `ranges` which ones.
    """

def profile(request: str) -> str:
    """Return what each column of a file holds, in one pass over it; Ctrl-C ends it.

    Takes `{"input": {…}, "columns": […], "threads": n, "storage": {…}}`, returns JSON: counts, nulls, distinct values,
    extremes, quantiles, a histogram, frequent values, lengths of texts. What is no exact figure says so.
    """

def submit(request: str) -> JobHandle:
    """Start a job; takes a run request as JSON."""

def error_codes() -> list[tuple[str, str, bool]]:
    """Return all error codes: `(code, exception class, retryable)`."""

def serve_flight(config: str, log_level: str = "INFO") -> None:
    """Serve Arrow Flight until SIGTERM or SIGINT; takes the configuration as JSON.

    Raises `ValueError` for settings that cannot be used and `RuntimeError` for anything else that ends the server.
    """
