//! One thread's groups: from the separators of a block straight to groups and aggregates.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::batch::{Batch, ROWS};
use super::dimension::{Dimension, NO_ROW};
use super::fields::{exact, keys_fit, reject};
use super::keys::{Key, Table};
use super::plan::{Join, Kind, Plan, Shown};
use super::values::{array, fits, usual};
use crate::direct::{Rows, Text, one_spelling, plain_int, without};
use crate::error::{EngineError, Result};
use crate::scan::{BATCH_ROWS, Block, Index, Reject, Sorted, to_u32};
use crate::types::is_text;

/// The groups that one thread has met.
pub(super) struct Worker {
    plan: Arc<Plan>,
    /// What rows are joined with, if they are.
    dimension: Option<Arc<Dimension>>,
    table: Table,
    batch: Batch,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    pub(super) index: Index,
    /// The groups of the rows at hand, joined rows if there is a join.
    groups: Vec<usize>,
    /// Of each of them the row in the file, if these are not all rows in order.
    taken: Vec<u32>,
    /// Of each of them the other input's row.
    matched: Vec<u32>,
}

/// What came of a block.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Rows that could be read, those left out included.
    pub(super) good: u64,
    /// Rows that conditions left out.
    pub(super) filtered: u64,
    pub(super) rejects: Vec<Reject>,
}

/// A field of a row does not fit its column.
struct Misfit;

impl Worker {
    pub(super) fn new(plan: Arc<Plan>, dimension: Option<Arc<Dimension>>) -> Result<Self> {
        let accumulators = plan.aggregates.iter().map(|aggregate| aggregate.function.create_groups_accumulator());
        let accumulators = accumulators.collect::<DfResult<_>>()?;
        let table = Table::new(plan.keys.len() + usize::from(plan.grouped_by_build()));
        Ok(Self {
            batch: Batch::new(plan.keys.len()),
            plan,
            dimension,
            table,
            accumulators,
            index: Index::default(),
            groups: Vec::new(),
            taken: Vec::new(),
            matched: Vec::new(),
        })
    }

    /// Takes the rows of a block.
    pub(super) fn take(&mut self, block: &Block) -> Result<Done> {
        let plan = Arc::clone(&self.plan);
        let mut index = std::mem::take(&mut self.index);
        index.of(block, plan.layout.separators);
        let sorted = Sorted::of(block, &index, &plan.layout.dialect, plan.layout.columns.len());
        let Sorted { mut places, mut rejects } = sorted;
        let (records, bad) = (places.len(), rejects.len());
        let rows = Rows::new(&plan.layout, block, &index);
        for condition in &plan.conditions {
            condition.apply(&rows, &mut places, &mut rejects)?;
        }
        let filtered = records - places.len() - (rejects.len() - bad);
        for places in places.chunks(BATCH_ROWS) {
            self.rows(&plan, &rows, places, &mut rejects)?;
        }
        rejects.sort_by_key(|reject| reject.byte_offset);
        let good = records + bad - rejects.len();
        self.index = index;
        Ok(Done { good: good as u64, filtered: filtered as u64, rejects })
    }

    /// Takes some rows of a block.
    fn rows(&mut self, plan: &Plan, rows: &Rows<'_>, places: &[u32], rejects: &mut Vec<Reject>) -> Result<()> {
        let mut places = places.to_vec();
        let arrays = loop {
            let mut bad = Vec::new();
            let arrays = plan.values.iter().map(|column| rows.array(&places, *column, &mut bad));
            let arrays = arrays.collect::<Result<Vec<ArrayRef>>>()?;
            if bad.is_empty() {
                break arrays;
            }
            let gone = reject(plan, rows, &places, bad, rejects)?;
            without(&mut places, &gone);
        };
        self.groups.clear();
        self.taken.clear();
        self.matched.clear();
        let misfits = match (&plan.join, self.dimension.clone()) {
            (Some(join), Some(dimension)) => {
                // What joins nothing needs no further look then.
                let texts = rows.utf8 && plan.keys.iter().all(|column| is_text(&plan.layout.columns[*column].kind));
                if dimension.is_dense() && join.kind == Kind::Inner && texts {
                    self.join_numbers(plan, join, &dimension, rows, &places)
                } else {
                    self.join(plan, join, &dimension, rows, &places)
                }
            }
            _ => self.group_all(plan, rows, &places),
        };
        if !misfits.is_empty() && reject(plan, rows, &misfits, Vec::new(), rejects)?.len() < misfits.len() {
            return Err(EngineError::internal("a row whose fields fit has no group"));
        }
        self.aggregate(plan, places.len(), arrays)
    }

