//! SQL expressions: parsed, names resolved, restricted to what is allowed, and their types checked.
//!
//! A column's name is matched exactly, or in any case if only one column matches so. Function names are in any case.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, SchemaError};
use datafusion::config::Dialect;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{
    Expr as Sql, ExprWithAlias, Ident, ObjectName, ObjectNamePart, VisitMut, VisitorMut,
};
use karyaksham_spec::{Code, did_you_mean};

use super::scope::Scope;

/// What an expression may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value for each row.
    Scalar,
    /// At least one aggregate.
    Aggregate,
}

impl Scope<'_> {
    /// Parses an expression; `None` and a problem if it cannot be read.
    pub(super) fn parse(&mut self, text: &str, place: &str) -> Option<ExprWithAlias> {
        match self.context.state().sql_to_expr_with_alias(text, &Dialect::PostgreSQL) {
            Ok(sql) if sql.alias.is_none() => Some(sql),
            Ok(_) => {
                let hint = Some("leave `AS …` out: the column's name stands in `name`".to_owned());
                self.problem(place, Code::InvalidExpression, "an expression has no name here", hint);
                None
            }
            Err(error) => {
                self.plan_error(place, &error);
                None
            }
        }
    }

    /// Parses and checks an expression over the columns of `schema`; `None` and problems if it is wrong.
    pub(super) fn expr(&mut self, text: &str, schema: &DFSchema, place: &str, kind: Kind) -> Option<Expr> {
        let state = self.context.state();
        let mut sql = self.parse(text, place)?;
        let mut names = Names { schema, aliases: HashSet::new(), unknown: Vec::new() };
        let _ = sql.expr.visit(&mut names);
        if !names.unknown.is_empty() {
            for name in names.unknown {
                let hint = did_you_mean(&name, schema.fields().iter().map(|field| field.name().as_str()));
                self.problem(place, Code::UnknownColumn, format!("there is no column `{name}` here"), hint);
            }
            return None;
        }
        let expr = match state.create_logical_expr_from_sql_expr(sql, schema) {
            Ok(expr) => expr,
            Err(error) => {
                self.plan_error(place, &error);
                return None;
            }
        };
        if let Some(message) = forbidden(&expr, kind) {
            self.problem(place, Code::InvalidExpression, message, None);
            return None;
        }
        // Planning it for real checks the types. Aggregates are checked with their groups.
        if kind == Kind::Scalar
            && let Err(error) = state.create_physical_expr(expr.clone(), schema).and_then(|_| constants(&expr, schema))
        {
            self.plan_error(place, &error);
            return None;
        }
        Some(expr)
    }

    /// The same for a condition, which must be true or false.
    pub(super) fn condition(&mut self, text: &str, schema: &DFSchema, place: &str) -> Option<Expr> {
        let expr = self.expr(text, schema, place, Kind::Scalar)?;
        match expr.get_type(schema) {
            Ok(DataType::Boolean | DataType::Null) => Some(expr),
            Ok(other) => {
                let name = crate::types::type_name(&other);
                let hint = Some("compare it with something, e.g. amount > 100".to_owned());
                self.problem(place, Code::TypeError, format!("the condition is of type {name}, not boolean"), hint);
                None
            }
            Err(error) => {
                self.plan_error(place, &error);
                None
            }
        }
    }
}

