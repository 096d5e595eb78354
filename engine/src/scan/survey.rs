//! What a piece of text holds, before it is known whether it starts inside quotes.

#![expect(clippy::inline_always, reason = "see `simd`")]

use super::exact::{self, State};
use super::index::Separators;
use super::simd::{self, GROUP, Lanes, Masks, STEP, Visitor, prefix_xor};

/// What a block of any bytes holds, for both states that it may start in: outside quotes and inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Survey {
    /// Whether the number of quotes is odd.
    odd_quotes: bool,
    /// Whether a quote opens elsewhere than at the start of a field, for each state. The first byte is not judged.
    odd: [bool; 2],
    /// One past the last terminator outside quotes, for each state.
    end: [Option<usize>; 2],
    /// Terminators, wherever they stand.
    pub(super) lines: u64,
    /// Whether all bytes are ASCII.
    pub(super) ascii: bool,
}

impl Survey {
    /// Surveys `data`. With an escape, only its lines: then it must be read byte by byte.
    pub(super) fn of(data: &[u8], separators: Separators) -> Self {
        if separators.quote.is_none() && separators.escape.is_none() && separators.odd.is_none() {
            return Self::of_lines(data, separators.terminator);
        }
        let mut visitor = Surveyor::new();
        simd::walk(data, separators, &mut visitor);
        visitor.done()
    }

    /// Surveys text that knows no quotes, so that every terminator ends a line.
    fn of_lines(data: &[u8], terminator: u8) -> Self {
        let (lines, ascii) = count(data, terminator);
        let end = memchr::memrchr(terminator, data).map(|last| last + 1);
        Self { end: [end, None], lines, ascii, ..Self::default() }
    }

    /// Whether parity says nothing about `data`, which starts in `state`.
    fn is_exact_only(&self, data: &[u8], separators: Separators, state: State) -> bool {
        separators.escape.is_some()
            || self.odd[usize::from(state == State::Inside)]
            || (state == State::Plain && data.first().copied() == separators.quote)
    }

    /// Whether an index that was made as if `data` started outside quotes is right up to its last whole record, or, if the
    /// text ends with it, to its end.
    pub(super) fn is_indexed(&self, data: &[u8], separators: Separators, state: State, last: bool) -> bool {
        state != State::Inside && !self.is_exact_only(data, separators, state) && !(last && self.odd_quotes)
    }

    /// One past the last terminator outside quotes, and the state after `data`, which starts in `state`.
    pub(super) fn resolve(&self, data: &[u8], separators: Separators, state: State) -> (Option<usize>, State) {
        let Some(last) = data.last() else { return (None, state) };
        let inside = usize::from(state == State::Inside);
        if self.is_exact_only(data, separators, state) {
            return exact::survey(data, separators, state);
        }
        let after = if (state == State::Inside) != self.odd_quotes {
            State::Inside
        } else if *last == separators.delimiter || *last == separators.terminator {
            State::FieldStart
        } else if Some(*last) == separators.quote {
            State::AfterQuote
        } else {
            State::Plain
        };
        (self.end[inside], after)
    }
}

/// How often a byte occurs, and whether all bytes are ASCII.
///
/// One plain pass: compilers make vector instructions of it, whatever the processor.
fn count(data: &[u8], wanted: u8) -> (u64, bool) {
    let (steps, rest) = data.as_chunks::<STEP>();
    let mut all = [0; STEP];
    let mut found = 0;
    // A byte counts to 255, so after as many steps the lanes are added up.
    for steps in steps.chunks(255) {
        let mut counts = [0; STEP];
        for step in steps {
            for ((count, all), byte) in counts.iter_mut().zip(&mut all).zip(step) {
                *count += u8::from(*byte == wanted);
                *all |= byte;
            }
        }
        found += counts.iter().map(|count| u64::from(*count)).sum::<u64>();
    }
    found += rest.iter().map(|byte| u64::from(*byte == wanted)).sum::<u64>();
    (found, all.is_ascii() && rest.is_ascii())
}

/// Surveys step by step.
#[derive(Default)]
pub(super) struct Surveyor {
    inside: u64,
    before: u64,
    odd: [u64; 2],
    end: [u64; 2],
    lines: u64,
    high: u64,
}

impl Surveyor {
    pub(super) fn new() -> Self {
        Self { before: 1, ..Self::default() }
    }

    /// Whether what comes next stands outside quotes, if the block started so.
    #[inline(always)]
    pub(super) fn is_outside(&self) -> bool {
        self.inside == 0
    }

    /// Takes steps outside quotes, with none in them, and so many terminators, the last of which ends at `end`.
    #[inline(always)]
    pub(super) fn take_plain(&mut self, group: &[Masks; GROUP], lines: usize, end: u64) {
        let [.., last] = group;
        self.before = (last.delimiter | last.terminator) >> 63;
        self.high |= group.iter().fold(0, |high, masks| high | masks.high);
        self.lines += lines as u64;
        if lines > 0 {
            self.end[0] = end;
        }
    }

    pub(super) fn done(self) -> Survey {
        let end = |end: u64| usize::try_from(end).ok().filter(|end| *end > 0);
        Survey {
            odd_quotes: self.inside != 0,
            odd: [self.odd[0] != 0, self.odd[1] != 0],
            end: [end(self.end[0]), end(self.end[1])],
            lines: self.lines,
            ascii: self.high == 0,
        }
    }
}

impl Visitor for Surveyor {
    #[inline(always)]
    fn visit<L: Lanes>(&mut self, _: L, base: u32, masks: Masks) {
        let inside = if masks.quote == 0 {
            self.inside
        } else {
            let inside = prefix_xor(masks.quote) ^ self.inside;
            self.inside = if inside >> 63 == 1 { u64::MAX } else { 0 };
            let allowed = (masks.delimiter | masks.terminator | masks.quote) << 1 | self.before;
            self.odd[0] |= masks.quote & inside & !allowed;
            self.odd[1] |= masks.quote & !inside & !allowed;
            inside
        };
        self.before = (masks.delimiter | masks.terminator | masks.quote) >> 63;
        self.high |= masks.high;
        self.lines += u64::from(masks.terminator.count_ones());
        let past = |bits: u64| u64::from(base) + 64 - u64::from(bits.leading_zeros());
        let (outside, within) = (masks.terminator & !inside, masks.terminator & inside);
        if outside != 0 {
            self.end[0] = past(outside);
        }
        if within != 0 {
            self.end[1] = past(within);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What knows no quotes is surveyed in another way, with the same result.
        #[test]
        fn lines_are_surveyed_as_by_the_walk(
            byte in prop::sample::select(vec![b'\n', b'a', 0xC3, 0xFF]),
            data in prop::collection::vec(prop_oneof![3 => Just(b'\n'), 9 => Just(b'a'), 1 => any::<u8>()], 0..400),
            // More steps than a byte can count.
            repeat in prop_oneof![9 => Just(0), 1 => 16_000_usize..40_000],
        ) {
            let data = [vec![byte; repeat], data].concat();
            let mut walked = Surveyor::new();
            simd::walk(&data, Separators::lines(), &mut walked);
            prop_assert_eq!(Survey::of(&data, Separators::lines()), walked.done());
        }
    }
}
