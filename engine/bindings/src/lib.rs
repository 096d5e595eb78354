//! The extension module `engine._engine`: JSON in, JSON out; Python never runs on the data path.
//!
//! Long calls release the GIL. Errors become the exceptions of `engine.exceptions`, panics `INTERNAL`.

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod allocator;
mod errors;
mod flight;
mod job;

use pyo3::prelude::*;

use errors::{guarded, to_py};
use job::{JobHandle, SIGNAL_INTERVAL};

/// Everything wrong with a specification, as a JSON list of `{path, code, message, hint}`.
#[pyfunction]
#[pyo3(signature = (spec, schemas=None))]
fn validate_pipeline(py: Python<'_>, spec: &str, schemas: Option<&str>) -> PyResult<String> {
    let problems = py.detach(|| guarded(|| karyaksham_engine::plan::validate(spec, schemas)));
    Ok(json(&problems.map_err(|error| to_py(py, &error))?))
}

/// The JSON Schema of a specification.
#[pyfunction]
fn pipeline_schema() -> String {
    karyaksham_spec::schema_json()
}

/// Find out what a file is; takes and gives JSON.
#[pyfunction]
fn inspect(py: Python<'_>, request: &str) -> PyResult<String> {
    let report = py.detach(|| guarded(|| karyaksham_engine::inspect_blocking(request)));
    Ok(json(&report.map_err(|error| to_py(py, &error))?))
}

/// How a file differs from a fixed schema; takes and gives JSON.
#[pyfunction]
fn schema_diff(py: Python<'_>, request: &str) -> PyResult<String> {
    let diff = py.detach(|| guarded(|| karyaksham_engine::schema_diff_blocking(request)));
    Ok(json(&diff.map_err(|error| to_py(py, &error))?))
}

/// The first rows of a pipeline's result; takes and gives JSON.
#[pyfunction]
fn preview(py: Python<'_>, request: &str, rows: usize) -> PyResult<String> {
    let report = py.detach(|| guarded(|| karyaksham_engine::preview_blocking(request, rows)));
    Ok(json(&report.map_err(|error| to_py(py, &error))?))
}

/// What each column of a file holds; takes and gives JSON. Ctrl-C ends it.
#[pyfunction]
fn profile(py: Python<'_>, request: &str) -> PyResult<String> {
    let job = py.detach(|| guarded(|| karyaksham_engine::submit_profile(request)));
    let job = job.map_err(|error| to_py(py, &error))?;
    loop {
        match py.detach(|| job.wait(Some(SIGNAL_INTERVAL))) {
            Some(Ok(report)) => return Ok(json(&report)),
            Some(Err(error)) => return Err(to_py(py, &error)),
            None => py.check_signals().inspect_err(|_| job.cancel())?,
        }
    }
}

/// Start a job; takes JSON.
#[pyfunction]
fn submit(py: Python<'_>, request: &str) -> PyResult<JobHandle> {
    let handle = py.detach(|| guarded(|| karyaksham_engine::submit(request)));
    Ok(JobHandle::new(handle.map_err(|error| to_py(py, &error))?))
}

/// All error codes: `(code, exception class, retryable)`.
#[pyfunction]
fn error_codes() -> Vec<(&'static str, &'static str, bool)> {
    karyaksham_engine::ErrorCode::ALL
        .iter()
        .map(|code| (code.as_str(), code.class().python_name(), code.retryable()))
        .collect()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The engine, in Rust.
#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<JobHandle>()?;
    module.add_function(wrap_pyfunction!(validate_pipeline, module)?)?;
    module.add_function(wrap_pyfunction!(pipeline_schema, module)?)?;
    module.add_function(wrap_pyfunction!(inspect, module)?)?;
    module.add_function(wrap_pyfunction!(schema_diff, module)?)?;
    module.add_function(wrap_pyfunction!(preview, module)?)?;
    module.add_function(wrap_pyfunction!(profile, module)?)?;
    module.add_function(wrap_pyfunction!(submit, module)?)?;
    module.add_function(wrap_pyfunction!(error_codes, module)?)?;
    module.add_function(wrap_pyfunction!(flight::serve_flight, module)?)?;
    Ok(())
}
