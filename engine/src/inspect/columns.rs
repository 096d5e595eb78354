//! Looks at the fields of delimited records column by column: a column whose type is settled is only counted.

use super::infer::Evidence;
use crate::scan::{Dialect, Index, Separators, field, field_bytes, is_null_field};

/// Records whose columns are looked at one after the other: few enough to stay in the processor's cache.
const AT_ONCE: usize = 128;

/// Good records of a text: for each the place in the index of its first field's end, and the line that it starts on.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) places: Vec<u32>,
    pub(super) lines: Vec<u64>,
}

impl Records {
    /// Adds what the records say about the types of all columns.
    pub(super) fn look(&self, data: &[u8], index: &Index, dialect: &Dialect, evidence: &mut [Evidence]) {
        for (places, lines) in self.places.chunks(AT_ONCE).zip(self.lines.chunks(AT_ONCE)) {
            look(places, lines, data, index, dialect, evidence);
        }
    }
}

fn look(places: &[u32], lines: &[u64], data: &[u8], index: &Index, dialect: &Dialect, evidence: &mut [Evidence]) {
    let separators = Separators::of(dialect);
    let width = evidence.len();
    for (number, column) in evidence.iter_mut().enumerate() {
        let before = if number == 0 { 1 } else { separators.width() };
        let last = number + 1 == width;
        // Whether a field that is not quoted stands there as it is meant.
        let plain =
            dialect.null_values.is_empty() && !last && (separators.quote.is_some() || separators.escape.is_none());
        for (place, line) in places.iter().zip(lines) {
            let at = *place as usize + number;
            let start = at.checked_sub(1).map_or(0, |at| index.seps[at] + before);
            let end = index.seps[at];
            let raw = &data[start as usize..end as usize];
            if plain && raw.first().is_none_or(|first| Some(*first) != separators.quote) {
                if raw.is_empty() {
                    column.add_null();
                } else {
                    column.add(raw, *line);
                }
                continue;
            }
            let field = field(data, separators, start, end, last);
            if is_null_field(data, field, dialect) {
                column.add_null();
                continue;
            }
            let text = field_bytes(data, field, dialect);
            if text.is_empty() {
                column.add_null();
            } else {
                column.add(&text, *line);
            }
        }
    }
}
