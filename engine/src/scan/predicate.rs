//! Conditions that are checked while a file is read: the columns they need first, the others only of rows that pass.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::physical_expr::PhysicalExpr;

use crate::error::Result;

/// Conditions that all must be true, in the order in which they are checked: a row that one leaves out is not looked at
/// by the next.
#[derive(Debug, Clone)]
pub struct Predicate {
    stages: Vec<Stage>,
}

/// One condition.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The file's columns that it needs, ascending.
    pub columns: Vec<usize>,
    schema: SchemaRef,
    condition: Arc<dyn PhysicalExpr>,
}

impl Predicate {
    /// Plans conditions over the columns of a file.
    pub fn plan(filters: &[Expr], file: &SchemaRef, session: &dyn Session) -> DfResult<Self> {
        let mut stages = Vec::new();
        for condition in filters.iter().flat_map(split_conjunction) {
            let mut columns = BTreeSet::new();
            for column in condition.column_refs() {
                columns.insert(file.index_of(column.name())?);
            }
            let columns: Vec<usize> = columns.into_iter().collect();
            let schema: SchemaRef = Arc::new(file.project(&columns)?);
            let known = DFSchema::try_from(Schema::clone(&schema))?;
            let condition = session.create_physical_expr(condition.clone(), &known)?;
            stages.push(Stage { columns, schema, condition });
        }
        Ok(Self { stages })
    }

    /// The conditions.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The file's columns that are needed, ascending.
    pub fn columns(&self) -> BTreeSet<usize> {
        self.stages.iter().flat_map(|stage| stage.columns.iter().copied()).collect()
    }

    /// The rows of a batch for which all is true; `places` are the file's columns that the batch has.
    pub fn filter(&self, mut batch: RecordBatch, places: &[usize]) -> Result<RecordBatch> {
        for stage in &self.stages {
            let arrays = stage.columns.iter().filter_map(|column| {
                let place = places.iter().position(|place| place == column)?;
                Some(Arc::clone(batch.column(place)))
            });
            let keep = stage.check(arrays.collect(), batch.num_rows())?;
            if keep.true_count() < batch.num_rows() {
                batch = filter_record_batch(&batch, &keep)?;
            }
        }
        Ok(batch)
    }
}

impl Stage {
    /// For each row whether the condition is true; null is false. `arrays` are its columns, of `rows` rows.
    pub fn check(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<BooleanArray> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        let found = self.condition.evaluate(&batch)?.into_array(rows)?;
        let found = found.as_boolean();
        Ok(if found.null_count() == 0 { found.clone() } else { prep_null_mask_filter(found) })
    }
}
