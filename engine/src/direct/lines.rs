//! One block of plain lines, from raw bytes to raw bytes.

use arrow::array::Array;
use arrow::buffer::Buffer;
use memchr::memmem::Finder;

use super::raw::{Node, Test, Text, Verdict};
use super::work::{Done, Scratch};
use crate::error::Result;
use crate::scan::{Block, LinesParser, Predicate, Reject};

/// What happens to plain lines: filters, in order.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) stages: Vec<Vec<Condition>>,
    pub(super) parser: LinesParser,
}

/// A condition: on raw bytes where it can be told from them, else on arrays.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) raw: Option<Node>,
    pub(super) typed: Predicate,
}

/// A line in its block, without its end.
type Line = (u32, u32);

impl Lines {
    /// Takes one block.
    pub(super) fn take(&self, block: &Block, scratch: &mut Scratch) -> Result<Done> {
        let data = &block.data;
        let total = block.lines + u64::from(data.last().is_some_and(|last| *last != b'\n'));
        let mut rejects = Vec::new();
        let mut conditions = self.stages.iter().flatten();
        let searched = conditions.next().and_then(|condition| needles(condition.raw.as_ref()?));
        let utf8 = block.ascii || std::str::from_utf8(data).is_ok();
        let lines = &mut scratch.lines;
        lines.clear();
        // Where the first condition is a search, lines without a hit are never looked at one by one.
        let done = match &searched {
            Some(needles) if utf8 => {
                search(data, needles, lines);
                1
            }
            _ => {
                each(data, lines);
                0
            }
        };
        if !utf8 {
            reject_what_is_not_utf8(block, lines, &mut rejects);
        }
        let mut after = Vec::with_capacity(self.stages.len());
        let mut number = 0;
        for conditions in &self.stages {
            for condition in conditions {
                if number >= done {
                    self.apply(condition, data, lines)?;
                }
                number += 1;
            }
            after.push(lines.len() as u64);
        }
        let mut out = std::mem::take(&mut scratch.out);
        out.clear();
        copy(data, lines, &mut out);
        let good = total - rejects.len() as u64;
        let filtered = good - lines.len() as u64;
        Ok(Done { out, good, rows_out: lines.len() as u64, filtered, after, rejects })
    }

    fn apply(&self, condition: &Condition, data: &bytes::Bytes, lines: &mut Vec<Line>) -> Result<()> {
        if let Some(raw) = &condition.raw {
            // A line is never null, and its text is what stands there: the answer is never unsure.
            lines.retain(|line| raw.verdict(&|_| Text::Plain(bytes_of(data, *line))) == Verdict::True);
            return Ok(());
        }
        let buffer = Buffer::from(data.clone());
        let mut kept = Vec::with_capacity(lines.len());
        for lines in lines.chunks(crate::scan::BATCH_ROWS) {
            let batch = self.parser.batch(data, &buffer, lines)?;
            for stage in condition.typed.stages() {
                let found =
                    stage.check(stage.columns.iter().map(|_| batch.column(0).clone()).collect(), lines.len())?;
                let keep = |(row, _): &(usize, &Line)| found.is_valid(*row) && found.value(*row);
                kept.extend(lines.iter().enumerate().filter(keep).map(|(_, line)| *line));
            }
        }
        *lines = kept;
        Ok(())
    }
}

fn bytes_of(data: &[u8], line: Line) -> &[u8] {
    &data[line.0 as usize..line.1 as usize]
}

/// The texts of which a line must contain at least one, if that is all that a condition asks.
fn needles(condition: &Node) -> Option<Vec<&Finder<'static>>> {
    match condition {
        // A needle with line ends in it would be found across lines.
        Node::Test(_, Test::Contains(finder)) => {
            let needle = finder.needle();
            let plain = !needle.is_empty() && !needle.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
            plain.then(|| vec![finder.as_ref()])
        }
        Node::Or(sides) => {
            let mut all = needles(&sides[0])?;
            all.extend(needles(&sides[1])?);
            Some(all)
        }
        _ => None,
    }
}

/// The lines that contain one of the needles.
fn search(data: &[u8], needles: &[&Finder<'static>], lines: &mut Vec<Line>) {
    // The next hit of each needle, at or behind the end of the last line found.
    let mut hits: Vec<Option<usize>> = needles.iter().map(|finder| finder.find(data)).collect();
    while let Some(hit) = hits.iter().flatten().min().copied() {
        let start = memchr::memrchr(b'\n', &data[..hit]).map_or(0, |before| before + 1);
        let end = memchr::memchr(b'\n', &data[hit..]).map_or(data.len(), |end| hit + end);
        lines.push(line(data, start, end));
        for (found, finder) in hits.iter_mut().zip(needles) {
            if found.is_some_and(|found| found < end) {
                *found = finder.find(&data[end..]).map(|next| end + next);
            }
        }
    }
}

/// All lines.
fn each(data: &[u8], lines: &mut Vec<Line>) {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', data) {
        lines.push(line(data, start, end));
        start = end + 1;
    }
    if start < data.len() {
        lines.push(line(data, start, data.len()));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "blocks are far below 4 GiB")]
fn line(data: &[u8], start: usize, end: usize) -> Line {
    let end = if end > start && data[end - 1] == b'\r' { end - 1 } else { end };
    (start as u32, end as u32)
}

/// Copies lines; neighbours at once.
fn copy(data: &[u8], lines: &[Line], out: &mut Vec<u8>) {
    let mut lines = lines.iter().peekable();
    while let Some(first) = lines.next() {
        let mut end = first.1;
        while let Some(next) = lines.next_if(|next| next.0 == end + 1) {
            end = next.1;
        }
        out.extend_from_slice(bytes_of(data, (first.0, end)));
        out.push(b'\n');
    }
}

/// Drops lines that are not UTF-8. `lines` are all lines of the block.
fn reject_what_is_not_utf8(block: &Block, lines: &mut Vec<Line>, rejects: &mut Vec<Reject>) {
    let mut number = block.line;
    lines.retain(|line| {
        let text = bytes_of(&block.data, *line);
        let good = std::str::from_utf8(text).is_ok();
        if !good {
            let (offset, column) = (block.offset + u64::from(line.0), Some("line".to_owned()));
            rejects.push(Reject::new(number, offset, column, "the text is not UTF-8".to_owned(), text));
        }
        number += 1;
        good
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_search_finds_what_looking_at_each_line_finds(
            text in "[ab\n\r]{0,60}",
            needles in prop::collection::vec("[ab]{1,2}", 1..4),
        ) {
            let finders: Vec<Finder<'static>> =
                needles.iter().map(|needle| Finder::new(needle.as_bytes()).into_owned()).collect();
            let (mut found, mut all) = (Vec::new(), Vec::new());
            search(text.as_bytes(), &finders.iter().collect::<Vec<_>>(), &mut found);
            each(text.as_bytes(), &mut all);
            all.retain(|line| {
                let text = std::str::from_utf8(bytes_of(text.as_bytes(), *line)).unwrap();
                needles.iter().any(|needle| text.contains(needle.as_str()))
            });
            prop_assert_eq!(&found, &all);
            let mut out = Vec::new();
            copy(text.as_bytes(), &found, &mut out);
            let expected: String =
                all.iter().map(|line| [&text[line.0 as usize..line.1 as usize], "\n"].concat()).collect();
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
