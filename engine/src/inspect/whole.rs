//! Types decided over a whole file: all of its records are looked at, on all threads.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use karyaksham_spec::{Format, InputOverride};

use super::infer::{Evidence, apply_declared};
use super::{Inspected, names};
use crate::error::{EngineError, Result};
use crate::progress::Progress;
use crate::scan::spelling::Spelling;
use crate::scan::{
    Block, BlockReader, Content, Dialect, Index, Separators, Sorted, TextFile, field, field_bytes, is_null_field,
};
use crate::store::Location;

/// What the records of a file say.
#[derive(Debug, Default)]
struct Whole {
    evidence: Vec<Evidence>,
    rows: u64,
}

/// Stops the threads when nobody waits for them any more.
struct Stop(Arc<BlockReader>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Reads all of a file of delimited text. Must be called on a tokio runtime.
async fn gather(file: &TextFile, dialect: &Dialect) -> Result<Whole> {
    let reader = Arc::new(BlockReader::open(file, Arc::<Progress>::default())?);
    let _stop = Stop(Arc::clone(&reader));
    let width = file.schema.fields().len();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let tasks: Vec<_> = (0..threads)
        .map(|_| {
            let (reader, dialect) = (Arc::clone(&reader), dialect.clone());
            tokio::task::spawn_blocking(move || {
                let mut found = Whole { evidence: vec![Evidence::default(); width], rows: 0 };
                let mut index = Index::default();
                while let Some(block) = reader.next(|| Ok(()))? {
                    take(&mut found, &block, &mut index, &dialect);
                }
                Ok::<_, EngineError>(found)
            })
        })
        .collect();
    let mut whole = Whole { evidence: vec![Evidence::default(); width], rows: 0 };
    for task in tasks {
        let found = task.await.map_err(|error| EngineError::internal(error.to_string()))??;
        whole.rows += found.rows;
        for (column, more) in whole.evidence.iter_mut().zip(found.evidence) {
            column.merge(more);
        }
    }
    Ok(whole)
}

/// Looks at the values of one block.
fn take(found: &mut Whole, block: &Block, index: &mut Index, dialect: &Dialect) {
    let (data, separators) = (&block.data, Separators::of(dialect));
    index.build(data, separators);
    let width = found.evidence.len();
    let sorted = Sorted::of(block, index, dialect, width);
    found.rows += (sorted.places.len() + sorted.rejects.len()) as u64;
    let (mut line, mut seen) = (block.line, 0);
    for place in sorted.places {
        let mut start = place.checked_sub(1).map_or(0, |before| index.seps[before as usize] + 1);
        line += separators.count_lines(&data[seen..start as usize]);
        seen = start as usize;
        for (number, column) in found.evidence.iter_mut().enumerate() {
            let end = index.seps[place as usize + number];
            let field = field(data, separators, start, end, number + 1 == width);
            start = end + separators.width();
            if is_null_field(data, field, dialect) {
                column.add_null();
                continue;
            }
            let text = field_bytes(data, field, dialect);
            if text.is_empty() {
                column.add_null();
            } else {
                column.add(&text, line);
            }
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
    if location.file.is_some() && inspected.format == Format::Csv && !exact {
        complete(inspected, location, declared).await?;
    }
    Ok(())
}

/// Decides the types of an inspected file of delimited text over all of its rows, and counts them.
async fn complete(inspected: &mut Inspected, location: &Location, declared: &InputOverride) -> Result<()> {
    let file = inspected.text_file(location, false);
    let whole = gather(&file, &inspected.dialect).await?;
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

/// The columns of a file of delimited text with types that all of its values fit, after some did not fit those that a
/// sample gave. Those that are `kept` only become floats instead of integers.
pub(crate) async fn widened(file: &TextFile, kept: impl Fn(&str) -> bool) -> Result<SchemaRef> {
    let Content::Csv(dialect, declared) = &file.content else { return Ok(Arc::clone(&file.schema)) };
    let whole = gather(file, dialect).await?;
    let spelling = Spelling::of(dialect);
    let field = |(field, column): (&Arc<Field>, &Evidence)| {
        let (before, after) = (field.data_type(), column.decide(spelling).kind);
        let number = *before == DataType::Int64 && after == DataType::Float64;
        let text = matches!(before, DataType::Utf8 | DataType::Utf8View);
        let stays = text || declared.contains(field.name()) || (kept(field.name()) && !number);
        Field::new(field.name(), if stays { before.clone() } else { after }, true)
    };
    let fields: Vec<Field> = file.schema.fields().iter().zip(&whole.evidence).map(field).collect();
    Ok(Arc::new(Schema::new(fields)))
}
