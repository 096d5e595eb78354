//! Rows that could not be read or that a step rejected, and the file they go to.

use crate::error::Result;
use crate::sink::{Target, Upload};

/// How much of a rejected row's text is kept.
const MAX_RAW_BYTES: usize = 64 << 10;

/// A rejected row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The line in the decoded text that it starts on, from 1; 0 if it was read well, and a step rejected it.
    pub line: u64,
    /// Offset in the decoded text, from 0; of no meaning without a line.
    pub byte_offset: u64,
    /// The column at fault, if it is one.
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// The row's text without line end (of a row that a step rejected: its values there, as JSON), cut off at 64 KiB;
    /// bytes that are not UTF-8 are shown as `U+FFFD`.
    pub raw: String,
}

impl Reject {
    /// A row that a step rejects: its values, as JSON.
    pub(crate) fn of_values(column: Option<String>, reason: String, values: &[u8]) -> Self {
        Self::new(0, 0, column, reason, values)
    }

    /// A reject of these bytes.
    pub(crate) fn new(line: u64, byte_offset: u64, column: Option<String>, reason: String, raw: &[u8]) -> Self {
        let mut text = raw;
        while let [rest @ .., b'\n' | b'\r'] = text {
            text = rest;
        }
        let cut = &text[..text.len().min(MAX_RAW_BYTES)];
        let mut raw = String::from_utf8_lossy(cut).into_owned();
        if cut.len() < text.len() {
            raw.push('…');
        }
        Self { line, byte_offset, column, reason, raw }
    }
}

/// Writes rejects as CSV; the file comes into being with the first one.
#[derive(Debug)]
pub struct RejectsWriter {
    target: Target,
    upload: Option<Upload>,
    buffer: Vec<u8>,
    rows: u64,
}

impl RejectsWriter {
    /// Writes to `target` if there is anything to write.
    pub fn new(target: Target) -> Self {
        Self { target, upload: None, buffer: Vec::new(), rows: 0 }
    }

    /// Adds rows.
    pub async fn write(&mut self, rejects: &[Reject]) -> Result<()> {
        if self.upload.is_none() {
            self.upload = Some(self.target.create()?);
            self.buffer.extend_from_slice(b"line,byte_offset,column,reason,raw\n");
        }
        for reject in rejects {
            if reject.line > 0 {
                self.buffer.extend_from_slice(format!("{},{},", reject.line, reject.byte_offset).as_bytes());
            } else {
                self.buffer.extend_from_slice(b",,");
            }
            for (text, end) in
                [(reject.column.as_deref().unwrap_or(""), b','), (&reject.reason, b','), (&reject.raw, b'\n')]
            {
                write_quoted(&mut self.buffer, text);
                self.buffer.push(end);
            }
        }
        self.rows += rejects.len() as u64;
        if let Some(upload) = &mut self.upload {
            upload.write(&mut self.buffer).await?;
        }
        Ok(())
    }

    /// Ends the file, to be published; `None` if there were no rejects.
    pub async fn finish(self) -> Result<Option<(Upload, u64)>> {
        let Some(mut upload) = self.upload else { return Ok(None) };
        upload.finish().await?;
        Ok(Some((upload, self.rows)))
    }

    /// Throws away what was written.
    pub async fn abort(self) {
        if let Some(upload) = self.upload {
            upload.abort().await;
        }
    }
}

fn write_quoted(buffer: &mut Vec<u8>, text: &str) {
    if text.is_empty() {
        return;
    }
    buffer.push(b'"');
    for piece in text.as_bytes().split_inclusive(|byte| *byte == b'"') {
        buffer.extend_from_slice(piece);
        if piece.ends_with(b"\"") {
            buffer.push(b'"');
        }
    }
    buffer.push(b'"');
}
