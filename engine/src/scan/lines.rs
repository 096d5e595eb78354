//! Parses blocks of plain text: one column `line`.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::block::Block;
use super::index::{Index, to_u32};
use super::parse::{BATCH_ROWS, BlockParser, Parsed};
use super::predicate::Predicate;
use super::rejects::Reject;
use super::views::Views;
use crate::error::Result;

/// Parses lines; a `\r` before the `\n` is dropped, empty lines are rows.
#[derive(Debug)]
pub struct LinesParser {
    schema: SchemaRef,
    views: bool,
    predicate: Option<Predicate>,
}

impl LinesParser {
    /// A parser that makes `Utf8View` (`views`) or `Utf8`.
    pub fn new(views: bool) -> Self {
        let kind = if views { DataType::Utf8View } else { DataType::Utf8 };
        Self { schema: Arc::new(Schema::new(vec![Field::new("line", kind, true)])), views, predicate: None }
    }

    /// The same for lines that fulfil conditions.
    #[must_use]
    pub fn with_predicate(mut self, predicate: Predicate) -> Self {
        self.predicate = Some(predicate);
        self
    }

    /// A batch of lines, given by start and end in `data`, which must be UTF-8.
    pub(crate) fn batch(&self, data: &[u8], buffer: &Buffer, lines: &[(u32, u32)]) -> Result<RecordBatch> {
        let text = |(start, end): &(u32, u32)| &data[*start as usize..*end as usize];
        let array: ArrayRef = if self.views {
            let mut views = Views::new(lines.len(), buffer);
            for line in lines {
                views.point(line.0, line.1);
            }
            views.finish()
        } else {
            let mut builder = StringBuilder::with_capacity(lines.len(), data.len());
            for line in lines {
                builder.append_value(String::from_utf8_lossy(text(line)));
            }
            Arc::new(builder.finish())
        };
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), vec![array])?)
    }
}

impl BlockParser for LinesParser {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn parse(&self, block: &Block, _: &mut Index) -> Result<Parsed> {
        let data = &block.data;
        let buffer = Buffer::from(data.clone());
        let mut parsed = Parsed::default();
        let mut lines = ranges(data);
        if std::str::from_utf8(data).is_err() {
            let mut number = block.line;
            lines.retain(|(start, end)| {
                let line = &data[*start as usize..*end as usize];
                let good = std::str::from_utf8(line).is_ok();
                if !good {
                    let (offset, column) = (block.offset + u64::from(*start), Some("line".to_owned()));
                    parsed.rejects.push(Reject::new(number, offset, column, "the text is not UTF-8".to_owned(), line));
                }
                number += 1;
                good
            });
        }
        for lines in lines.chunks(BATCH_ROWS) {
            let mut batch = self.batch(data, &buffer, lines)?;
            if let Some(predicate) = &self.predicate {
                batch = predicate.filter(batch, &[0])?;
                parsed.filtered += (lines.len() - batch.num_rows()) as u64;
            }
            if batch.num_rows() > 0 {
                parsed.batches.push(batch);
            }
        }
        Ok(parsed)
    }
}

/// Start and end of each line.
pub(crate) fn ranges(data: &[u8]) -> Vec<(u32, u32)> {
    let mut lines = Vec::with_capacity(data.len() / 64);
    let mut start = 0;
    let mut push = |start: usize, end: usize| {
        let end = if end > start && data[end - 1] == b'\r' { end - 1 } else { end };
        lines.push((to_u32(start), to_u32(end)));
    };
    for end in memchr::memchr_iter(b'\n', data) {
        push(start, end);
        start = end + 1;
    }
    if start < data.len() {
        push(start, data.len());
    }
    lines
}
