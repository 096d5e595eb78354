//! The inspection's report, as JSON.

use futures::StreamExt;
use karyaksham_spec::{Compression, Format};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Example, Inspected, Known, is_plain, look, rows_json, whole};
use crate::error::Result;
use crate::open::{self, StoredFile};
use crate::request::InputRequest;
use crate::scan::{Block, Dialect, Index};
use crate::store::{Location, StorageOptions, Stores};
use crate::types::type_name;

/// Rows shown.
const PREVIEW_ROWS: usize = 100;

/// What to inspect.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InspectRequest {
    /// The file.
    pub input: InputRequest,
    /// Keys of the storage.
    #[serde(default)]
    pub storage: Option<StorageOptions>,
}

/// What a file is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    format: Format,
    compression: Compression,
    encoding: Option<&'static str>,
    dialect: Option<Dialect>,
    schema: Vec<ColumnReport>,
    row_estimate: Option<u64>,
    rows_exact: bool,
    size_bytes: u64,
    preview: Preview,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ColumnReport {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    nullable: bool,
    reason: String,
    /// Values that do not fit the type that the column nearly has, with their lines; at most five.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counter_examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Preview {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// Inspects one file.
pub async fn inspect(request: InspectRequest) -> Result<Report> {
    let stores = Stores::new(request.storage);
    let location = stores.locate(&request.input.url)?;
    let declared = request.input.declared();
    let file_name = request.input.file_name.clone().or_else(|| Some(location.file_name()));
    let known = Known { file_name, declared };
    let mut inspected = look(&location, &known).await?;
    whole::complete_if_local(&mut inspected, &location, &known.declared).await?;
    let rows = preview(&location, &inspected).await?;
    let text = !matches!(inspected.format, Format::Parquet | Format::Arrow);
    // Lines and NDJSON need a dialect only if they are compressed or of another encoding.
    let dialect =
        (inspected.format == Format::Csv || (text && !is_plain(&inspected.dialect))).then(|| inspected.dialect.clone());
    let columns = inspected.schema.fields();
    Ok(Report {
        format: inspected.format,
        compression: inspected.dialect.compression,
        encoding: text.then(|| inspected.dialect.encoding.as_str()),
        dialect,
        schema: columns
            .iter()
            .zip(inspected.reasons)
            .zip(inspected.examples.into_iter().chain(std::iter::repeat(Vec::new())))
            .map(|((field, reason), counter_examples)| ColumnReport {
                name: field.name().clone(),
                kind: type_name(field.data_type()),
                nullable: field.is_nullable(),
                reason,
                counter_examples,
            })
            .collect(),
        row_estimate: inspected.rows.map(|(rows, _)| rows),
        rows_exact: inspected.rows.is_some_and(|(_, exact)| exact),
        size_bytes: inspected.size,
        preview: Preview { columns: columns.iter().map(|field| field.name().clone()).collect(), rows },
        warnings: inspected.warnings,
    })
}

async fn preview(location: &Location, inspected: &Inspected) -> Result<Vec<Vec<Value>>> {
    if matches!(inspected.format, Format::Parquet | Format::Arrow) {
        let file = StoredFile { size: Some(inspected.size), ..StoredFile::new(location.clone(), inspected.format) };
        let mut rows = Vec::new();
        let mut batches = open::stream(&file).await?;
        while rows.len() < PREVIEW_ROWS
            && let Some(batch) = batches.next().await
        {
            rows.extend(rows_json(&batch?, PREVIEW_ROWS - rows.len())?);
        }
        return Ok(rows);
    }
    let parser = inspected.text_file(location, false).parser(None, None)?;
    let block = Block::beginning(&inspected.head.slice(..inspected.head.len().min(1 << 20)), &inspected.dialect);
    let mut rows = Vec::new();
    for batch in parser.parse(&block, &mut Index::default())?.batches {
        rows.extend(rows_json(&batch, PREVIEW_ROWS - rows.len())?);
    }
    Ok(rows)
}
