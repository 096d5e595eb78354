//! `serve_flight`: the Arrow Flight server as one blocking call.

use karyaksham_flight::{Config, Error, logging, serve};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// Serve until SIGTERM or SIGINT, without the GIL. `config` is the JSON that `flight/src/config.rs` describes.
///
/// Raises `ValueError` for settings that cannot be used and `RuntimeError` for anything else that ends the server.
#[pyfunction]
#[pyo3(signature = (config, log_level = "INFO"))]
pub fn serve_flight(py: Python<'_>, config: &str, log_level: &str) -> PyResult<()> {
    logging::init(log_level);
    let served = Config::from_json(config).and_then(|config| py.detach(|| serve(&config)));
    served.map_err(|error| match error {
        Error::Config(message) => PyValueError::new_err(message),
        other => PyRuntimeError::new_err(other.to_string()),
    })?;
    // SIGINT becomes KeyboardInterrupt, as after any blocking call.
    py.check_signals()
}
