//! Which aggregates are computed while a file is read, and how.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, NullEquality};
use datafusion::error::Result as DfResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use karyaksham_spec::Decimal;

use super::keys::MAX_FIELDS;
use super::values::{can_be_key, has_one_spelling};
use crate::direct::{Condition, Layout, compile, file_columns};
use crate::exec::distinct::comparable;
use crate::scan::{Content, Dialect, LineEnding, Separators, TextScan};
use crate::types::is_text;

/// How the rows of a file are grouped, by the columns' places in the file.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    /// All must be true, in this order.
    pub(super) conditions: Vec<Condition>,
    /// The other input that rows are joined with.
    pub(super) join: Option<Join>,
    /// The columns of the key.
    pub(super) keys: Vec<usize>,
    /// Where the columns of a group come from.
    pub(super) shown: Vec<Shown>,
    /// The columns that arrays are made of: what aggregates need, and what must only fit.
    pub(super) values: Vec<usize>,
    /// The schema of these arrays.
    pub(super) schema: SchemaRef,
    pub(super) aggregates: Vec<Aggregate>,
    /// The schema of groups: keys, then states of aggregates.
    pub(super) states: SchemaRef,
}

impl Plan {
    /// Whether the other input's columns are part of the key.
    pub(super) fn grouped_by_build(&self) -> bool {
        self.join.as_ref().is_some_and(|join| !join.groups.is_empty())
    }
}

/// A join with rows that are held.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) kind: Kind,
    /// The other input; the columns of its rows are given by number.
    pub(super) build: Arc<dyn ExecutionPlan>,
    /// The file's columns that must be equal to the other input's.
    pub(super) on: Vec<usize>,
    pub(super) build_on: Vec<usize>,
    /// The other input's columns that rows are grouped by.
    pub(super) groups: Vec<usize>,
    /// The other input's columns that aggregates need: they follow the file's.
    pub(super) values: Vec<usize>,
}

/// What happens to rows of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They are joined with each row of their key.
    Inner,
    /// The same, or with nulls if there is none.
    Outer,
    /// They are kept if there is one.
    Semi,
    /// They are kept if there is none.
    Anti,
}

/// A column of a group.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown {
    /// That number of the key's columns.
    Key(usize),
    /// That number of the columns that the other input is grouped by.
    Build(usize),
}

/// An aggregate over the arrays.
#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) function: Arc<AggregateFunctionExpr>,
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// Which rows it takes.
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
}

/// Where rows come from.
struct Source {
    scan: Arc<dyn ExecutionPlan>,
    join: Option<Join>,
    /// The columns of the rows, as expressions over the scan's and, numbered after them, the other input's.
    columns: Vec<Arc<dyn PhysicalExpr>>,
}

