//! Finds the separators of a block of whole records: those outside quotes.

#![expect(unsafe_code, reason = "positions are written past the vectors' lengths, into reserved room")]
#![expect(clippy::inline_always, reason = "see `simd`")]

use super::block::Block;
use super::dialect::{Dialect, LineEnding};
use super::exact::{self, State};
use super::odd::{self, Odd};
use super::simd::{self, GROUP, Lanes, Masks, STEP, Visitor, prefix_xor};
use super::survey::{Survey, Surveyor};

/// The bytes that matter to a reader of delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// Between fields.
    pub delimiter: u8,
    /// After records.
    pub terminator: u8,
    /// Around fields.
    pub quote: Option<u8>,
    /// Inside quotes, before a byte that is meant as it stands; a doubled quote is no escape in this sense.
    pub escape: Option<u8>,
    /// What else there is that the vector code does not know.
    pub odd: Option<Odd>,
}

impl Separators {
    /// Those of a dialect.
    pub fn of(dialect: &Dialect) -> Self {
        let escape = dialect.escape.filter(|escape| Some(*escape) != dialect.quote);
        let mixed = dialect.line_ending == LineEnding::Mixed;
        let bare_escape = escape.is_some() && dialect.quote.is_none();
        let odd = dialect.delimiter.single().is_none() || dialect.comment.is_some() || mixed || bare_escape;
        Self {
            delimiter: dialect.delimiter.first(),
            terminator: dialect.terminator(),
            quote: dialect.quote,
            escape,
            odd: odd.then_some(Odd { delimiter: dialect.delimiter, comment: dialect.comment, mixed }),
        }
    }

    /// How many bytes a delimiter has.
    #[inline]
    pub(crate) fn width(&self) -> u32 {
        self.odd.map_or(1, |odd| u32::from(odd.delimiter.width()))
    }

    /// Whether a record that starts here is none but a comment.
    pub(super) fn is_comment(&self, record: &[u8]) -> bool {
        self.odd.and_then(|odd| odd.comment).is_some_and(|comment| record.starts_with(comment.as_bytes()))
    }

    /// How many lines end in a text that is not cut between a carriage return and a line feed.
    pub(crate) fn count_lines(&self, text: &[u8]) -> u64 {
        let mut lines = memchr::memchr_iter(self.terminator, text).count();
        if self.odd.is_some_and(|odd| odd.mixed) {
            lines += memchr::memchr_iter(b'\r', text).filter(|at| text.get(at + 1) != Some(&b'\n')).count();
        }
        lines as u64
    }

    /// Those of plain lines.
    pub fn lines() -> Self {
        Self { delimiter: b'\n', terminator: b'\n', quote: None, escape: None, odd: None }
    }
}

/// Where the fields and records of a block end; made anew for each block, in the same memory.
#[derive(Debug, Default)]
pub struct Index {
    /// The positions of all separators outside quotes, ascending. A last record that no terminator ends has one at the
    /// end of the data.
    pub seps: Vec<u32>,
    /// For each record, the place in `seps` of what ends it.
    pub ends: Vec<u32>,
    /// The quote that opens at this position is never closed; its record is the last one.
    pub unclosed: Option<u32>,
    /// Whether all bytes are ASCII.
    pub ascii: bool,
    /// Whether text may follow a closing quote, or a quote stand inside of an unquoted field: such fields mean the same to
    /// this reader when copied, but not to every other one.
    pub loose: bool,
    /// The offset of the block whose index this is already, when its reader handed it out.
    pub(super) ready: Option<u64>,
    /// Memory of positions, used in turn with `seps`.
    spare: Vec<u32>,
}

/// What a walk by parity tells beside the positions.
struct Walked {
    /// Whether the data ends inside quotes.
    inside: bool,
    /// Whether a quote opens elsewhere than at the start of a field, so that parity means nothing.
    odd: bool,
    /// Whether the last byte is a closing quote.
    closed: bool,
}

impl Index {
    /// Indexes a block. There is nothing to do if its reader has done it by the way, with this index.
    pub fn of(&mut self, block: &Block, separators: Separators) {
        if self.ready.take() != Some(block.offset) {
            self.build(&block.data, separators);
        }
    }

    /// Surveys a piece of text, and indexes it by the way, as if it started outside quotes.
    pub(super) fn survey(&mut self, data: &[u8], separators: Separators) -> Survey {
        self.clear();
        let mut visitor = Both { survey: Surveyor::new(), parity: self.visitor() };
        simd::walk(data, separators, &mut visitor);
        let Both { survey, parity } = visitor;
        (self.ascii, self.loose) = (parity.high == 0, parity.loose != 0);
        survey.done()
    }

