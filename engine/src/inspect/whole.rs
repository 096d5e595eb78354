//! Types decided over a whole file: all of its records are looked at, on all threads.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use karyaksham_spec::{Format, InputOverride};

use super::columns::Records;
use super::infer::{Evidence, apply_declared};
use super::{Inspected, json, names};
use crate::error::{EngineError, Result};
use crate::progress::Progress;
use crate::scan::spelling::Spelling;
use crate::scan::{Block, BlockReader, Content, Dialect, Index, Separators, Sorted, TextFile};
use crate::store::Location;

/// What looks at blocks of a file, each thread by itself.
pub(super) trait Look: Send + Sized + 'static {
    /// Looks at the records of one block. `index` is its reader's.
    fn take(&mut self, block: &Block, index: &mut Index);

    /// Takes what another thread has seen.
    fn merge(&mut self, other: Self);
}

/// What the records of a file of delimited text say.
#[derive(Debug)]
struct Whole {
    dialect: Dialect,
    evidence: Vec<Evidence>,
    rows: u64,
}

impl Whole {
    fn new(dialect: &Dialect, width: usize) -> Self {
        let evidence = vec![Evidence::default(); width];
        Self { dialect: dialect.clone(), evidence, rows: 0 }
    }
}

/// Stops the threads when nobody waits for them any more.
struct Stop(Arc<BlockReader>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Reads all of a text file. Must be called on a tokio runtime.
pub(super) async fn gather<L: Look>(file: &TextFile, new: impl Fn() -> L) -> Result<L> {
    let reader = Arc::new(BlockReader::open(file, Arc::<Progress>::default())?);
    let _stop = Stop(Arc::clone(&reader));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let tasks: Vec<_> = (0..threads)
        .map(|_| {
            let (reader, mut found) = (Arc::clone(&reader), new());
            tokio::task::spawn_blocking(move || {
                let mut index = Index::default();
                while let Some(block) = reader.next(&mut index, || Ok(()))? {
                    found.take(&block, &mut index);
                }
                Ok::<_, EngineError>(found)
            })
        })
        .collect();
    let mut whole = new();
    for task in tasks {
        whole.merge(task.await.map_err(|error| EngineError::internal(error.to_string()))??);
    }
    Ok(whole)
}

impl Look for Whole {
    fn take(&mut self, block: &Block, index: &mut Index) {
        let Self { dialect, evidence, rows } = self;
        let (data, separators) = (&block.data, Separators::of(dialect));
        index.of(block, separators);
        let width = evidence.len();
        let sorted = Sorted::of(block, index, dialect, width);
        *rows += (sorted.places.len() + sorted.rejects.len()) as u64;
        let (mut line, mut seen) = (block.line, 0);
        let lines = sorted.places.iter().map(|place| {
            let start = place.checked_sub(1).map_or(0, |before| index.seps[before as usize] as usize + 1);
            line += separators.count_lines(&data[seen..start]);
            seen = start;
            line
        });
        let lines = lines.collect();
        Records { places: sorted.places, lines }.look(data, index, dialect, evidence);
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        for (column, more) in self.evidence.iter_mut().zip(other.evidence) {
            column.merge(more);
        }
    }
}

/// Decides the types over all rows if a file of this machine was inspected by a sample.
pub(super) async fn complete_if_local(
    inspected: &mut Inspected,
    location: &Location,
    declared: &InputOverride,
) -> Result<()> {
    let exact = inspected.rows.is_some_and(|(_, exact)| exact);
    if location.file.is_none() || exact {
        return Ok(());
    }
    match inspected.format {
        Format::Csv => complete(inspected, location, declared).await,
        Format::Ndjson => {
            let file = inspected.text_file(location, false);
            if json::complete(inspected, &file).await? {
                inspected.declared.clear();
                apply_declared(inspected, declared)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Decides the types of an inspected file of delimited text over all of its rows, and counts them.
async fn complete(inspected: &mut Inspected, location: &Location, declared: &InputOverride) -> Result<()> {
    let file = inspected.text_file(location, false);
    let width = file.schema.fields().len();
    let whole = gather(&file, || Whole::new(&inspected.dialect, width)).await?;
    let decided = names::decide(&whole.evidence, &mut inspected.dialect, declared);
    let fields: Vec<Field> = (file.schema.fields().iter().zip(&decided))
        .map(|(field, decision)| Field::new(field.name(), decision.kind.clone(), true))
        .collect();
    inspected.schema = Arc::new(Schema::new(fields));
    inspected.reasons = decided.iter().map(|decision| decision.reason.clone()).collect();
    inspected.examples = decided.into_iter().map(|decision| decision.examples).collect();
    inspected.rows = Some((whole.rows, true));
    inspected.declared.clear();
    apply_declared(inspected, declared)
}

/// How columns whose types a sample gave may change.
pub(crate) struct Widen<'a, K> {
    /// Those that stay as they are.
    pub(crate) declared: &'a [String],
    /// Whether steps compute with a column: it only becomes a float instead of an integer, or an object with more fields.
    pub(crate) kept: K,
    /// Whether fields that the sample did not have become columns (NDJSON).
    pub(crate) new_fields: bool,
}

/// The columns of a text file with types that all of its values fit, after some did not fit those that a sample gave.
pub(crate) async fn widened(file: &TextFile, widen: &Widen<'_, impl Fn(&str) -> bool>) -> Result<SchemaRef> {
    let dialect = match &file.content {
        Content::Csv(dialect, _) => dialect,
        Content::Ndjson(..) => return json::widened(file, widen).await,
        Content::Lines(..) => return Ok(Arc::clone(&file.schema)),
    };
    let width = file.schema.fields().len();
    let whole = gather(file, || Whole::new(dialect, width)).await?;
    let spelling = Spelling::of(dialect);
    let field = |(field, column): (&Arc<Field>, &Evidence)| {
        let (before, after) = (field.data_type(), column.decide(spelling).kind);
        let number = *before == DataType::Int64 && after == DataType::Float64;
        let text = matches!(before, DataType::Utf8 | DataType::Utf8View);
        let stays = text || widen.declared.contains(field.name()) || ((widen.kept)(field.name()) && !number);
        Field::new(field.name(), if stays { before.clone() } else { after }, true)
    };
    let fields: Vec<Field> = file.schema.fields().iter().zip(&whole.evidence).map(field).collect();
    Ok(Arc::new(Schema::new(fields)))
}
