//! One SELECT: read, guarded, planned over the caller's tables, and run in bounded memory and time.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::common::TableReference;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{self, ObjectName, ObjectNamePart, TableFactor, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use karyaksham_engine::session;

use super::handle::{Handle, Pin};
use super::settings::SqlLimits;
use super::tables::Tables;
use super::{Session, errors, params};
use crate::error::{Error, Result};
use crate::schema::plain_schema;

/// Rows of a batch while a statement is computed.
const BATCH_ROWS: usize = 8192;
/// Tables that one statement may name.
const MOST_TABLES: usize = 64;
/// Nested parentheses, sub-queries and the like.
const MOST_NESTED: usize = 64;

/// A statement that can be run.
pub struct Planned {
    /// Where its tables are registered.
    pub context: SessionContext,
    /// What to do, one after another: once for each row of parameters.
    pub plans: Vec<LogicalPlan>,
    /// The columns that go out.
    pub schema: SchemaRef,
    /// What its names stand for.
    pub pins: Vec<Pin>,
}

/// What is known of a statement whose parameters have no values yet.
pub struct Prepared {
    /// The columns that will go out, if the parameters' types do not decide them.
    pub schema: Option<SchemaRef>,
    /// One column for each parameter.
    pub parameters: SchemaRef,
}

/// Plans statements. Cloning shares everything.
#[derive(Clone)]
pub struct Planner {
    /// Where tables come from.
    pub tables: Tables,
    /// What a statement may use.
    pub limits: SqlLimits,
}

impl Planner {
    /// Plan a statement with its bound parameters.
    pub async fn plan(&self, session: &Session, handle: &Handle) -> Result<Planned> {
        let rows = handle.values()?;
        let (statement, count) = self.parse(&handle.sql)?;
        if let Some(values) = rows.iter().find(|values| values.len() != count) {
            return Err(Error::InvalidArgument(format!(
                "The statement has {count} parameters, {} values are bound.",
                values.len()
            )));
        }
        let context = self.context()?;
        let (statement, pins) = self.open(session, statement, &handle.pins, &context).await?;
        let mut plans: Vec<LogicalPlan> = Vec::with_capacity(rows.len());
        let mut told: Option<SchemaRef> = None;
        for values in &rows {
            let mut bound = statement.clone();
            if let Statement::Statement(inner) = &mut bound {
                params::bind(inner.as_mut(), values)?;
            }
            let plan = plan(&context, bound).await?;
            let schema = schema(&context, &plan)?;
            told = Some(match told {
                None => schema,
                Some(told) => common(&told, &schema)?,
            });
            plans.push(plan);
        }
        let schema = told.ok_or_else(|| Error::InvalidArgument("No values are bound.".into()))?;
        Ok(Planned { context, plans, schema, pins })
    }

    /// Check a statement, and tell its columns and parameters.
    pub async fn prepare(&self, session: &Session, sql: &str) -> Result<Prepared> {
        let (statement, count) = self.parse(sql)?;
        let context = self.context()?;
        let (statement, _) = self.open(session, statement, &[], &context).await?;
        let planned = plan(&context, statement).await;
        if count == 0 {
            let schema = schema(&context, &planned?)?;
            return Ok(Prepared { schema: Some(schema), parameters: params::schema(0, None) });
        }
        // Without values not every statement can be planned; what is wrong with it is said when it has them.
        let plan = planned.ok();
        let schema = plan.as_ref().and_then(|plan| schema(&context, plan).ok());
        Ok(Prepared { schema, parameters: params::schema(count, plan.as_ref()) })
    }

    fn context(&self) -> Result<SessionContext> {
        let settings = session::Settings {
            partitions: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            batch_rows: BATCH_ROWS,
            views: true,
            hash_join: true,
            direct: false,
            own_parts: false,
        };
        let (memory, disk) = (Some(self.limits.memory_limit_bytes), Some(self.limits.spill_limit_bytes));
        let context = session::context(settings, memory, self.limits.spill_dir.as_deref(), disk)
            .map_err(|error| errors::engine(&error))?;
        let mut state = context.state();
        // Names are taken as they are written, as in the step `sql`.
        state.config_mut().options_mut().sql_parser.enable_ident_normalization = false;
        Ok(SessionContext::new_with_state(state))
    }

    /// The statement, if it is one SELECT; and how many parameters it has.
    fn parse(&self, sql: &str) -> Result<(Statement, usize)> {
        if sql.len() > self.limits.max_statement_bytes {
            return Err(Error::InvalidArgument(format!(
                "The statement is {} bytes long; {} are taken. Upload long lists of values as a data set, and join it.",
                sql.len(),
                self.limits.max_statement_bytes
            )));
        }
        let text = params::number(sql)?;
        let mut statements = DFParserBuilder::new(text.as_str())
            .with_dialect(&PostgreSqlDialect {})
            .with_recursion_limit(MOST_NESTED)
            .build()
            .and_then(|mut parser| parser.parse_statements())
            .map_err(errors::statement)?;
        let count = statements.len();
        let (Some(Statement::Statement(mut inner)), 1) = (statements.pop_front(), count) else {
            return Err(refused(&text, count));
        };
        if !matches!(inner.as_ref(), ast::Statement::Query(_)) {
            return Err(refused(&text, count));
        }
        let count = params::bind(inner.as_mut(), &[])?;
        Ok((Statement::Statement(inner), count))
    }

