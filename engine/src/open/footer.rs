//! What a Parquet file's footer and indexes claim, checked before the crate's decoder makes room for it.

use super::thrift::{I32, I64, LIST, STRUCT, Thrift, Walked};

/// A footer of more is taken for damage. Those of ten thousand columns and a hundred row groups have some 100 MiB.
pub(super) const MAX_FOOTER_BYTES: usize = 256 << 20;
/// Columns times row groups, at most. The crate keeps about 700 bytes for each.
const MAX_CHUNKS: usize = 1 << 20;
/// Groups in groups, at most: decoding them recurses.
const MAX_NESTING: usize = 64;

/// Where a page lies, and how many rows it begins after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PagePlace {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) first_row: u64,
}

/// Walks over a footer.
pub(super) fn check_footer(data: &[u8]) -> Walked<()> {
    let mut chunks = 0;
    Thrift::new(data).fields(|walk, field| match (field.id, field.kind) {
        (2, LIST) => check_schema(walk).map(|()| true),
        (4, LIST) => {
            for _ in 0..structures(walk)? {
                walk.fields(|walk, field| {
                    if (field.id, field.kind) != (1, LIST) {
                        return Ok(false);
                    }
                    let count = structures(walk)?;
                    chunks += count;
                    if chunks > MAX_CHUNKS {
                        return Err("it has more than a million column chunks");
                    }
                    (0..count).try_for_each(|_| walk.skip(STRUCT)).map(|()| true)
                })?;
            }
            Ok(true)
        }
        _ => Ok(false),
    })
}

fn structures(walk: &mut Thrift<'_>) -> Walked<usize> {
    match walk.list()? {
        (STRUCT, count) | (_, count @ 0) => Ok(count),
        _ => Err("a list in it has elements of the wrong kind"),
    }
}

/// The schema is a tree written in depth-first order, each group with the number of its children.
fn check_schema(walk: &mut Thrift<'_>) -> Walked<()> {
    let count = structures(walk)?;
    // Of each open group, how many children are still to come.
    let mut open: Vec<i64> = Vec::new();
    for element in 0..count {
        let mut children = 0;
        walk.fields(|walk, field| {
            if (field.id, field.kind) == (5, I32) {
                children = walk.int()?;
                return Ok(true);
            }
            Ok(false)
        })?;
        while open.last() == Some(&0) {
            open.pop();
        }
        match open.last_mut() {
            Some(left) => *left -= 1,
            None if element > 0 => return Err("its schema has more than one root"),
            None => {}
        }
        if !(0..=i64::try_from(count - element - 1).unwrap_or(0)).contains(&children) {
            return Err("a group in its schema claims more columns than there are");
        }
        if children > 0 {
            open.push(children);
        }
        if open.len() > MAX_NESTING {
            return Err("its schema is nested too deeply");
        }
    }
    Ok(())
}

/// Walks over a column index.
pub(super) fn check_column_index(data: &[u8]) -> Walked<()> {
    Thrift::new(data).skip(STRUCT)
}

/// The places of a chunk's pages, as an offset index tells them.
pub(super) fn page_places(data: &[u8]) -> Walked<Vec<PagePlace>> {
    let mut places = Vec::new();
    Thrift::new(data).fields(|walk, field| {
        if (field.id, field.kind) != (1, LIST) {
            return Ok(false);
        }
        for _ in 0..structures(walk)? {
            let (mut offset, mut size, mut first_row) = (-1, -1, -1);
            walk.fields(|walk, field| {
                let target = match (field.id, field.kind) {
                    (1, I64) => &mut offset,
                    (2, I32) => &mut size,
                    (3, I64) => &mut first_row,
                    _ => return Ok(false),
                };
                *target = walk.int()?;
                Ok(true)
            })?;
            let natural = |number: i64| u64::try_from(number).map_err(|_| "a page has no place");
            places.push(PagePlace { offset: natural(offset)?, size: natural(size)?, first_row: natural(first_row)? });
        }
        Ok(true)
    })?;
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schema of groups in groups, as a footer with that field alone.
    fn nested(depth: usize) -> Vec<u8> {
        // Field 2 is a list of structures, counted in a varint of two bytes; each has field 5, the number of children.
        let count = depth + 1;
        let mut footer =
            vec![0x29, 0xfc, u8::try_from(count & 0x7f).unwrap() | 0x80, u8::try_from(count >> 7).unwrap()];
        for level in 0..count {
            footer.extend([0x55, if level < depth { 2 } else { 0 }, 0]);
        }
        footer.push(0);
        footer
    }

    #[test]
    fn schemas() {
        assert_eq!(check_footer(&nested(MAX_NESTING)), Ok(()));
        assert!(check_footer(&nested(MAX_NESTING + 1)).is_err());
        // One element that claims 2^31 children.
        assert!(check_footer(&[0x29, 0x1c, 0x55, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0]).is_err());
    }

    #[test]
    fn page_lists() {
        let index = [0x19, 0x1c, 0x16, 0x08, 0x15, 0x14, 0x16, 0x00, 0x00, 0x00];
        assert_eq!(page_places(&index), Ok(vec![PagePlace { offset: 4, size: 10, first_row: 0 }]));
        assert!(page_places(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00]).is_err());
    }
}