/// How a partial aggregate is computed while its file is read, and that reading; `None` if it is not.
pub(super) fn recognise(aggregate: &AggregateExec) -> Option<(Plan, Arc<dyn ExecutionPlan>)> {
    let group = aggregate.group_expr();
    let plain = *aggregate.mode() == AggregateMode::Partial
        && aggregate.limit_options().is_none()
        && (group.is_empty() || group.is_single())
        && group.expr().len() < MAX_FIELDS;
    if !plain {
        return None;
    }
    let source = source(aggregate.input())?;
    let scan = source.scan.downcast_ref::<TextScan>()?;
    let file = scan.file();
    let Content::Csv(dialect, _) = &file.content else { return None };
    let layout = Layout { dialect: dialect.clone(), separators: Separators::of(dialect), columns: file_columns(file) };
    let mut join = source.join;
    let width = scan.projection().len();
    let (mut keys, mut shown) = (Vec::new(), Vec::new());
    for (expr, _) in group.expr() {
        let column = over(expr, &source.columns)?.downcast_ref::<ColumnExpr>()?.index();
        if let Some(place) = scan.projection().get(column) {
            shown.push(Shown::Key(keys.len()));
            keys.push(*place);
        } else {
            let join = join.as_mut()?;
            if !comparable(join.build.schema().field(column - width).data_type()) {
                return None;
            }
            shown.push(Shown::Build(join.groups.len()));
            join.groups.push(column - width);
        }
    }
    if !keys.iter().all(|key| can_be_key(&layout.columns[*key].kind)) {
        return None;
    }
    let mut aggregates = Vec::new();
    for (function, filter) in aggregate.aggr_expr().iter().zip(aggregate.filter_expr()) {
        if !function.groups_accumulator_supported() || !function.order_bys().is_empty() {
            return None;
        }
        let arguments = function.expressions();
        aggregates.push(Aggregate {
            function: Arc::clone(function),
            arguments: arguments.iter().map(|expr| over(expr, &source.columns)).collect::<Option<_>>()?,
            filter: match filter {
                Some(filter) => Some(over(filter, &source.columns)?),
                None => None,
            },
        });
    }
    // Arrays of what aggregates need, and of all that is not looked at as it stands: its values must fit too.
    let used: BTreeSet<usize> = aggregates.iter().flat_map(Aggregate::columns).collect();
    let looked_at = |place: &usize| keys.contains(place) || join.as_ref().is_some_and(|join| join.on.contains(place));
    let read = scan.projection().iter().enumerate();
    let read = read.filter(|(number, place)| used.contains(number) || !looked_at(place)).map(|(number, _)| number);
    let mut read: Vec<usize> = read.collect();
    let scanned = source.scan.schema();
    let mut fields: Vec<Field> = read.iter().map(|number| scanned.field(*number).clone()).collect();
    let values = read.iter().map(|number| scan.projection()[*number]).collect();
    if let Some(join) = &mut join {
        let build = join.build.schema();
        for number in used.range(width..) {
            read.push(*number);
            join.values.push(number - width);
            fields.push(build.field(number - width).clone().with_nullable(true));
        }
    }
    for aggregate in &mut aggregates {
        aggregate.renumber(&read)?;
    }
    let conditions = scan.conditions().iter().map(|(expr, typed)| Condition {
        raw: compile(expr, &|name| layout.columns.iter().find(|column| column.name == name).cloned()),
        typed: typed.clone(),
    });
    let conditions = conditions.collect();
    let found = Plan {
        conditions,
        join,
        keys,
        shown,
        values,
        schema: Arc::new(Schema::new(fields)),
        aggregates,
        states: aggregate.schema(),
        layout,
    };
    Some((found, source.scan))
}

/// Whether fields can be read at a glance.
fn is_plain(dialect: &Dialect) -> bool {
    // All fields by name: a new one must be thought about here.
    let Dialect {
        delimiter,
        quote,
        escape,
        header: _,
        header_rows: _,
        skip_rows: _,
        comment,
        encoding: _,
        line_ending,
        compression: _,
        null_values,
        date_order,
        decimal,
    } = dialect;
    delimiter.single().is_some()
        && (escape.is_none() || escape == quote)
        && comment.is_none()
        && matches!(line_ending, LineEnding::Lf | LineEnding::Crlf)
        && null_values.is_empty()
        && date_order.is_none()
        && *decimal != Some(Decimal::Comma)
}

fn source(plan: &Arc<dyn ExecutionPlan>) -> Option<Source> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let inner = source(projection.input())?;
        let columns = projection.expr().iter().map(|column| over(&column.expr, &inner.columns));
        return Some(Source { columns: columns.collect::<Option<_>>()?, ..inner });
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return joined(join);
    }
    if plan.is::<RepartitionExec>() {
        return source(plan.children().first()?);
    }
    let scan = plan.downcast_ref::<TextScan>()?;
    let Content::Csv(dialect, _) = &scan.file().content else { return None };
    // Rejects name the first column of the file that is at fault.
    if !is_plain(dialect) || !scan.projection().is_sorted() {
        return None;
    }
    Some(Source { scan: Arc::clone(plan), join: None, columns: columns(&plan.schema(), 0).collect() })
}

/// The columns of a schema, numbered from `first` on.
fn columns(schema: &SchemaRef, first: usize) -> impl Iterator<Item = Arc<dyn PhysicalExpr>> {
    let column = |(number, field): (usize, &Arc<Field>)| {
        Arc::new(ColumnExpr::new(field.name(), number)) as Arc<dyn PhysicalExpr>
    };
    (first..).zip(schema.fields()).map(column).collect::<Vec<_>>().into_iter()
}

