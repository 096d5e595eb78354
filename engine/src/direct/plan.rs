//! Which pipelines go the direct way, and what it does for them.

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::SessionContext;
use karyaksham_spec::{Output, OutputCompression, OutputFormat, Pipeline, Step};

use super::check::Check;
use super::csv::{Csv, Stage, can_be_key};
use super::keys::Keys;
use super::lines::{self, Lines};
use super::raw::{Node, compile};
use super::rows::{Condition, Layout};
use super::work::Work;
use crate::plan::condition;
use crate::scan::{Column, Content, Dialect, LinesParser, Mark, Predicate, Separators, TextFile};
use crate::sink::write_text;

/// A pipeline that goes the direct way.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(super) file: TextFile,
    pub(super) work: Work,
    /// What stands before all rows.
    pub(super) head: Vec<u8>,
    /// For each step, the stages before its end.
    pub(super) steps: Vec<usize>,
}

/// The columns at one point of the pipeline: names, and places in the file.
struct Now<'a> {
    file: &'a TextFile,
    context: &'a SessionContext,
    /// The file's columns.
    known: Vec<Column>,
    columns: Vec<(String, usize)>,
}

/// What a step does to rows, before it is known how it is done.
enum Rows {
    Filter(Vec<(Option<Node>, Predicate)>),
    Distinct(Vec<usize>),
}

/// How a pipeline over one text file goes the direct way; `None` if it does not.
///
/// The pipeline must have been planned without a problem: what is wrong with it is not looked for here.
pub(crate) fn recognise(pipeline: &Pipeline, file: &TextFile, context: &SessionContext) -> Option<Direct> {
    let delimiter = written(&pipeline.output, file)?;
    let schema = &file.schema;
    let all = schema.fields().iter().enumerate().map(|(place, field)| (field.name().clone(), place));
    let mut now = Now { file, context, known: file_columns(file), columns: all.collect() };
    let (mut stages, mut steps) = (Vec::new(), Vec::new());
    for step in &pipeline.steps {
        match step {
            Step::Filter(step) => stages.push(Rows::Filter(now.conditions(&step.condition)?)),
            Step::DropNull(step) => {
                let names = if step.columns.is_empty() { now.names() } else { step.columns.clone() };
                let places = names.iter().map(|name| now.place(name)).collect::<Option<Vec<usize>>>()?;
                let not_null = |place| now.planned(Expr::IsNotNull(Box::new(now.column(place))));
                let conditions = places.into_iter().map(not_null).collect::<Option<Vec<_>>>()?;
                stages.push(Rows::Filter(conditions));
            }
            Step::Distinct(step) if !step.on.is_empty() => {
                let on = step.on.iter().map(|name| now.place(name)).collect::<Option<Vec<usize>>>()?;
                if !on.iter().all(|place| can_be_key(schema.field(*place).data_type())) {
                    return None;
                }
                stages.push(Rows::Distinct(on));
            }
            Step::Select(step) => {
                let kept = step.columns.iter().map(|name| Some((name.clone(), now.place(name)?)));
                now.columns = kept.collect::<Option<Vec<_>>>()?;
            }
            Step::Drop(step) => now.columns.retain(|(name, _)| !step.columns.contains(name)),
            Step::Rename(step) => {
                for (name, _) in &mut now.columns {
                    if let Some(column) = step.columns.iter().find(|column| column.from == *name) {
                        name.clone_from(&column.to);
                    }
                }
            }
            _ => return None,
        }
        steps.push(stages.len());
    }
    let places: Vec<usize> = now.columns.iter().map(|(_, place)| *place).collect();
    let mut head = Vec::new();
    let work = match &file.content {
        Content::Csv(dialect, _) => {
            if pipeline.output.header.unwrap_or(true) {
                for (number, (name, _)) in now.columns.iter().enumerate() {
                    if number > 0 {
                        head.push(delimiter);
                    }
                    write_text(&mut head, name.as_bytes(), delimiter);
                }
                head.push(b'\n');
            }
            Work::Csv(Box::new(csv(file, dialect, stages, places, context)))
        }
        Content::Lines(..) => {
            let conditions = stages.into_iter().map(|stage| match stage {
                Rows::Filter(conditions) => {
                    Some(conditions.into_iter().map(|(raw, typed)| lines::Condition { raw, typed }).collect::<Vec<_>>())
                }
                Rows::Distinct(_) => None,
            });
            let stages = conditions.collect::<Option<Vec<_>>>()?;
            let views = schema.field(0).data_type() == &DataType::Utf8View;
            Work::Lines(Lines { stages, parser: LinesParser::new(views) })
        }
        Content::Ndjson(..) => return None,
    };
    Some(Direct { file: file.clone(), work, head, steps })
}

