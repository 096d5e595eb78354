//! Everything that is wrong with a specification, given the inputs' schemas.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::SessionContext;
use karyaksham_spec::{Code, MAIN_INPUT, Output, Problem, Step, did_you_mean};

use super::{Tables, plan, syntax};
use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::Ledger;
use crate::session;
use crate::types::{ColumnSchema, from_columns};

/// All problems of a specification. `schemas` is a JSON object from input names to lists of columns; without it, only
/// what needs no columns is checked: shape, rules, and whether expressions, patterns and queries can be read.
pub fn validate(spec: &str, schemas: Option<&str>) -> Result<Vec<Problem>> {
    let (pipeline, mut problems) = karyaksham_spec::check(spec);
    let parts = karyaksham_spec::parts(spec);
    let steps: Vec<Option<&Step>> = parts.steps.iter().map(Option::as_ref).collect();
    let context = SessionContext::new_with_config(session::config(1, 8192));
    add(syntax::check(&steps, &context), &mut problems);
    let Some(schemas) = schemas else { return Ok(problems) };
    let schemas: BTreeMap<String, Vec<ColumnSchema>> = serde_json::from_str(schemas)
        .map_err(|error| EngineError::new(ErrorCode::InvalidRequest, format!("the schemas are wrong: {error}")))?;
    for (index, input) in parts.inputs.iter().enumerate() {
        if !schemas.contains_key(&input.name) {
            let message = format!("the job has no input `{}`", input.name);
            let hint = did_you_mean(&input.name, schemas.keys().map(String::as_str));
            problems.push(Problem::new(format!("inputs[{index}].name"), Code::UnknownInput, message).maybe_hint(hint));
        }
    }
    if !schemas.contains_key(MAIN_INPUT) {
        return Ok(problems);
    }
    let mut tables: Tables = HashMap::new();
    for (name, columns) in &schemas {
        let table = Arc::new(EmptyTable::new(from_columns(columns)?));
        let frame = context.read_table(table);
        tables.insert(name.clone(), frame.map_err(EngineError::from)?);
    }
    let output = pipeline.map(|pipeline| pipeline.output).or(parts.output).unwrap_or_else(Output::default);
    if let Err(found) = plan(&steps, &output, &context, &tables, &Arc::new(Ledger::strict())) {
        add(found, &mut problems);
    }
    Ok(problems)
}

/// Adds problems, without those that earlier checks found at the same places.
fn add(found: Vec<Problem>, problems: &mut Vec<Problem>) {
    let known = |problem: &Problem| problems.iter().any(|p| p.path == problem.path && p.code == problem.code);
    let new: Vec<Problem> = found.into_iter().filter(|problem| !known(problem)).collect();
    problems.extend(new);
}