/// A join of a file with rows that may be few.
fn joined(join: &HashJoinExec) -> Option<Source> {
    let plain = join.filter.is_none()
        && join.null_equality == NullEquality::NullEqualsNothing
        && !join.null_aware
        && join.fetch().is_none();
    if !plain {
        return None;
    }
    let (kind, left_first) = match join.join_type {
        JoinType::Inner => (Kind::Inner, is_larger(&join.left, &join.right)),
        JoinType::Left => (Kind::Outer, true),
        JoinType::Right => (Kind::Outer, false),
        JoinType::LeftSemi => (Kind::Semi, true),
        JoinType::RightSemi => (Kind::Semi, false),
        JoinType::LeftAnti => (Kind::Anti, true),
        JoinType::RightAnti => (Kind::Anti, false),
        _ => return None,
    };
    let (probe, build) = if left_first { (&join.left, &join.right) } else { (&join.right, &join.left) };
    let probe = source(probe).filter(|probe| probe.join.is_none())?;
    let scan = probe.scan.downcast_ref::<TextScan>()?;
    let width = scan.projection().len();
    let (mut on, mut build_on) = (Vec::new(), Vec::new());
    for (left, right) in &join.on {
        let (mine, other) = if left_first { (left, right) } else { (right, left) };
        let mine = over(mine, &probe.columns)?.downcast_ref::<ColumnExpr>()?.index();
        let place = *scan.projection().get(mine)?;
        let other = other.downcast_ref::<ColumnExpr>()?.index();
        let (mine, other_kind) =
            (scan.file().schema.field(place).data_type(), build.schema().field(other).data_type().clone());
        if !(has_one_spelling(mine) && (*mine == other_kind || is_text(mine) && is_text(&other_kind))) {
            return None;
        }
        on.push(place);
        build_on.push(other);
    }
    let others: Vec<_> = match kind {
        Kind::Inner | Kind::Outer => columns(&build.schema(), width).collect(),
        Kind::Semi | Kind::Anti => Vec::new(),
    };
    let all = if left_first { [probe.columns, others].concat() } else { [others, probe.columns].concat() };
    let all = match &join.projection {
        Some(chosen) => chosen.iter().map(|number| all.get(*number).map(Arc::clone)).collect::<Option<_>>()?,
        None => all,
    };
    // All partitions are read, so that their number does not matter.
    let build = match build.downcast_ref::<RepartitionExec>() {
        Some(repartition) => repartition.input(),
        None => match build.downcast_ref::<CoalescePartitionsExec>().filter(|coalesce| coalesce.fetch().is_none()) {
            Some(coalesce) => coalesce.input(),
            None => build,
        },
    };
    let join = Join { kind, build: Arc::clone(build), on, build_on, groups: Vec::new(), values: Vec::new() };
    Some(Source { scan: probe.scan, join: Some(join), columns: all })
}

/// Whether the first of two plans reads the larger text file.
fn is_larger(one: &Arc<dyn ExecutionPlan>, other: &Arc<dyn ExecutionPlan>) -> bool {
    let size = |plan| source(plan)?.scan.downcast_ref::<TextScan>().map(|scan| scan.file().size);
    size(one) > size(other)
}

/// An expression over `columns`, which are expressions themselves; `None` if it is not the same each time.
fn over(expr: &Arc<dyn PhysicalExpr>, columns: &[Arc<dyn PhysicalExpr>]) -> Option<Arc<dyn PhysicalExpr>> {
    if is_volatile(expr) {
        return None;
    }
    replaced(expr, |column| columns.get(column.index()).map(Arc::clone))
}

/// An expression with other expressions in place of its columns; `None` if there is none for one of them.
fn replaced(
    expr: &Arc<dyn PhysicalExpr>,
    other: impl Fn(&ColumnExpr) -> Option<Arc<dyn PhysicalExpr>>,
) -> Option<Arc<dyn PhysicalExpr>> {
    let mut lost = false;
    let replaced = Arc::clone(expr).transform_up(|node| {
        let Some(column) = node.downcast_ref::<ColumnExpr>() else { return DfResult::Ok(Transformed::no(node)) };
        match other(column) {
            Some(expr) => Ok(Transformed::yes(expr)),
            None => {
                lost = true;
                Ok(Transformed::no(node))
            }
        }
    });
    replaced.ok().filter(|_| !lost).map(|replaced| replaced.data)
}

impl Aggregate {
    fn exprs(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        self.arguments.iter().chain(&self.filter)
    }

    /// The numbers of the columns that it needs.
    fn columns(&self) -> BTreeSet<usize> {
        let columns = self.exprs().flat_map(datafusion::physical_expr::utils::collect_columns);
        columns.map(|column| column.index()).collect()
    }

    /// Numbers columns by their places in `read`.
    fn renumber(&mut self, read: &[usize]) -> Option<()> {
        for expr in self.arguments.iter_mut().chain(&mut self.filter) {
            *expr = replaced(expr, |column| {
                let number = read.iter().position(|number| *number == column.index())?;
                Some(Arc::new(ColumnExpr::new(column.name(), number)) as Arc<dyn PhysicalExpr>)
            })?;
        }
        Some(())
    }
}
