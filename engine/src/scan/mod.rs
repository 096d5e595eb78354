//! Reads text files: CSV of any dialect, NDJSON and plain lines, as Arrow record batches.
//!
//! ```text
//! pieces (parallel reads of local files; else source: ranged reads → decode: compressions, encodings)
//!   → blocks (survey in parallel, chain of exact states → blocks of whole records)
//!   → index (separators outside quotes) → predicate's columns → other columns of the rows that pass
//!   → stream (one in input order, or several that share the blocks)
//! ```
//! Every record that cannot be read becomes a [`Reject`]; nothing is dropped or turned to null.
//! `simd` finds the bytes that matter, `short` reads short numbers eight at a time; `exact` holds the rules of quoting, which the fast ways agree with or fall back to;
//! `odd` reads dialects that those do not know.
//!
//! # Rules for dirt
//! - A line that is wholly empty is no record, except in a file of one column, where it is a null.
//! - Lines before the table (`skipRows`) and lines that begin with the comment mark are no records; quotes mean nothing in
//!   them.
//! - A record with more or fewer fields than the table has columns is rejected.
//! - An unquoted empty field is null, and so are the declared null values; a quoted empty field is the empty text (null
//!   in columns of other types).
//! - A quote opens only at the very start of a field; elsewhere it is a plain character. Text after the closing quote
//!   is kept as it stands.
//! - Spaces around numbers, booleans and dates are ignored; in text they are kept.
//! - A value that does not parse as its column's type rejects the record. In a column whose type was detected (not
//!   declared), a number with leading zeros does not fit either: they would be lost.
//! - Columns that a job does not use are not converted, so their values are not checked. Neither are the other values of a
//!   row that a filter leaves out; filters are checked in their order.
//! - A quote that is never closed rejects the record that it opened in, naming where; a record of more than 64 MiB
//!   fails the job.
//! - Line and byte offset count in the decoded text: after decompression and conversion to UTF-8.

mod block;
mod blocks;
pub mod convert;
mod csv;
mod decode;
mod dialect;
mod exact;
mod fields;
mod index;
pub(crate) mod json;
mod ledger;
mod lines;
mod mark;
pub mod numbers;
mod odd;
mod parse;
mod pieces;
mod predicate;
mod records;
mod rejects;
mod short;
mod simd;
mod source;
pub mod spelling;
mod stream;
mod survey;
mod table;
pub mod temporal;
mod views;

pub use block::Block;
pub use blocks::{BlockReader, MAX_RECORD_BYTES};
pub use csv::CsvParser;
pub use dialect::{Dialect, LineEnding};
pub use fields::{Field, FieldKind, FieldReader, field_bytes, is_null_field};
pub(crate) use fields::{Outcome, field};
pub(crate) use index::to_u32;
pub use index::{Index, Separators};
pub use json::NdjsonParser;
pub use ledger::{BadRows, Ledger, OpenTypes};
pub use lines::LinesParser;
pub use mark::Mark;
pub use odd::Odd;
pub(crate) use parse::BATCH_ROWS;
pub use parse::{BlockParser, Column, Parsed};
pub use predicate::Predicate;
pub(crate) use records::{Sorted, reject};
pub use rejects::{Reject, RejectsWriter};
pub use source::Chunks;
pub use stream::{Content, TextFile, batches, ordered, shared};
pub(crate) use table::{ROWS_FILTERED, TextScan};
pub use table::{TextTable, projected_stream};

pub use decode::decode_all;
pub(crate) use decode::{decode_shared, decode_start};
