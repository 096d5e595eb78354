//! What the lines of a sample say, looked at by all threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::{Fields, MIDDLE, Place};
use crate::inspect::sample::Decoded;
use crate::scan::json::walk::line;
use crate::threads::on_all;

/// What a thread looks at in one go.
const PART_BYTES: usize = 256 << 10;

/// A part of a sample that a thread looks at: whole lines.
struct Part<'a> {
    text: &'a [u8],
    /// The number of its first line; from [`MIDDLE`] on, if that is not known.
    line: u64,
}

/// What the lines of a sample say.
#[derive(Default)]
pub(super) struct Sampled {
    pub(super) columns: Fields,
    /// Lines of the file's beginning that are not blank.
    pub(super) rows: u64,
    /// Those of them that are no objects.
    pub(super) bad: u64,
}

impl Sampled {
    fn take(&mut self, part: &Part<'_>) {
        let (mut at, mut number) = (0, part.line);
        let mut room = usize::MAX;
        while at < part.text.len() {
            let (object, end) = line(part.text, at);
            if !part.text[at..end].trim_ascii().is_empty() {
                if number < MIDDLE {
                    self.rows += 1;
                    self.bad += u64::from(object.is_err());
                }
                if let Ok(object) = object {
                    self.columns.add(&mut Place { data: part.text, line: number, room: &mut room }, object);
                }
            }
            (at, number) = (end + 1, number + 1);
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.columns.merge(other.columns);
        self.rows += other.rows;
        self.bad += other.bad;
        self
    }
}

/// A sample, the file's beginning in parts of about this size; in order.
fn parts<'a>(head: &'a [u8], pieces: &'a [Bytes], size: usize) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    let (mut rest, mut number) = (head, 1);
    while !rest.is_empty() {
        let ahead = rest.get(size..).and_then(|ahead| memchr::memchr(b'\n', ahead));
        let (text, behind) = rest.split_at(ahead.map_or(rest.len(), |end| size + end + 1));
        parts.push(Part { text, line: number });
        number += memchr::memchr_iter(b'\n', text).count() as u64;
        rest = behind;
    }
    parts.extend(pieces.iter().zip(1..).map(|(text, piece)| Part { text, line: MIDDLE + (piece << 32) }));
    parts
}

/// What a sample says.
pub(super) fn look(decoded: &Decoded) -> Sampled {
    sampled(&parts(&decoded.head, &decoded.pieces, PART_BYTES))
}

/// What all parts say, looked at by all threads.
fn sampled(parts: &[Part<'_>]) -> Sampled {
    let next = AtomicUsize::new(0);
    let found = on_all(parts.len(), || {
        let mut all = Sampled::default();
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            all.take(part);
        }
        all
    });
    found.into_iter().reduce(Sampled::merge).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_says_the_same_however_it_is_cut() {
        let head: String = (0..500)
            .map(|row| match row % 50 {
                7 => "\n".to_owned(),
                8 => "no object\n".to_owned(),
                9 => format!("{{\"z{row}\": {{\"b\": 1, \"a\": null}}, \"n\": 1.5}}\n"),
                _ => format!("{{\"n\": {row}, \"o\": {{\"x{}\": [true]}}, \"t\": \"a\"}}\n", row / 200),
            })
            .collect();
        let pieces =
            ["{\"late\": 1}\n{\"early\": 2, \"n\": \"text\"}\n", "{\"n\": 1, \"last\": null}\n"].map(Bytes::from);
        let said = |size: usize| {
            let Sampled { columns, rows, bad } = sampled(&parts(head.as_bytes(), &pieces, size));
            (columns.types(), columns.reasons("in the sample"), rows, bad)
        };
        let whole = said(usize::MAX);
        let names: Vec<&str> = whole.0.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names[..5], ["n", "o", "t", "z9", "z59"]);
        assert_eq!(names[names.len() - 3..], ["late", "early", "last"]);
        assert_eq!((whole.2, whole.3), (490, 10));
        assert_eq!(whole.1[0], "text, as JSON: whole numbers, e.g. `0` (line 1), and numbers, e.g. `1.5` (line 10)");
        for size in [0, 1, 10, 100, 1000, 5000] {
            assert_eq!(said(size), whole, "parts of {size} bytes");
        }
    }
}
