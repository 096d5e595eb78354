//! Fields by the exact rules, for rows that cannot be told at a glance.

use std::borrow::Cow;

use super::plan::Plan;
use super::values::fits;
use crate::direct::{Bad, Rows, Text};
use crate::error::Result;
use crate::scan::{Reject, field_bytes, is_null_field};
use crate::types::is_text;

/// The texts of some of a row's fields, null or fit; `None` if one does not fit.
pub(super) fn exact<'a>(
    plan: &Plan,
    columns: &[usize],
    rows: &Rows<'a>,
    place: u32,
) -> Option<Vec<Option<Cow<'a, [u8]>>>> {
    let data: &'a [u8] = &rows.block.data;
    let field = |column: &usize| {
        let field = rows.field(place, *column);
        if is_null_field(data, field, &plan.layout.dialect) {
            return Some(None);
        }
        let text = field_bytes(data, field, &plan.layout.dialect);
        let column = &plan.layout.columns[*column];
        if is_text(&column.kind) {
            return fits(&text, column).then_some(Some(text));
        }
        // Spaces around other values than texts mean nothing, and nothing but them is null.
        match text.trim_ascii() {
            [] => Some(None),
            trimmed => fits(trimmed, column).then(|| Some(Cow::Owned(trimmed.to_vec()))),
        }
    };
    columns.iter().map(field).collect()
}

/// Whether the fields of a row's key fit, though it has no group.
#[inline]
pub(super) fn keys_fit(plan: &Plan, rows: &Rows<'_>, place: u32) -> bool {
    plan.keys.iter().all(|column| {
        let column_type = &plan.layout.columns[*column];
        rows.utf8 && is_text(&column_type.kind)
            || match rows.text(place, *column) {
                Text::Null => true,
                Text::Plain(text) if fits(text, column_type) => true,
                _ => exact(plan, &[*column], rows, place).is_some(),
            }
    })
}

/// Rejects rows, of each of which a value does not fit, for their first column at fault. `bad` are the misfits among the
/// columns that arrays are made of; if there are none, all of `places` have one elsewhere. Returns which rows, ascending.
#[cold]
pub(super) fn reject(
    plan: &Plan,
    rows: &Rows<'_>,
    places: &[u32],
    mut bad: Vec<Bad>,
    rejects: &mut Vec<Reject>,
) -> Result<Vec<usize>> {
    let mut open: Vec<usize> = bad.iter().map(|(row, ..)| *row).collect();
    if open.is_empty() {
        open = (0..places.len()).collect();
    }
    open.sort_unstable();
    open.dedup();
    let some: Vec<u32> = open.iter().map(|row| places[*row]).collect();
    for column in plan.keys.iter().chain(plan.join.iter().flat_map(|join| &join.on)) {
        let mut more = Vec::new();
        rows.array(&some, *column, &mut more)?;
        bad.extend(more.into_iter().map(|(row, column, reason)| (open[row], column, reason)));
    }
    Ok(rows.reject(places, bad, rejects))
}