    /// Register the tables that a statement names.
    async fn open(
        &self,
        session: &Session,
        mut statement: Statement,
        pins: &[Pin],
        context: &SessionContext,
    ) -> Result<(Statement, Vec<Pin>)> {
        let mut names = Names::default();
        if let Statement::Statement(inner) = &mut statement {
            let _ = inner.visit(&mut names);
        }
        let references = context.state().resolve_table_references(&statement).map_err(errors::statement)?;
        let references: Vec<TableReference> = references
            .into_iter()
            .filter(|name| !(name.schema().is_none() && names.functions.contains(name.table())))
            .collect();
        if references.len() > MOST_TABLES {
            return Err(Error::InvalidArgument(format!(
                "The statement names {} tables; {MOST_TABLES} are taken.",
                references.len()
            )));
        }
        let mut found = Vec::with_capacity(references.len());
        for name in references {
            let known = pins.iter().find(|pin| pin.name == name.to_string());
            let pin = match known {
                Some(pin) => pin.clone(),
                None => self.tables.find(session, &name).await?,
            };
            let table = self.tables.open(session, &pin, context).await?;
            home(context, &name)?;
            context.register_table(name, table).map_err(errors::statement)?;
            found.push(pin);
        }
        Ok((statement, found))
    }
}

/// Make the catalog and schema that a name lies in.
fn home(context: &SessionContext, name: &TableReference) -> Result<()> {
    let state = context.state();
    let defaults = &state.config_options().catalog;
    let resolved = name.clone().resolve(&defaults.default_catalog, &defaults.default_schema);
    let catalog = context.catalog(&resolved.catalog).unwrap_or_else(|| {
        let made: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
        context.register_catalog(resolved.catalog.as_ref(), Arc::clone(&made));
        made
    });
    if catalog.schema(&resolved.schema).is_none() {
        catalog.register_schema(&resolved.schema, Arc::new(MemorySchemaProvider::new())).map_err(errors::statement)?;
    }
    Ok(())
}

async fn plan(context: &SessionContext, statement: Statement) -> Result<LogicalPlan> {
    let plan = context.state().statement_to_plan(statement).await.map_err(errors::statement)?;
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&plan).map_err(errors::statement)?;
    Ok(plan)
}

/// The columns of a plan once all types are decided; what `FlightInfo` and `DoGet` both say.
fn schema(context: &SessionContext, plan: &LogicalPlan) -> Result<SchemaRef> {
    let state = context.state();
    let analyzed = state
        .analyzer()
        .execute_and_check(plan.clone(), state.config_options(), |_, _| {})
        .map_err(errors::statement)?;
    Ok(plain_schema(analyzed.schema().as_arrow()))
}

/// The columns of rows that several rows of parameters select: a column may be null in one and not in another.
fn common(a: &SchemaRef, b: &SchemaRef) -> Result<SchemaRef> {
    let fields = a.fields().iter().zip(b.fields()).map(|(a, b)| {
        if a.data_type() == b.data_type() {
            return Ok(a.as_ref().clone().with_nullable(a.is_nullable() || b.is_nullable()));
        }
        Err(Error::InvalidArgument(format!(
            "The column `{}` is {} with one row of parameters and {} with another: bind values of the same types, or cast \
             the column.",
            a.name(),
            a.data_type(),
            b.data_type()
        )))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
}

fn refused(sql: &str, count: usize) -> Error {
    if count == 0 {
        return Error::InvalidArgument("The statement is empty: write one SELECT.".into());
    }
    if count > 1 {
        return Error::InvalidArgument(format!("There are {count} statements: send one SELECT at a time."));
    }
    let first = sql.split_whitespace().next().unwrap_or_default();
    let word: String = first.chars().take(20).filter(char::is_ascii_alphabetic).collect::<String>().to_uppercase();
    Error::InvalidArgument(format!(
        "Flight SQL is read-only here: one SELECT (or WITH … SELECT) is taken, not {word}. New tables come from jobs and \
         uploads."
    ))
}

/// Gives functions their lower-case names, as DataFusion knows them, and notes which tables are function calls.
#[derive(Default)]
struct Names {
    functions: HashSet<String>,
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::Function(function) = expr {
            lower(&mut function.name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            lower(name);
            self.functions.insert(name.to_string());
        }
        ControlFlow::Continue(())
    }
}

fn lower(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(ident) = part
            && ident.quote_style.is_none()
        {
            ident.value = ident.value.to_lowercase();
        }
    }
}