/// Whether rows can be written as they are read; the delimiter.
fn written(output: &Output, file: &TextFile) -> Option<u8> {
    // All fields by name: a new one must be thought about here.
    let Output { format, compression, level: _, partition_by, max_file_bytes, delimiter, header: _, escape_formulas } =
        output;
    let one_file = partition_by.is_empty() && max_file_bytes.is_none();
    let changed = !matches!(compression, None | Some(OutputCompression::None)) || *escape_formulas == Some(true);
    if changed || !one_file {
        return None;
    }
    match (&file.content, format) {
        (Content::Csv(dialect, _), OutputFormat::Csv | OutputFormat::Tsv) => {
            let usual = if *format == OutputFormat::Csv { b',' } else { b'\t' };
            let delimiter = delimiter.as_ref().and_then(|text| text.bytes().next()).unwrap_or(usual);
            (dialect.is_verbatim() && dialect.delimiter == Mark::from(delimiter)).then_some(delimiter)
        }
        (Content::Lines(..), OutputFormat::Lines) => Some(b'\n'),
        _ => None,
    }
}

/// All columns of a file.
pub(crate) fn file_columns(file: &TextFile) -> Vec<Column> {
    let declared = match &file.content {
        Content::Csv(_, declared) => declared.as_slice(),
        _ => &[],
    };
    let column = |(index, field): (usize, &FieldRef)| Column {
        name: field.name().clone(),
        kind: field.data_type().clone(),
        index,
        declared: declared.contains(field.name()),
    };
    file.schema.fields().iter().enumerate().map(column).collect()
}

fn csv(file: &TextFile, dialect: &Dialect, stages: Vec<Rows>, places: Vec<usize>, context: &SessionContext) -> Csv {
    let layout = Layout { dialect: dialect.clone(), separators: Separators::of(dialect), columns: file_columns(file) };
    // What must fit wherever a row is chosen among its likes: all that is needed of it later.
    let mut needed = places.clone();
    let mut check = None;
    let mut planned = Vec::with_capacity(stages.len());
    for stage in stages.into_iter().rev() {
        planned.push(match stage {
            Rows::Filter(conditions) => {
                let conditions: Vec<Condition> =
                    conditions.into_iter().map(|(raw, typed)| Condition { raw, typed }).collect();
                needed.extend(conditions.iter().flat_map(Condition::columns));
                Stage::Filter(conditions)
            }
            Rows::Distinct(on) => {
                let memory = MemoryConsumer::new("distinct").register(&context.runtime_env().memory_pool);
                let stage =
                    Stage::Distinct { on: on.clone(), keys: Keys::new(&memory), check: Check::new(needed.clone()) };
                needed.extend(on);
                check = Some(());
                stage
            }
        });
    }
    planned.reverse();
    let check = check.is_none().then(|| Check::new(places.clone()));
    Csv { layout, stages: planned, check, runs: Csv::runs(&places), columns: places }
}

impl Now<'_> {
    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The place in the file of a column.
    fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, place)| *place)
    }

    /// The column at a place, by its name in the file.
    fn column(&self, place: usize) -> Expr {
        datafusion::prelude::ident(self.file.schema.field(place).name())
    }

    /// The conditions of a filter, all of which must be true.
    fn conditions(&self, text: &str) -> Option<Vec<(Option<Node>, Predicate)>> {
        let named =
            |(name, place): &(String, usize)| Field::clone(self.file.schema.field(*place)).with_name(name.clone());
        let fields: Fields = self.columns.iter().map(named).collect();
        let schema = DFSchema::from_unqualified_fields(fields, std::collections::HashMap::default()).ok()?;
        let expr = condition(text, &schema, self.context)?;
        // By their names in the file: a renamed column may have the name of another one there.
        let renamed = expr.transform(|part| match &part {
            Expr::Column(column) => match self.place(&column.name) {
                Some(place) => Ok(Transformed::yes(self.column(place))),
                None => Ok(Transformed::no(part)),
            },
            _ => Ok(Transformed::no(part)),
        });
        let file = DFSchema::try_from(self.file.schema.as_ref().clone()).ok()?;
        let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(file.clone().into()).build());
        let expr = simplifier.coerce(renamed.ok()?.data, &file).and_then(|expr| simplifier.simplify(expr)).ok()?;
        let mut conditions =
            split_conjunction_owned(expr).into_iter().map(|expr| self.planned(expr)).collect::<Option<Vec<_>>>()?;
        // The cheap ones first: what they leave out need not be converted for the others.
        conditions.sort_by_key(|(raw, _)| raw.is_none());
        Some(conditions)
    }

    /// A condition, by names in the file.
    fn planned(&self, expr: Expr) -> Option<(Option<Node>, Predicate)> {
        let find = |name: &str| self.known.iter().find(|column| column.name == name).cloned();
        let raw = compile(&expr, &find);
        let typed = Predicate::plan(&[expr], &self.file.schema, &self.context.state()).ok()?;
        Some((raw, typed))
    }
}