/// Converts the constants as running would, so that `amount > 'abc'` is found now.
fn constants(expr: &Expr, schema: &DFSchema) -> DfResult<()> {
    let context = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
    let coerced = ExprSimplifier::new(context).coerce(expr.clone(), schema)?;
    coerced.apply(|part| {
        if let Expr::Cast(cast) = part
            && let Expr::Literal(value, _) = cast.expr.as_ref()
        {
            value.cast_to(cast.field.data_type())?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Code and message for what DataFusion says.
pub(super) fn explain(error: &DataFusionError) -> (Code, String) {
    match error {
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, .. } => {
                (Code::UnknownColumn, format!("there is no column `{}` here", field.name))
            }
            SchemaError::DuplicateUnqualifiedField { name } => {
                (Code::DuplicateColumn, format!("there would be two columns `{name}`"))
            }
            other => (Code::InvalidExpression, other.to_string()),
        },
        DataFusionError::SQL(inner, _) => {
            (Code::InvalidExpression, format!("the SQL cannot be read: {}", first_line(&inner.to_string())))
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => explain(inner),
        DataFusionError::ArrowError(inner, _) => (Code::TypeError, first_line(&inner.to_string())),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => explain(first),
            None => (Code::InvalidExpression, error.to_string()),
        },
        other => {
            let text = first_line(&other.strip_backtrace());
            let text = ["Error during planning: ", "Execution error: ", "This feature is not implemented: "]
                .iter()
                .fold(text.as_str(), |text, prefix| text.trim_start_matches(prefix))
                .to_owned();
            let types = ["coerce", "cast", "type", "signature", "argument"];
            let code = if types.iter().any(|word| text.contains(word)) && !text.contains("Invalid function") {
                Code::TypeError
            } else {
                Code::InvalidExpression
            };
            (code, text)
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Why an expression is not allowed.
fn forbidden(expr: &Expr, kind: Kind) -> Option<&'static str> {
    let mut found = None;
    let mut aggregates = false;
    let _ = expr.apply(|part| {
        let reason = match part {
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                Some("sub-queries are not allowed here; use the step `join` or `sql`")
            }
            Expr::WindowFunction(_) => Some("window functions are not allowed here; use the step `sql`"),
            Expr::AggregateFunction(_) => {
                aggregates = true;
                (kind == Kind::Scalar).then_some("aggregates belong into the step `aggregate`")
            }
            Expr::Placeholder(_) => Some("placeholders have no value here"),
            Expr::OuterReferenceColumn(..) | Expr::GroupingSet(_) | Expr::Unnest(_) => Some("this is not allowed here"),
            _ => None,
        };
        if reason.is_some() {
            found = reason;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if found.is_none() && kind == Kind::Aggregate && !aggregates {
        return Some("an aggregate is needed here, e.g. count(*), sum(amount), max(ts)");
    }
    found
}

/// Gives column names their exact spelling, quoted, and functions their lower-case names.
struct Names<'a> {
    schema: &'a DFSchema,
    /// Parameters of lambdas, which are no columns.
    aliases: HashSet<String>,
    unknown: Vec<String>,
}

impl Names<'_> {
    fn resolve(&mut self, ident: &mut Ident) {
        if self.aliases.contains(&ident.value) {
            return;
        }
        let fields = self.schema.fields();
        let name = if fields.iter().any(|field| *field.name() == ident.value) {
            Some(ident.value.clone())
        } else if ident.quote_style.is_none() {
            let mut alike = fields.iter().filter(|field| field.name().eq_ignore_ascii_case(&ident.value));
            match (alike.next(), alike.next()) {
                (Some(one), None) => Some(one.name().clone()),
                _ => None,
            }
        } else {
            None
        };
        match name {
            Some(name) => *ident = Ident::with_quote('"', name),
            None => {
                if !self.unknown.contains(&ident.value) {
                    self.unknown.push(ident.value.clone());
                }
            }
        }
    }
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Sql) -> ControlFlow<()> {
        match expr {
            Sql::Lambda(lambda) => {
                for parameter in &lambda.params {
                    self.aliases.insert(parameter.name.value.clone());
                }
            }
            Sql::Function(function) => lower(&mut function.name),
            // A field of a struct: only its first part is a column. A column whose name holds a dot is quoted.
            Sql::CompoundIdentifier(parts) if !parts.is_empty() => self.resolve(&mut parts[0]),
            Sql::Identifier(ident) => self.resolve(ident),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, _: &mut datafusion::sql::sqlparser::ast::Query) -> ControlFlow<()> {
        // Refused later, as a sub-query; its names are not these columns.
        ControlFlow::Break(())
    }
}

/// Function names in lower case, as DataFusion knows them.
pub(super) fn lower(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(ident) = part
            && ident.quote_style.is_none()
        {
            ident.value = ident.value.to_lowercase();
        }
    }
}
