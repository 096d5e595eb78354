//! From the engine's errors to Python's exceptions.

use std::panic::{AssertUnwindSafe, catch_unwind};

use karyaksham_engine::{EngineError, Result};
use pyo3::prelude::*;

/// Runs `work`; a panic in it becomes an error like others.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(EngineError::internal("a panic in the engine")))
}

/// The exception of `engine.exceptions` for an error.
pub(crate) fn to_py(py: Python<'_>, error: &EngineError) -> PyErr {
    match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(other) => other,
    }
}

fn exception<'py>(py: Python<'py>, error: &EngineError) -> PyResult<Bound<'py, PyAny>> {
    let class = error.code().class().python_name();
    py.import("engine.exceptions")?.getattr(class)?.call_method1("from_json", (error.to_json().to_string(),))
}
