//! Columns of texts and of bytes.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use parquet::basic::Encoding;

use super::bits::Hybrid;
use super::delta::Delta;
use super::message::Body;
use super::pages::{Pages, Values, read_length};
use super::{Halt, Read};

/// Short texts are copied in pieces of this many bytes, and so many at most.
const PIECE: usize = 16;
const PIECES: usize = 4;
/// Rows that are looked at together.
const STEP: usize = 4096;
/// Bytes of a length in plain encoding.
const LENGTH: usize = 4;

/// Texts, or bytes.
pub struct Texts {
    utf8: bool,
    dictionary: Dictionary,
    page: Page,
    /// Of values that were read and not written: the lengths, and where their bytes are.
    lengths: Vec<u32>,
    held: u64,
    parts: VecDeque<(usize, Part)>,
    /// The numbers in the dictionary of those that are there.
    indices: Vec<u32>,
}

/// The distinct texts, one after the other, with room for a whole piece behind the last one.
#[derive(Default)]
struct Dictionary {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

enum Page {
    None,
    Dictionary(Hybrid),
    /// Lengths, and the texts one after the other.
    Lengths(Delta, Bytes),
    /// Each text behind its length.
    Plain(Bytes),
}

/// Where texts are.
enum Part {
    Dictionary,
    Together(Bytes),
    Plain(Bytes),
}

impl Texts {
    /// A column without rows; `utf8` for texts.
    pub fn new(utf8: bool) -> Self {
        Self {
            utf8,
            dictionary: Dictionary::default(),
            page: Page::None,
            lengths: Vec::new(),
            held: 0,
            parts: VecDeque::new(),
            indices: Vec::new(),
        }
    }

    /// Looks at rows, where their texts are and how long, until so many are known that are not written, or more than a body
    /// takes: no more pages than that are held. How many of the rows are known.
    pub fn prepare(&mut self, pages: &mut Pages, rows: usize, target: u64) -> Read<usize> {
        while pages.rows() < rows && self.held <= target {
            pages.read(self, STEP.min(rows - pages.rows()), Self::take)?;
        }
        Ok(rows.min(pages.rows()))
    }

    /// The bytes of the first rows that are known, with what says where each text ends.
    pub fn size(&self, pages: &Pages, rows: usize) -> u64 {
        let texts = &self.lengths[..pages.count_valid(rows)];
        texts.iter().map(|length| u64::from(*length)).sum::<u64>() + rows as u64 * 4
    }

    /// Writes the first rows that are known into a message; how many are null.
    pub fn write(&mut self, pages: &mut Pages, rows: usize, body: &mut Body) -> Read<usize> {
        let levels = body.levels(pages.has_levels(), rows);
        let valid = pages.take_valid(rows);
        let count = valid.count_set_bits();
        let lengths = &self.lengths[..count];
        let total = lengths.iter().map(|length| u64::from(*length)).sum::<u64>();
        let total = i32::try_from(total).ok().and_then(|total| usize::try_from(total).ok()).ok_or(Halt::NotOurs)?;

        let (places, _) = body.room((rows + 1) * 4).as_chunks_mut::<4>();
        let (mut end, mut lengths) = (0_u32, lengths.iter());
        places[0] = [0; 4];
        if count == rows {
            for (place, length) in places[1..].iter_mut().zip(lengths) {
                end += length;
                *place = end.to_le_bytes();
            }
        } else {
            for (place, valid) in places[1..].iter_mut().zip(&valid) {
                end += if valid { lengths.next().copied().unwrap_or_default() } else { 0 };
                *place = end.to_le_bytes();
            }
        }
        body.end((rows + 1) * 4);

        let checked = self.copy(count, total, body.room(total + PIECE))?;
        if self.utf8 && !checked {
            check_texts(&body.room(total)[..total], &self.lengths[..count])?;
        }
        body.end(total);
        self.lengths.drain(..count);
        self.held -= total as u64;
        body.column(rows, rows - count, levels, &valid);
        Ok(rows - count)
    }

    /// Copies the first texts, of so many bytes; whether they are known to be UTF-8.
    fn copy(&mut self, mut count: usize, total: usize, out: &mut [u8]) -> Read<bool> {
        let (mut at, mut taken, mut indices, mut checked) = (0, 0, 0, true);
        while count > 0 {
            let (held, part) = self.parts.front_mut().ok_or(Halt::NotOurs)?;
            let now = count.min(*held);
            let lengths = &self.lengths[taken..taken + now];
            match part {
                Part::Dictionary => {
                    at = self.dictionary.copy(&self.indices[indices..indices + now], out, at)?;
                    indices += now;
                }
                Part::Together(bytes) => {
                    let length = lengths.iter().map(|length| *length as usize).sum();
                    out[at..at + length].copy_from_slice(&bytes.split_to(length));
                    at += length;
                    checked = false;
                }
                Part::Plain(bytes) => {
                    let mut from = 0;
                    for length in lengths.iter().map(|length| *length as usize) {
                        from += LENGTH;
                        copy(&bytes[from..], &mut out[at..], length);
                        from += length;
                        at += length;
                    }
                    bytes.advance(from);
                    checked = false;
                }
            }
            *held -= now;
            if *held == 0 {
                self.parts.pop_front();
            }
            count -= now;
            taken += now;
        }
        self.indices.drain(..indices);
        debug_assert_eq!(at, total);
        Ok(checked)
    }

