//! Keys of many rows at once, made column by column.
//!
//! Row by row, each key waits for its own fields one after the other; column by column, the loads and multiplications of
//! neighbouring rows overlap. What cannot be told at a glance is left to the look-up of single rows.

use super::keys::{SHORT, Table, Words, kept, mix};
use crate::direct::Rows;

/// Rows whose keys are made together: with two fields, they take half of a first-level cache's smallest size.
pub(super) const ROWS: usize = 256;
/// The length of a field that is left to others; no text and no null has it.
const UNTOLD: u64 = u64::MAX - 1;
/// What no byte is.
const NO_BYTE: u64 = 256;

/// Keys of up to [`ROWS`] rows. Memory that is used again and again.
#[derive(Debug)]
pub(super) struct Batch {
    hashes: Vec<u64>,
    /// Of each field, one after the other, the words of all rows.
    words: Vec<[Words; ROWS]>,
}

impl Batch {
    /// For keys of this many fields.
    pub(super) fn new(fields: usize) -> Self {
        Self { hashes: Vec::with_capacity(ROWS), words: vec![[[0; 3]; ROWS]; fields] }
    }

    /// Reads the keys of some rows, [`ROWS`] at most, from their columns.
    pub(super) fn read(&mut self, rows: &Rows<'_>, places: &[u32], columns: &[usize], seed: u64) {
        let data: &[u8] = &rows.block.data;
        // No byte is it, if there is none.
        let quote = rows.layout.separators.quote.map_or(NO_BYTE, u64::from);
        self.hashes.clear();
        self.hashes.resize(places.len(), seed);
        for (column, all) in columns.iter().zip(&mut self.words) {
            let range = rows.ranges(*column);
            for ((place, hash), words) in places.iter().zip(&mut self.hashes).zip(all) {
                let (start, end) = range(*place);
                let length = end - start;
                *words = [0, 0, UNTOLD];
                if let Some(window) = data.get(start..).and_then(<[u8]>::first_chunk)
                    && (1..=SHORT).contains(&length)
                {
                    let known = kept(window, length);
                    if known[0] & 0xFF != quote {
                        *words = known;
                    }
                }
                *hash = mix(*hash, words, seed);
            }
        }
    }

    /// The group of one of the rows, if it is known and could be told at a glance.
    #[inline]
    pub(super) fn find(&self, row: usize, table: &Table) -> Option<u32> {
        table.find_short(self.hashes[row], |known| known.iter().zip(&self.words).all(|(one, all)| *one == all[row]))
    }
}
