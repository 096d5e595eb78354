//! The threads that network traffic runs on, apart from those that compute: busy CPU threads never starve it.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Handle, Runtime};

use crate::error::Result;

/// The runtime of the engine's network traffic; made at first use, and made anew in a forked child, where the parent's
/// threads do not exist.
pub fn network() -> Result<Handle> {
    static RUNTIME: Mutex<Option<(u32, Runtime)>> = Mutex::new(None);
    let mut slot = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let pid = std::process::id();
    if let Some((owner, runtime)) = slot.as_ref()
        && *owner == pid
    {
        return Ok(runtime.handle().clone());
    }
    if let Some((_, stale)) = slot.take() {
        // Its threads stayed in the parent: dropping it would wait for them for ever.
        std::mem::forget(stale);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("karyaksham-net")
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    *slot = Some((pid, runtime));
    Ok(handle)
}