    /// Groups rows; gives those of which a field does not fit.
    fn group_all(&mut self, plan: &Plan, rows: &Rows<'_>, places: &[u32]) -> Vec<u32> {
        let mut misfits = Vec::new();
        let mut key = self.table.key();
        for (first, places) in (0..).step_by(ROWS).zip(places.chunks(ROWS)) {
            self.batch.read(rows, places, &plan.keys, self.table.seed());
            for (number, place) in places.iter().enumerate() {
                let row = first + to_u32(number);
                let group = match self.batch.find(number, &self.table) {
                    Some(group) => group as usize,
                    None => match self.group(plan, rows, *place, None, &mut key) {
                        Ok(group) => group,
                        Err(Misfit) => {
                            if misfits.is_empty() {
                                self.taken.extend(0..row);
                            }
                            misfits.push(*place);
                            continue;
                        }
                    },
                };
                self.groups.push(group);
                if !misfits.is_empty() {
                    self.taken.push(row);
                }
            }
        }
        misfits
    }

    /// Joins rows and groups what comes of it; gives those of which a field does not fit.
    fn join<'a>(
        &mut self,
        plan: &Plan,
        join: &Join,
        dimension: &'a Dimension,
        rows: &Rows<'a>,
        places: &[u32],
    ) -> Vec<u32> {
        let mut misfits = Vec::new();
        let no_row = [dimension.no_row()];
        let prefixed = plan.grouped_by_build();
        let (mut key, mut wanted) = (self.table.key(), dimension.key());
        for (row, place) in (0..).zip(places) {
            let Ok(found) = find(plan, join, dimension, rows, *place, &mut wanted) else {
                misfits.push(*place);
                continue;
            };
            let joined: &[u32] = match (join.kind, found) {
                (Kind::Inner | Kind::Outer, Some(found)) => found,
                (Kind::Semi, Some(_)) | (Kind::Outer | Kind::Anti, None) => &no_row,
                (Kind::Inner | Kind::Semi, None) | (Kind::Anti, Some(_)) => {
                    if !keys_fit(plan, rows, *place) {
                        misfits.push(*place);
                    }
                    continue;
                }
            };
            for other in joined {
                let prefix = prefixed.then(|| dimension.group(*other));
                let Ok(group) = self.group(plan, rows, *place, prefix, &mut key) else {
                    misfits.push(*place);
                    break;
                };
                self.groups.push(group);
                self.taken.push(row);
                self.matched.push(*other);
            }
        }
        misfits
    }

    /// The same for an inner join by whole numbers. The rows are looked up first, all of them and without a branch on what
    /// is found: no processor can foresee that.
    fn join_numbers<'a>(
        &mut self,
        plan: &Plan,
        join: &Join,
        dimension: &'a Dimension,
        rows: &Rows<'a>,
        places: &[u32],
    ) -> Vec<u32> {
        let mut misfits = Vec::new();
        self.taken.resize(places.len(), 0);
        self.matched.resize(places.len(), 0);
        let mut found = 0;
        for (row, place) in (0..).zip(places) {
            let (start, end) = rows.range(*place, join.on[0]);
            let other = match plain_int(&rows.block.data[start..end]) {
                Some(number) => dimension.row_of(number),
                None => match find_exactly(plan, join, dimension, rows, *place) {
                    Ok(rows) => rows.and_then(|rows| rows.first()).copied().unwrap_or(NO_ROW),
                    Err(Misfit) => {
                        misfits.push(*place);
                        NO_ROW
                    }
                },
            };
            (self.taken[found], self.matched[found]) = (row, other);
            found += usize::from(other != NO_ROW);
        }
        let prefixed = plan.grouped_by_build();
        let (mut key, mut kept) = (self.table.key(), 0);
        for number in 0..found {
            let (row, other) = (self.taken[number], self.matched[number]);
            let place = places[row as usize];
            let prefix = prefixed.then(|| dimension.group(other));
            let Ok(group) = self.group(plan, rows, place, prefix, &mut key) else {
                misfits.push(place);
                continue;
            };
            self.groups.push(group);
            (self.taken[kept], self.matched[kept]) = (row, other);
            kept += 1;
        }
        self.taken.truncate(kept);
        self.matched.truncate(kept);
        misfits.sort_unstable();
        misfits
    }

    /// The group of a row, which may be new. `key` is memory that is used again and again.
    #[inline]
    fn group<'a>(
        &mut self,
        plan: &Plan,
        rows: &Rows<'a>,
        place: u32,
        prefix: Option<&'a [u8]>,
        key: &mut Key<'a>,
    ) -> Result<usize, Misfit> {
        key.clear();
        if prefix.is_some() {
            key.push(prefix);
        }
        for column in &plan.keys {
            if !push(rows, place, *column, key) {
                return self.exactly(plan, rows, place, prefix);
            }
        }
        match self.table.find(key) {
            Some(group) => Ok(group as usize),
            None => self.new_group(plan, rows, place, prefix, key),
        }
    }

    /// Adds a group whose key is spelled in the usual way, or finds it by the exact rules.
    #[cold]
    fn new_group(
        &mut self,
        plan: &Plan,
        rows: &Rows<'_>,
        place: u32,
        prefix: Option<&[u8]>,
        key: &Key<'_>,
    ) -> Result<usize, Misfit> {
        let mut parts = key.parts()[usize::from(prefix.is_some())..].iter().zip(&plan.keys);
        if parts.all(|(part, column)| part.is_none_or(|text| fits(text, &plan.layout.columns[*column]))) {
            return Ok(self.table.add(key) as usize);
        }
        self.exactly(plan, rows, place, prefix)
    }

    /// The group of a row, by the exact rules. Several spellings of one value are groups of their own until all are merged.
    #[cold]
    fn exactly(&mut self, plan: &Plan, rows: &Rows<'_>, place: u32, prefix: Option<&[u8]>) -> Result<usize, Misfit> {
        let texts = exact(plan, &plan.keys, rows, place).ok_or(Misfit)?;
        let mut key = self.table.key();
        if prefix.is_some() {
            key.push(prefix);
        }
        for text in &texts {
            key.push(text.as_deref());
        }
        Ok(self.table.add(&key) as usize)
    }

    /// Adds rows, whose groups are known, to the aggregates. `arrays` are of all rows, of which some were taken.
    fn aggregate(&mut self, plan: &Plan, all: usize, mut arrays: Vec<ArrayRef>) -> Result<()> {
        let rows = self.groups.len();
        let in_order = |taken: &[u32]| taken.is_empty() || (0..).zip(taken).all(|(number, row)| number == *row);
        if rows != all || !in_order(&self.taken) {
            let taken = UInt32Array::from(self.taken.clone());
            arrays = arrays.iter().map(|array| take(array, &taken, None)).collect::<Result<_, _>>()?;
        }
        if let Some(dimension) = self.dimension.as_ref().filter(|dimension| !dimension.values().is_empty()) {
            let matched = UInt32Array::from(self.matched.clone());
            for column in dimension.values() {
                arrays.push(take(column, &matched, None)?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&plan.schema), arrays, &options)?;
        for (aggregate, accumulator) in plan.aggregates.iter().zip(&mut self.accumulators) {
            let arguments = aggregate.arguments.iter().map(|expr| expr.evaluate(&batch)?.into_array(rows));
            let arguments = arguments.collect::<DfResult<Vec<_>>>()?;
            let filter = match &aggregate.filter {
                Some(filter) => Some(filter.evaluate(&batch)?.into_array(rows)?),
                None => None,
            };
            let filter = filter.as_ref().map(AsArray::as_boolean);
            accumulator.update_batch(&arguments, &self.groups, filter, self.table.len())?;
        }
        Ok(())
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.table.len()
    }

    /// Bytes of memory that the groups take.
    pub(super) fn size(&self) -> usize {
        self.table.size() + self.accumulators.iter().map(|accumulator| accumulator.size()).sum::<usize>()
    }

    /// The groups so far, as states to be merged; then there are none. Of no rows nothing is told, even without a key:
    /// the final aggregate knows what comes of none.
    pub(super) fn states(&mut self) -> Result<RecordBatch> {
        let plan = Arc::clone(&self.plan);
        if self.table.len() == 0 {
            return Ok(RecordBatch::new_empty(Arc::clone(&plan.states)));
        }
        let groups = to_u32(self.table.len());
        let prefixed = usize::from(plan.grouped_by_build());
        let table = &self.table;
        let field = |number: usize| (0..groups).map(move |group| table.parts(group).nth(number).flatten());
        let build = match &self.dimension {
            Some(dimension) if prefixed == 1 => {
                let number = |part: Option<&[u8]>| part?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
                dimension.groups(field(0).map(number))?
            }
            _ => Vec::new(),
        };
        let mut columns = Vec::with_capacity(plan.states.fields().len());
        for shown in &plan.shown {
            columns.push(match shown {
                Shown::Build(number) => Arc::clone(&build[*number]),
                Shown::Key(number) => array(&plan.layout.columns[plan.keys[*number]].kind, field(prefixed + number))?,
            });
        }
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(groups as usize));
        self.table.clear();
        Ok(RecordBatch::try_new_with_options(Arc::clone(&plan.states), columns, &options)?)
    }
}

