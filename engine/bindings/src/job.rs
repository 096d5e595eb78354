//! The handle of a job.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::to_py;
use crate::json;

/// How long a wait lasts before Python gets the chance to handle signals.
pub(crate) const SIGNAL_INTERVAL: Duration = Duration::from_millis(200);

/// A running or ended job.
#[pyclass(frozen, module = "engine._engine")]
pub(crate) struct JobHandle {
    job: karyaksham_engine::JobHandle,
}

impl JobHandle {
    pub(crate) fn new(job: karyaksham_engine::JobHandle) -> Self {
        Self { job }
    }
}

#[pymethods]
impl JobHandle {
    /// The counters now.
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let snapshot = self.job.progress();
        let dict = PyDict::new(py);
        dict.set_item("bytesRead", snapshot.bytes_read)?;
        dict.set_item("bytesTotal", snapshot.bytes_total)?;
        dict.set_item("rowsIn", snapshot.rows_in)?;
        dict.set_item("rowsOut", snapshot.rows_out)?;
        dict.set_item("rowsFiltered", snapshot.rows_filtered)?;
        dict.set_item("rowsRejected", snapshot.rows_rejected)?;
        dict.set_item("bytesWritten", snapshot.bytes_written)?;
        dict.set_item("stage", serde_json::to_value(snapshot.stage).unwrap_or_default().as_str())?;
        Ok(dict)
    }

    /// Ask the job to stop.
    fn cancel(&self) {
        self.job.cancel();
    }

    /// Whether the job ended.
    fn is_done(&self) -> bool {
        self.job.is_done()
    }

    /// Wait for the end and return the report as JSON; `TimeoutError` if `timeout` seconds pass first.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<String> {
        let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let pause = left.map_or(SIGNAL_INTERVAL, |left| left.min(SIGNAL_INTERVAL));
            match py.detach(|| self.job.wait(Some(pause))) {
                Some(Ok(report)) => return Ok(json(&report)),
                Some(Err(error)) => return Err(to_py(py, &error)),
                None => py.check_signals()?,
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Err(pyo3::exceptions::PyTimeoutError::new_err("the job has not ended yet"));
            }
        }
    }
}
