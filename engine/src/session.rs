//! DataFusion's session: settings, memory and spilling.

use std::path::Path;
use std::sync::{Arc, Once};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, UnboundedMemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::Result;
use crate::exec::StepPlanner;

/// Memory that the pool does not know of: read-ahead, blocks being parsed, the writer, the program itself.
const UNPOOLED_BYTES: u64 = 160 << 20;

/// How one attempt of a job uses the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch of one attempt")]
pub struct Settings {
    /// Partitions that work in parallel.
    pub partitions: usize,
    /// Rows in a batch.
    pub batch_rows: usize,
    /// Whether text is kept as views; they are faster, but reserve more memory than they need.
    pub views: bool,
    /// Whether joins may build hash tables, which cannot spill.
    pub hash_join: bool,
    /// Whether the direct way may be tried.
    pub direct: bool,
    /// Whether each partition reads its own part of a file, in the file's order: so a sort can keep it where keys are equal.
    pub own_parts: bool,
}

/// Settings of a session.
pub fn config(partitions: usize, batch_rows: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_rows)
        .with_information_schema(false);
    let options = config.options_mut();
    options.execution.parquet.pushdown_filters = true;
    options.execution.collect_statistics = false;
    options.catalog.create_default_catalog_and_schema = true;
    config
}

/// Makes what all sessions of a process share, DataFusion's functions above all: some milliseconds once, best spent while
/// the inputs are looked at.
pub fn warm() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(SessionStateBuilder::new().with_default_features().build()));
}

/// A session for one attempt.
pub fn context(
    settings: Settings,
    memory_limit: Option<u64>,
    spill_dir: Option<&Path>,
    spill_limit: Option<u64>,
) -> Result<SessionContext> {
    let pool: Arc<dyn MemoryPool> = match memory_limit {
        Some(limit) => {
            let pooled = limit.saturating_sub(UNPOOLED_BYTES).max(limit / 2);
            Arc::new(FairSpillPool::new(usize::try_from(pooled).unwrap_or(usize::MAX)))
        }
        None => Arc::new(UnboundedMemoryPool::default()),
    };
    let mode = match spill_dir {
        Some(folder) => DiskManagerMode::Directories(vec![folder.to_path_buf()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    // Without a quota it is the disk's: a full one is an error of its own.
    let quota = spill_limit.unwrap_or(u64::MAX);
    let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(quota);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
    let mut config = config(settings.partitions, settings.batch_rows);
    config.options_mut().optimizer.prefer_hash_join = settings.hash_join;
    config.options_mut().execution.parquet.schema_force_view_types = settings.views;
    config.options_mut().execution.enable_file_stream_work_stealing = !settings.own_parts;
    config.options_mut().optimizer.enable_round_robin_repartition = !settings.own_parts;
    // It reads row groups in the order of their statistics.
    config.options_mut().optimizer.enable_sort_pushdown = !settings.own_parts;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_query_planner(Arc::new(StepPlanner))
        .build();
    Ok(SessionContext::new_with_state(state))
}