/// Adds a field as it stands to a key; `false` if it cannot be told at a glance.
#[inline]
fn push<'a>(rows: &Rows<'a>, place: u32, column: usize, key: &mut Key<'a>) -> bool {
    let data: &'a [u8] = &rows.block.data;
    let (start, end) = rows.range(place, column);
    if start < end && Some(data[start]) != rows.layout.separators.quote {
        key.push_at(data, start, end);
        return true;
    }
    match rows.text(place, column) {
        Text::Null => key.push(None),
        Text::Plain(text) => key.push(Some(text)),
        Text::Unsure => return false,
    }
    true
}

/// The other input's rows that a row is joined with; `None` if there are none. `key` is memory that is used again.
#[inline]
fn find<'a, 'd>(
    plan: &Plan,
    join: &Join,
    dimension: &'d Dimension,
    rows: &Rows<'a>,
    place: u32,
    key: &mut Key<'a>,
) -> Result<Option<&'d [u32]>, Misfit> {
    if dimension.is_dense() {
        let (start, end) = rows.range(place, join.on[0]);
        return match plain_int(&rows.block.data[start..end]) {
            Some(number) => Ok(dimension.find_number(number)),
            None => find_exactly(plan, join, dimension, rows, place),
        };
    }
    key.clear();
    for column in &join.on {
        if !push(rows, place, *column, key) {
            return find_exactly(plan, join, dimension, rows, place);
        }
    }
    if key.parts().contains(&None) {
        return find_exactly(plan, join, dimension, rows, place);
    }
    let found = dimension.find(key);
    let mut parts = key.parts().iter().flatten().zip(&join.on);
    if found.is_some() || rows.utf8 && parts.all(|(text, column)| one_spelling(text, &plan.layout.columns[*column])) {
        return Ok(found);
    }
    find_exactly(plan, join, dimension, rows, place)
}

/// The same by the exact rules.
#[cold]
fn find_exactly<'d>(
    plan: &Plan,
    join: &Join,
    dimension: &'d Dimension,
    rows: &Rows<'_>,
    place: u32,
) -> Result<Option<&'d [u32]>, Misfit> {
    let texts = exact(plan, &join.on, rows, place).ok_or(Misfit)?;
    // Null is equal to nothing.
    let Some(texts) = texts.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let usual = texts.iter().zip(&join.on).map(|(text, column)| usual(text, &plan.layout.columns[*column].kind));
    let usual: Vec<_> = usual.collect();
    let mut key = dimension.key();
    for text in &usual {
        key.push(Some(text));
    }
    Ok(dimension.find(&key))
}
