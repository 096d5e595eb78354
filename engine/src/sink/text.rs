//! NDJSON, plain lines, and compression of text.

use std::io::Write;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use karyaksham_spec::{Output, OutputCompression};

use super::ordered::{Encoded, Rows, Stream};
use crate::error::Result;

/// One JSON object a line; nulls are written out, so that the first lines show all columns.
pub(super) struct Ndjson;

impl Rows for Ndjson {
    fn encode(&self, batch: &RecordBatch) -> Result<Encoded> {
        let mut out = Vec::new();
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut out);
        writer.write(batch)?;
        writer.finish()?;
        Ok(Encoded::Text(out))
    }
}

/// The text of the one column; null is an empty line.
pub(super) struct Lines;

impl Rows for Lines {
    fn encode(&self, batch: &RecordBatch) -> Result<Encoded> {
        let array = batch.column(0).as_ref();
        let mut out = Vec::new();
        match array.data_type() {
            DataType::Utf8View => push_lines(array.as_string_view().iter(), &mut out),
            DataType::Utf8 => push_lines(array.as_string::<i32>().iter(), &mut out),
            _ => {
                let options = FormatOptions::default();
                let cells = ArrayFormatter::try_new(array, &options)?;
                for row in 0..array.len() {
                    writeln!(out, "{}", cells.value(row))?;
                }
            }
        }
        Ok(Encoded::Text(out))
    }
}

fn push_lines<'a>(lines: impl Iterator<Item = Option<&'a str>>, out: &mut Vec<u8>) {
    for line in lines {
        out.extend_from_slice(line.unwrap_or_default().as_bytes());
        out.push(b'\n');
    }
}

/// Text as it is, or compressed as the output says.
pub(super) fn stream(output: &Output) -> Result<Box<dyn Stream>> {
    Ok(match output.compression {
        Some(OutputCompression::Gzip) => {
            let level = output.level.and_then(|level| u32::try_from(level).ok()).unwrap_or(6);
            Box::new(Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level))))
        }
        Some(OutputCompression::Zstd) => {
            Box::new(Zstd(zstd::stream::write::Encoder::new(Vec::new(), output.level.unwrap_or(1))?))
        }
        _ => Box::new(Plain),
    })
}

fn text(next: Encoded) -> Result<Vec<u8>> {
    match next {
        Encoded::Text(text) => Ok(text),
        Encoded::Batch(_) => Err(crate::error::EngineError::internal("rows where text was expected")),
    }
}

struct Plain;

impl Stream for Plain {
    fn append(&mut self, next: Encoded, out: &mut Vec<u8>) -> Result<()> {
        let mut text = text(next)?;
        if out.is_empty() {
            *out = text;
        } else {
            out.append(&mut text);
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

struct Gzip(flate2::write::GzEncoder<Vec<u8>>);

impl Stream for Gzip {
    fn append(&mut self, next: Encoded, out: &mut Vec<u8>) -> Result<()> {
        self.0.write_all(&text(next)?)?;
        out.append(self.0.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.0.try_finish()?;
        out.append(self.0.get_mut());
        Ok(())
    }
}

struct Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>);

impl Stream for Zstd {
    fn append(&mut self, next: Encoded, out: &mut Vec<u8>) -> Result<()> {
        self.0.write_all(&text(next)?)?;
        out.append(self.0.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.0.do_finish()?;
        out.append(self.0.get_mut());
        Ok(())
    }
}