    /// Makes the index of a block from that of a piece: `front`, which the pieces before cut off, and then `piece`, the part of
    /// the piece up to the end of its last whole record (see [`Survey::is_indexed`]). `false` if it must be made anew.
    pub(super) fn settle(&mut self, front: &[u8], piece: &[u8], separators: Separators) -> bool {
        let mut whole = Self { seps: std::mem::take(&mut self.spare), ..Self::default() };
        whole.clear();
        let walked = whole.parity(front, separators);
        let fits = !walked.inside && !walked.odd && whole.ends.is_empty();
        if fits {
            let (fields, shift) = (to_u32(whole.seps.len()), to_u32(front.len()));
            let kept = self.seps.partition_point(|end| (*end as usize) < piece.len());
            whole.seps.extend(self.seps[..kept].iter().map(|end| end + shift));
            self.ends.truncate(self.ends.partition_point(|end| (*end as usize) < kept));
            self.ends.iter_mut().for_each(|end| *end += fields);
            std::mem::swap(&mut self.seps, &mut whole.seps);
            let around = |byte: &u8| {
                *byte == separators.delimiter || *byte == separators.terminator || Some(*byte) == separators.quote
            };
            self.loose |= whole.loose || (walked.closed && !piece.first().is_some_and(around));
            self.ascii &= whole.ascii;
            self.finish(piece.last().or(front.last()).copied(), front.len() + piece.len(), separators);
        }
        self.spare = whole.seps;
        fits
    }

    fn clear(&mut self) {
        self.seps.clear();
        self.ends.clear();
        (self.unclosed, self.ascii, self.loose, self.ready) = (None, true, false, None);
    }

    /// Indexes `data`, which starts at a record and ends with one.
    ///
    /// Exact by the rules of [`super`]: quote parity decides as long as each quote opens at the start of a field; a block
    /// with a quote elsewhere is read byte by byte.
    pub fn build(&mut self, data: &[u8], separators: Separators) {
        self.clear();
        if let Some(odd) = separators.odd {
            (self.loose, self.ascii) = (true, data.is_ascii());
            self.unclosed = odd::index(data, separators, odd, &mut self.seps, &mut self.ends);
            return;
        }
        let exactly = separators.escape.is_some() || {
            let walked = self.parity(data, separators);
            walked.inside || walked.odd
        };
        if exactly {
            self.seps.clear();
            self.ends.clear();
            self.loose = true;
            self.ascii = data.is_ascii();
            self.unclosed = exact::index(data, separators, State::FieldStart, &mut self.seps, &mut self.ends);
        }
        self.finish(data.last().copied(), data.len(), separators);
    }

    /// Ends the last record, if no terminator does.
    fn finish(&mut self, last: Option<u8>, bytes: usize, separators: Separators) {
        if last.is_some_and(|last| last != separators.terminator)
            || self.unclosed.is_some()
            || self.ends.last().is_some_and(|end| *end as usize + 1 != self.seps.len())
        {
            self.ends.push(to_u32(self.seps.len()));
            self.seps.push(to_u32(bytes));
        }
    }

    /// The number of records, empty lines included.
    pub fn records(&self) -> usize {
        self.ends.len()
    }

    /// Positions by parity.
    fn parity(&mut self, data: &[u8], separators: Separators) -> Walked {
        let mut visitor = self.visitor();
        simd::walk(data, separators, &mut visitor);
        let Parity { inside, closed, odd, high, loose, .. } = visitor;
        self.ascii = high == 0;
        self.loose = loose != 0;
        Walked { inside: inside != 0, odd: odd != 0, closed: closed != 0 }
    }

    fn visitor(&mut self) -> Parity<'_> {
        let room = Room { seps: &mut self.seps, ends: &mut self.ends };
        Parity { room, inside: 0, before: 1, closed: 0, odd: 0, high: 0, loose: 0 }
    }
}

/// Blocks are far below 4 GiB (see `blocks`).
pub(crate) fn to_u32(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

struct Room<'a> {
    seps: &'a mut Vec<u32>,
    ends: &'a mut Vec<u32>,
}

struct Parity<'a> {
    room: Room<'a>,
    /// All ones inside quotes.
    inside: u64,
    /// 1 if a quote may open at the next byte.
    before: u64,
    /// 1 if the last byte was a closing quote.
    closed: u64,
    odd: u64,
    high: u64,
    loose: u64,
}

