//! The threads that read a text file, and the streams of batches that come of it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use futures::stream::{BoxStream, StreamExt};
use karyaksham_spec::{Compression, Encoding};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::blocks::BlockReader;
use super::index::{Index, Separators};
use super::predicate::Predicate;
use super::{BlockParser, Column, CsvParser, Dialect, Ledger, LinesParser, NdjsonParser, Parsed};
use crate::cancel::cancelled;
use crate::error::{EngineError, Result};
use crate::guard::caught;
use crate::store::Location;

/// Parsed blocks that wait for one reader, beside those being parsed.
const BLOCKS_AHEAD: usize = 2;

/// A text file and how to read it.
#[derive(Debug, Clone)]
pub struct TextFile {
    /// Where it is.
    pub location: Location,
    /// Its stored size in bytes.
    pub size: u64,
    /// What it holds.
    pub content: Content,
    /// All its columns; types of text columns are `Utf8` or `Utf8View`.
    pub schema: SchemaRef,
}

/// What a text file holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// Delimited text; the names of columns whose types the user declared.
    Csv(Dialect, Vec<String>),
    /// One JSON object a line.
    Ndjson(Compression, Encoding),
    /// Plain lines.
    Lines(Compression, Encoding),
}

impl TextFile {
    /// The parser to the columns of a projection, of the rows that fulfil a predicate.
    pub fn parser(&self, projection: Option<&[usize]>, predicate: Option<Predicate>) -> Result<Arc<dyn BlockParser>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let places = projection.unwrap_or(&all);
        Ok(match &self.content {
            Content::Csv(dialect, declared) => {
                let column = |index: &usize| {
                    let field = self.schema.field(*index);
                    Column {
                        name: field.name().clone(),
                        kind: field.data_type().clone(),
                        index: *index,
                        declared: declared.contains(field.name()),
                    }
                };
                let parser = CsvParser::new(dialect.clone(), all.len(), places.iter().map(column).collect());
                match predicate {
                    Some(predicate) => {
                        let checked = predicate.columns().iter().map(column).collect();
                        Arc::new(parser.with_predicate(predicate, checked))
                    }
                    None => Arc::new(parser),
                }
            }
            Content::Ndjson(..) => {
                Arc::new(NdjsonParser::new(&self.schema, places, predicate, places.len() == all.len())?)
            }
            Content::Lines(..) => {
                let parser = LinesParser::new(self.schema.field(0).data_type() == &DataType::Utf8View);
                match predicate {
                    Some(predicate) => Arc::new(parser.with_predicate(predicate)),
                    None => Arc::new(parser),
                }
            }
        })
    }

    /// The dialect of delimited text.
    pub(super) fn csv_dialect(&self) -> Option<&Dialect> {
        match &self.content {
            Content::Csv(dialect, _) => Some(dialect),
            Content::Ndjson(..) | Content::Lines(..) => None,
        }
    }

    pub(super) fn separators(&self) -> Separators {
        match &self.content {
            Content::Csv(dialect, _) => Separators::of(dialect),
            Content::Ndjson(..) | Content::Lines(..) => Separators::lines(),
        }
    }

    pub(super) fn stored_as(&self) -> (Compression, Encoding) {
        match &self.content {
            Content::Csv(dialect, _) => (dialect.compression, dialect.encoding),
            Content::Ndjson(compression, encoding) | Content::Lines(compression, encoding) => (*compression, *encoding),
        }
    }
}

/// Reads a text file in input order, parsing on `threads` threads. Must be called on a tokio runtime; reading stops when
/// the stream is dropped.
///
/// Rows are booked in `ledger`, and bad ones rejected as it says.
pub fn ordered(
    file: &TextFile,
    parser: &Arc<dyn BlockParser>,
    ledger: Arc<Ledger>,
    threads: usize,
) -> Result<BoxStream<'static, Result<Parsed>>> {
    let reader = Arc::new(BlockReader::open(file, Arc::clone(ledger.progress()))?);
    let (queue, slots) = mpsc::channel::<oneshot::Receiver<Result<Parsed>>>(BLOCKS_AHEAD);
    for _ in 0..threads.max(1) {
        let (reader, parser, queue) = (Arc::clone(&reader), Arc::clone(parser), queue.clone());
        Handle::current().spawn_blocking(move || {
            let mut index = Index::default();
            loop {
                let mut slot = None;
                // The slots stand in the queue in the order of blocks. If nobody listens any more, reading ends.
                let mut announce = || {
                    let (filled, waiting) = oneshot::channel();
                    slot = Some(filled);
                    queue.blocking_send(waiting).map_err(|_| cancelled())
                };
                let block = match unpanicked(|| reader.next(&mut index, &mut announce)) {
                    Ok(Some(block)) => block,
                    Ok(None) => return,
                    Err(error) => {
                        reader.stop();
                        let _ = announce();
                        let _ = slot.map(|slot| slot.send(Err(error)));
                        return;
                    }
                };
                let parsed = unpanicked(|| parser.parse(&block, &mut index));
                drop(block);
                let failed = parsed.is_err();
                let gone = slot.is_none_or(|slot| slot.send(parsed).is_err());
                if failed || gone {
                    return reader.stop();
                }
            }
        });
    }
    drop(queue);
    let parsed = futures::stream::try_unfold((slots, ledger), |(mut slots, ledger)| async move {
        let Some(slot) = slots.recv().await else { return Ok(None) };
        let parsed = slot.await.map_err(|_| EngineError::internal("a thread that parses ended early"))??;
        Ok::<_, EngineError>(Some((book(parsed, &ledger).await?, (slots, ledger))))
    });
    Ok(parsed.boxed())
}

/// Reads what other streams of the same reader do not, on a thread of its own: together they give all rows, in any order.
pub fn shared(
    reader: Arc<BlockReader>,
    parser: Arc<dyn BlockParser>,
    ledger: Arc<Ledger>,
) -> BoxStream<'static, Result<Parsed>> {
    let (sender, receiver) = mpsc::channel::<Result<Parsed>>(BLOCKS_AHEAD);
    Handle::current().spawn_blocking(move || {
        let mut index = Index::default();
        // Who listens to this stream no more needs none of its rows; the other streams read on.
        while !sender.is_closed() {
            let parsed = match unpanicked(|| reader.next(&mut index, || Ok(()))) {
                Ok(Some(block)) => unpanicked(|| parser.parse(&block, &mut index)),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            if parsed.is_err() {
                reader.stop();
            }
            if sender.blocking_send(parsed).is_err() {
                return;
            }
        }
    });
    futures::stream::try_unfold((receiver, ledger), |(mut receiver, ledger)| async move {
        let Some(parsed) = receiver.recv().await else { return Ok(None) };
        Ok::<_, EngineError>(Some((book(parsed?, &ledger).await?, (receiver, ledger))))
    })
    .boxed()
}

/// Does work; a panic is an error too. Without a word, a thread that ends would look like the end of the rows.
fn unpanicked<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(work).unwrap_or_else(|panic| Err(EngineError::internal(format!("a panic: {panic}"))))
}

async fn book(mut parsed: Parsed, ledger: &Ledger) -> Result<Parsed> {
    ledger.book(parsed.good(), std::mem::take(&mut parsed.rejects)).await?;
    Ok(parsed)
}

/// The batches of parsed blocks.
pub fn batches(parsed: BoxStream<'static, Result<Parsed>>) -> BoxStream<'static, Result<RecordBatch>> {
    parsed
        .flat_map(|parsed| {
            futures::stream::iter(match parsed {
                Ok(parsed) => parsed.batches.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            })
        })
        .boxed()
}
