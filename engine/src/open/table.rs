//! Stored files as one DataFusion table, for SQL over results and data sets: columns and filters are pushed down to each
//! format's own scan, as in a pipeline.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use datafusion::prelude::SessionContext;

use super::{ArrowTable, Format, StoredFile, parquet_table, size_of, text_file};
use crate::error::{EngineError, ErrorCode, Result};
use crate::guard::guarded_work;
use crate::inspect::all_nullable;
use crate::scan::{Ledger, TextTable};

/// The table of these files, which have the same columns, one after another.
///
/// Texts come as views if the session says so. A row of a text file that does not fit the schema ends a scan with
/// [`ErrorCode::BadRow`]. Must be called on a tokio runtime.
pub async fn table(files: &[StoredFile], context: &SessionContext) -> Result<Arc<dyn TableProvider>> {
    let mut parts = Vec::with_capacity(files.len());
    let mut empty = None;
    for file in files {
        match part(file, context).await? {
            Part::Table(table) => parts.push(table),
            Part::Empty(schema) => empty = Some(schema),
        }
    }
    match (parts.len(), empty) {
        (1, _) => Ok(parts.swap_remove(0)),
        (0, Some(schema)) => Ok(Arc::new(EmptyTable::new(schema))),
        (0, None) => Err(EngineError::new(ErrorCode::InputNotFound, "the table has no files")),
        _ => Ok(Arc::new(Files { schema: parts[0].schema(), parts })),
    }
}

enum Part {
    Table(Arc<dyn TableProvider>),
    /// A text file without a byte: no rows, though the scanner would ask where its header is.
    Empty(SchemaRef),
}

async fn part(file: &StoredFile, context: &SessionContext) -> Result<Part> {
    let size = size_of(file).await?;
    let state = context.state();
    Ok(Part::Table(match file.format {
        Format::Parquet => {
            context.register_object_store(&file.location.store_url()?, Arc::clone(&file.location.store));
            guarded_work(file.location.file_name(), parquet_table(&file.location, size, &state)).await?
        }
        Format::Arrow => Arc::new(ArrowTable::open(&file.location, size).await?),
        _ => {
            let mut text = text_file(file, size)?;
            text.schema = all_nullable(&text.schema, state.config_options().execution.parquet.schema_force_view_types);
            if size == 0 {
                return Ok(Part::Empty(text.schema));
            }
            Arc::new(TextTable::new(text, Arc::new(Ledger::strict()), state.config().target_partitions()))
        }
    }))
}

/// Several files as one table.
#[derive(Debug)]
struct Files {
    schema: Arc<Schema>,
    parts: Vec<Arc<dyn TableProvider>>,
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// What the first file's scan says: all are of one format.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        self.parts[0].supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let mut scans = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            scans.push(part.scan(session, projection, filters, limit).await?);
        }
        UnionExec::try_new(scans)
    }
}