impl Parity<'_> {
    /// Whether these steps are outside quotes, and none is in them.
    #[inline(always)]
    fn is_plain(&self, group: &[Masks; GROUP]) -> bool {
        group.iter().fold(self.inside | self.closed, |quotes, masks| quotes | masks.quote) == 0
    }

    /// Takes such steps; how many terminators are in them.
    ///
    /// Nothing but positions is to be kept, so that all of it stays in registers: a fifth faster than step by step.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "blocks are far below 4 GiB")]
    fn take_plain<L: Lanes>(&mut self, lanes: L, base: u32, group: &[Masks; GROUP]) -> usize {
        let [.., last] = group;
        self.before = (last.delimiter | last.terminator) >> 63;
        self.high |= group.iter().fold(0, |high, masks| high | masks.high);
        let Room { seps, ends } = &mut self.room;
        seps.reserve(GROUP * STEP);
        ends.reserve(GROUP * STEP);
        let (mut known, before) = (seps.len(), ends.len());
        let mut records = before;
        let (to, to_records) = (seps.as_mut_ptr(), ends.as_mut_ptr());
        for (step, masks) in (base..).step_by(STEP).zip(group) {
            let found = masks.delimiter | masks.terminator;
            // SAFETY: there is room for as many more numbers as the group has bytes; `known` grows by at most 64 a step.
            unsafe { lanes.positions(found, step, to.add(known)) };
            let mut left = masks.terminator;
            while left != 0 {
                let below = found & (left & left.wrapping_neg()).wrapping_sub(1);
                // SAFETY: as above; there are no more terminators than bytes.
                unsafe { to_records.add(records).write(known as u32 + below.count_ones()) };
                records += 1;
                left &= left - 1;
            }
            known += found.count_ones() as usize;
        }
        // SAFETY: so many numbers are there now.
        unsafe {
            seps.set_len(known);
            ends.set_len(records);
        }
        records - before
    }

    /// One past the last terminator outside quotes; 0 if there is none.
    #[inline(always)]
    fn end(&self) -> u64 {
        let last = self.room.ends.last().and_then(|end| self.room.seps.get(*end as usize));
        last.map_or(0, |at| u64::from(*at) + 1)
    }
}

impl Visitor for Parity<'_> {
    #[inline(always)]
    fn visit<L: Lanes>(&mut self, lanes: L, base: u32, masks: Masks) {
        let separators = masks.delimiter | masks.terminator;
        let mut outside = u64::MAX;
        if masks.quote | self.inside | self.closed != 0 {
            let inside = prefix_xor(masks.quote) ^ self.inside;
            self.inside = if inside >> 63 == 1 { u64::MAX } else { 0 };
            let (opening, closing) = (masks.quote & inside, masks.quote & !inside);
            let around = separators | masks.quote;
            self.odd |= opening & !(around << 1 | self.before);
            // A carriage return before the terminator counts as text here: that costs a copy its short cut, no more.
            self.loose |= (closing << 1 | self.closed) & !around;
            self.closed = closing >> 63;
            outside = !inside;
        }
        self.before = (separators | masks.quote) >> 63;
        self.high |= masks.high;
        let found = separators & outside;
        let mut ends = masks.terminator & outside;
        let Room { seps, ends: records } = &mut self.room;
        let known = seps.len();
        if seps.capacity() - known < STEP {
            seps.reserve((known / 2).max(4096));
        }
        // SAFETY: there is room for 64 more numbers; those up to the number of bits are written.
        unsafe {
            lanes.positions(found, base, seps.as_mut_ptr().add(known));
            seps.set_len(known + found.count_ones() as usize);
        }
        #[expect(clippy::cast_possible_truncation, reason = "blocks are far below 4 GiB")]
        while ends != 0 {
            let below = found & (ends & ends.wrapping_neg()).wrapping_sub(1);
            records.push(known as u32 + below.count_ones());
            ends &= ends - 1;
        }
    }
}

/// Both walks in one.
struct Both<'a> {
    survey: Surveyor,
    parity: Parity<'a>,
}

impl Visitor for Both<'_> {
    #[inline(always)]
    fn visit<L: Lanes>(&mut self, lanes: L, base: u32, masks: Masks) {
        self.survey.visit(lanes, base, masks);
        self.parity.visit(lanes, base, masks);
    }

    #[inline(always)]
    fn visit_group<L: Lanes>(&mut self, lanes: L, base: u32, group: &[Masks; GROUP]) {
        if self.survey.is_outside() && self.parity.is_plain(group) {
            let ended = self.parity.take_plain(lanes, base, group);
            self.survey.take_plain(group, ended, self.parity.end());
            return;
        }
        for (step, masks) in (base..).step_by(STEP).zip(group) {
            self.visit(lanes, step, *masks);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is outside quotes is taken several steps at once, with the same result as step by step.
        #[test]
        fn a_piece_is_surveyed_and_indexed_as_by_each_walk_alone(
            data in prop::collection::vec(
                prop_oneof![900 => Just(b'a'), 90 => Just(b','), 30 => Just(b'\n'), 1 => Just(b'"'), 1 => Just(0xC3)],
                0..4000,
            ),
        ) {
            let quote = Some(b'"');
            let separators = Separators { delimiter: b',', terminator: b'\n', quote, escape: None, odd: None };
            let (mut together, mut alone) = (Index::default(), Index::default());
            let survey = together.survey(&data, separators);
            let mut surveyor = Surveyor::new();
            simd::walk(&data, separators, &mut surveyor);
            prop_assert_eq!(survey, surveyor.done());
            alone.clear();
            alone.parity(&data, separators);
            prop_assert_eq!((&together.seps, &together.ends), (&alone.seps, &alone.ends));
            prop_assert_eq!((together.ascii, together.loose), (alone.ascii, alone.loose));
        }
    }
}
