//! `distinct` against the obvious way, with much memory and with little.

use std::collections::HashSet;

use arrow::array::{Float64Array, Int64Array, StringViewArray};
use arrow::datatypes::{Field, Schema};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;

/// 60,000 rows of 20,000 keys, some null, with the row's number.
fn rows() -> Vec<RecordBatch> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("row", DataType::Int64, false),
        Field::new("key", DataType::Utf8View, true),
        Field::new("half", DataType::Float64, true),
    ]));
    let key =
        |row: i64| (row * 7919 % 20_011 != 5).then(|| format!("a key of some length {}", row * 7919 % 20_011 / 2));
    (0..60)
        .map(|batch| {
            let numbers = || batch * 1000..(batch + 1) * 1000;
            let half = |row: i64| match row * 7919 % 20_011 % 2 {
                0 => Some(if row % 2 == 0 { 0.0 } else { -0.0 }),
                _ => (row % 3 > 0).then_some(f64::NAN),
            };
            RecordBatch::try_new(
                Arc::clone(&schema),
                vec![
                    Arc::new(Int64Array::from_iter_values(numbers())),
                    Arc::new(numbers().map(key).collect::<StringViewArray>()),
                    Arc::new(numbers().map(half).collect::<Float64Array>()),
                ],
            )
            .unwrap()
        })
        .collect()
}

fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
        .collect()
}

/// The row numbers that come out, and how often rows were spilled.
async fn distinct(on: &[&str], memory: Option<usize>, batch_rows: usize) -> (Vec<i64>, usize) {
    let batches = rows();
    let schema = batches[0].schema();
    let input = MemorySourceConfig::try_new_exec(&[batches], Arc::clone(&schema), None).unwrap();
    let keys = on.iter().map(|name| col(name, &schema).unwrap()).collect();
    let plan: Arc<dyn ExecutionPlan> = Arc::new(DistinctExec::try_new(keys, input).unwrap());
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        runtime = runtime.with_memory_pool(Arc::new(GreedyMemoryPool::new(bytes)));
    }
    let config = SessionConfig::new().with_batch_size(batch_rows);
    let context = SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap());
    let found = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    assert_eq!(context.runtime_env().memory_pool.reserved(), 0);
    (numbers(&found), plan.metrics().unwrap().spilled_rows().unwrap_or(0))
}

fn expected() -> Vec<i64> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for batch in rows() {
        let (keys, halves) = (batch.column(1).as_string_view(), batch.column(2).as_primitive::<Float64Type>());
        for row in 0..batch.num_rows() {
            let key = keys.iter().nth(row).unwrap().map(str::to_owned);
            let half = halves.iter().nth(row).unwrap().map(|half| if half.is_nan() { "NaN" } else { "0" });
            if seen.insert((key, half)) {
                kept.extend(numbers(&[batch.slice(row, 1)]));
            }
        }
    }
    kept
}

#[tokio::test]
async fn keeps_the_first_row_of_each_key_in_order() {
    let (found, spilled) = distinct(&["key", "half"], None, 1000).await;
    assert_eq!(found, expected());
    assert!(found.len() > 20_000);
    assert_eq!(spilled, 0);
    assert_eq!(distinct(&["key", "half"], None, 8192).await.0, found);
}

#[tokio::test]
async fn spills_and_gives_the_same_rows_in_the_same_order() {
    let expected = expected();
    // All but the last fit at once neither before nor after the first split.
    for memory in [300 << 10, 400 << 10, 600 << 10, 1 << 20] {
        let (found, spilled) = distinct(&["key", "half"], Some(memory), 700).await;
        assert_eq!(found, expected, "{memory} bytes");
        assert!(spilled > 1000, "{memory} bytes: {spilled} rows");
    }
}

#[tokio::test]
async fn too_little_memory_is_an_error() {
    let batches = rows();
    let schema = batches[0].schema();
    let input = MemorySourceConfig::try_new_exec(&[batches], Arc::clone(&schema), None).unwrap();
    let plan = Arc::new(DistinctExec::try_new(vec![col("key", &schema).unwrap()], input).unwrap());
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(10_000)));
    let context = SessionContext::new_with_config_rt(SessionConfig::new(), runtime.build_arc().unwrap());
    let error = collect(plan, context.task_ctx()).await.unwrap_err();
    assert_eq!(crate::EngineError::from(error).code(), crate::ErrorCode::ResourcesExhausted);
}