    fn take(&mut self, count: usize) -> Read<()> {
        let part = match &mut self.page {
            Page::None => return Err(Halt::NotOurs),
            Page::Dictionary(indices) => {
                let before = self.indices.len();
                self.indices.resize(before + count, 0);
                indices.take(&mut self.indices[before..])?;
                let dictionary = &self.dictionary;
                self.lengths.reserve(count);
                for index in &self.indices[before..] {
                    let (start, end) = dictionary.ends(*index)?;
                    self.lengths.push(end - start);
                    self.held += u64::from(end - start);
                }
                if let Some((held, Part::Dictionary)) = self.parts.back_mut() {
                    *held += count;
                    return Ok(());
                }
                Part::Dictionary
            }
            Page::Lengths(lengths, texts) => {
                let (known, mut negative) = (&mut self.lengths, 0);
                let before = known.len();
                lengths.take(count, |lengths| {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked below")]
                    known.extend(lengths.iter().map(|length| *length as u32));
                    negative |= lengths.iter().fold(0, |all, length| all | length >> 31);
                })?;
                let total = known[before..].iter().map(|length| u64::from(*length)).sum::<u64>();
                if negative != 0 || total > texts.len() as u64 {
                    return Err(Halt::NotOurs);
                }
                self.held += total;
                Part::Together(texts.split_to(usize::try_from(total).unwrap_or(usize::MAX)))
            }
            Page::Plain(bytes) => {
                let mut rest = &bytes[..];
                self.lengths.reserve(count);
                for _ in 0..count {
                    let (length, texts) = rest.split_first_chunk::<LENGTH>().ok_or(Halt::NotOurs)?;
                    let length = u32::from_le_bytes(*length);
                    rest = texts.get(length as usize..).ok_or(Halt::NotOurs)?;
                    self.lengths.push(length);
                }
                let taken = bytes.len() - rest.len();
                self.held += (taken - count * LENGTH) as u64;
                Part::Plain(bytes.split_to(taken))
            }
        };
        self.parts.push_back((count, part));
        Ok(())
    }
}

impl Values for Texts {
    fn dictionary(&mut self, bytes: Bytes, count: usize) -> Read<()> {
        // Texts that are not written yet would be looked up in the wrong one.
        if !self.dictionary.starts.is_empty() {
            return Err(Halt::NotOurs);
        }
        self.dictionary = Dictionary::new(&bytes, count, self.utf8)?;
        Ok(())
    }

    fn page(&mut self, mut bytes: Bytes, encoding: Encoding) -> Read<()> {
        self.page = match encoding {
            Encoding::PLAIN => Page::Plain(bytes),
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => Page::Dictionary(Hybrid::indices(bytes)?),
            Encoding::DELTA_LENGTH_BYTE_ARRAY => {
                let lengths = Delta::new(bytes.clone())?;
                let end = lengths.end()?;
                if end > bytes.len() {
                    return Err(Halt::NotOurs);
                }
                Page::Lengths(lengths, bytes.split_off(end))
            }
            _ => return Err(Halt::NotOurs),
        };
        Ok(())
    }
}

impl Dictionary {
    /// From texts in plain encoding.
    fn new(mut plain: &[u8], count: usize, utf8: bool) -> Read<Self> {
        // Each has at least its length: what a page claims is not believed.
        if count > plain.len() / 4 {
            return Err(Halt::NotOurs);
        }
        let (mut bytes, mut starts) = (Vec::with_capacity(plain.len()), Vec::with_capacity(count + 1));
        let mut end = 0;
        starts.push(end);
        for _ in 0..count {
            let length = read_length(&mut plain)?;
            let (text, rest) = plain.split_at(length);
            plain = rest;
            if utf8 && std::str::from_utf8(text).is_err() {
                return Err(Halt::NotOurs);
            }
            bytes.extend_from_slice(text);
            end += u32::try_from(length).map_err(|_| Halt::NotOurs)?;
            starts.push(end);
        }
        bytes.extend_from_slice(&[0; PIECE]);
        Ok(Self { bytes, starts })
    }

    fn ends(&self, index: u32) -> Read<(u32, u32)> {
        match self.starts.get(index as usize..).and_then(|starts| starts.first_chunk::<2>()) {
            Some([start, end]) => Ok((*start, *end)),
            None => Err(Halt::NotOurs),
        }
    }

    /// Copies texts to a place; where they end. Behind that there must be room for a piece.
    fn copy(&self, indices: &[u32], out: &mut [u8], mut at: usize) -> Read<usize> {
        for index in indices {
            let (start, end) = self.ends(*index)?;
            let (start, length) = (start as usize, (end - start) as usize);
            copy(&self.bytes[start..], &mut out[at..], length);
            at += length;
        }
        Ok(at)
    }
}

/// Copies a text, a short one in whole pieces, with some bytes of what follows it: a length that is known beforehand makes
/// a copy two instructions. What comes next is written over them.
fn copy(from: &[u8], to: &mut [u8], length: usize) {
    let pieces = length.div_ceil(PIECE);
    let (sources, _) = from.as_chunks::<PIECE>();
    let (places, _) = to.as_chunks_mut::<PIECE>();
    match (sources.get(..pieces), places.get_mut(..pieces)) {
        (Some(sources), Some(places)) if pieces <= PIECES => {
            for (place, source) in places.iter_mut().zip(sources) {
                *place = *source;
            }
        }
        _ => to[..length].copy_from_slice(&from[..length]),
    }
}

/// Whether each of these texts is UTF-8.
fn check_texts(texts: &[u8], lengths: &[u32]) -> Read<()> {
    if texts.is_ascii() {
        return Ok(());
    }
    let texts = std::str::from_utf8(texts).map_err(|_| Halt::NotOurs)?;
    let mut end = 0;
    for length in lengths {
        end += *length as usize;
        if !texts.is_char_boundary(end) {
            return Err(Halt::NotOurs);
        }
    }
    Ok(())
}
