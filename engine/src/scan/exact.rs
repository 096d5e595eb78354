//! The rules of quoting, byte by byte: what the fast ways of `index` must agree with, and fall back to.

use memchr::{memchr, memchr2};

use super::index::Separators;

/// Where in the grammar a byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// At the start of a field, where a quote opens.
    #[default]
    FieldStart,
    /// Inside quotes.
    Inside,
    /// Inside quotes, after an escape.
    AfterEscape,
    /// After a quote inside quotes: a second one is text, anything else shows that it closed.
    AfterQuote,
    /// In an unquoted field, or in the text after a closing quote: quotes mean nothing.
    Plain,
}

/// Walks over `data` from `state`, handing out each separator outside quotes (and whether it is a terminator) and each
/// opening quote's position; returns the state at the end.
fn walk(
    data: &[u8],
    separators: Separators,
    mut state: State,
    mut separator: impl FnMut(usize, bool),
    mut opened: impl FnMut(usize),
) -> State {
    let Separators { delimiter, terminator, quote, escape, odd: _ } = separators;
    let mut at = 0;
    while let Some(&byte) = data.get(at) {
        match state {
            State::AfterEscape => {
                state = State::Inside;
                at += 1;
            }
            State::Inside => {
                let quote = quote.unwrap_or_default();
                let found = match escape {
                    Some(escape) => memchr2(quote, escape, &data[at..]),
                    None => memchr(quote, &data[at..]),
                };
                let Some(found) = found else { return State::Inside };
                let byte = data[at + found];
                state = match escape {
                    Some(escape) if byte == escape => State::AfterEscape,
                    // With an escape a quote always closes.
                    Some(_) => State::Plain,
                    None => State::AfterQuote,
                };
                at += found + 1;
            }
            State::AfterQuote if Some(byte) == quote => {
                state = State::Inside;
                at += 1;
            }
            State::FieldStart if Some(byte) == quote => {
                opened(at);
                state = State::Inside;
                at += 1;
            }
            State::FieldStart | State::AfterQuote | State::Plain => {
                let Some(found) = memchr2(delimiter, terminator, &data[at..]) else {
                    return State::Plain;
                };
                at += found;
                separator(at, data[at] == terminator);
                state = State::FieldStart;
                at += 1;
            }
        }
    }
    state
}

/// One past the last terminator outside quotes, and the state after `data`.
pub(super) fn survey(data: &[u8], separators: Separators, state: State) -> (Option<usize>, State) {
    let mut end = None;
    let after = walk(
        data,
        separators,
        state,
        |position, terminator| {
            if terminator {
                end = Some(position + 1);
            }
        },
        |_| {},
    );
    (end, after)
}

/// Adds the separators of `data` to `seps`, and those of them that end records to `ends`; returns the position of a quote
/// that is never closed.
#[expect(clippy::cast_possible_truncation, reason = "blocks are far below 4 GiB (see `blocks`)")]
pub(super) fn index(
    data: &[u8],
    separators: Separators,
    state: State,
    seps: &mut Vec<u32>,
    ends: &mut Vec<u32>,
) -> Option<u32> {
    let mut last_opened = None;
    let after = walk(
        data,
        separators,
        state,
        |position, terminator| {
            if terminator {
                ends.push(seps.len() as u32);
            }
            seps.push(position as u32);
        },
        |position| last_opened = Some(position as u32),
    );
    last_opened.filter(|_| matches!(after, State::Inside | State::AfterEscape))
}
