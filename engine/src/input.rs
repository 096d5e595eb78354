//! Inputs of a job: opened, known, and made to tables.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::SessionContext;
use karyaksham_spec::{Compression, Format, InputOverride};

use crate::error::{EngineError, ErrorCode, Result};
use crate::inspect::{Inspected, Known, Widen, check_header, look, text_file, widened};
use crate::open::{ArrowFile, ArrowTable, ParquetFile, parquet_table};
use crate::request::InputRequest;
use crate::scan::{Dialect, Ledger, TextFile, TextTable};
use crate::store::{Location, Stores};
use crate::types::from_columns;

/// An input of which everything is known that reading needs.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name in the pipeline.
    pub name: String,
    /// Where it is.
    pub location: Location,
    /// Its size in bytes.
    pub size: u64,
    /// Its format; never TSV, which is CSV with tabs.
    pub format: Format,
    /// Rows, if the file says so.
    pub rows: Option<u64>,
    dialect: Dialect,
    declared: Vec<String>,
    schema: SchemaRef,
    /// Whether a sample gave the types of columns that are not declared.
    sampled: bool,
}

impl Input {
    /// Opens an input: takes what the request knows, or looks at the file.
    pub async fn open(
        name: &str,
        request: &InputRequest,
        overrides: Option<&InputOverride>,
        stores: &Stores,
    ) -> Result<Self> {
        let location = stores.locate(&request.url)?;
        let meta = location.head().await?;
        let (location, size) = (location.pinned(&meta), meta.size);
        if request.size_bytes.is_some_and(|known| known != size) {
            let message = format!("{} has another size than when it was inspected", location.file_name());
            return Err(EngineError::new(ErrorCode::InputChanged, message).hint("inspect the data set again"));
        }
        if let Some(known) = Self::known(name, request, overrides, &location, size)? {
            if let (Format::Csv, Some(columns)) = (known.format, &request.schema) {
                check_header(&known.location, size, &known.dialect, columns).await?;
            }
            return known.counted().await;
        }
        let mut declared = overrides.cloned().unwrap_or_default();
        name.clone_into(&mut declared.name);
        declared.format = declared.format.or(request.format);
        let file_name = request.file_name.clone().or_else(|| Some(location.file_name()));
        let found: Inspected = look(&location, &Known { file_name, declared }).await?;
        Ok(Self {
            name: name.to_owned(),
            location,
            size,
            format: found.format,
            sampled: matches!(found.format, Format::Csv | Format::Ndjson)
                && !found.rows.is_some_and(|(_, exact)| exact),
            rows: found.rows.filter(|(_, exact)| *exact).map(|(rows, _)| rows),
            dialect: found.dialect,
            declared: found.declared,
            schema: found.schema,
        })
    }

    /// The input as the request describes it; `None` if the description does not suffice or is overridden.
    fn known(
        name: &str,
        request: &InputRequest,
        overrides: Option<&InputOverride>,
        location: &Location,
        size: u64,
    ) -> Result<Option<Self>> {
        let (None, Some(format), Some(columns)) = (overrides, request.format, &request.schema) else {
            return Ok(None);
        };
        // NDJSON and lines have a dialect only if it is not the plain one; CSV always has one.
        if matches!(format, Format::Csv | Format::Tsv) && request.dialect.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            name: name.to_owned(),
            location: location.clone(),
            size,
            format: if format == Format::Tsv { Format::Csv } else { format },
            rows: None,
            dialect: request.dialect.clone().unwrap_or_default(),
            declared: Vec::new(),
            schema: from_columns(columns)?,
            sampled: false,
        }))
    }

    /// The same with the number of rows, if the file says it cheaply.
    async fn counted(mut self) -> Result<Self> {
        match self.format {
            Format::Parquet => {
                let metadata = ParquetFile::new(self.location.clone(), self.size).metadata().await?;
                self.rows = u64::try_from(metadata.file_metadata().num_rows()).ok();
            }
            Format::Arrow => self.rows = Some(ArrowFile::open(&self.location, Some(self.size)).await?.rows().await?),
            _ => {}
        }
        Ok(self)
    }

    /// The columns whose types may turn out to be others: a sample gave them.
    pub(crate) fn open_columns(&self) -> impl Iterator<Item = &str> {
        let names = self.schema.fields().iter().map(|field| field.name().as_str());
        names.filter(|name| self.sampled && !self.declared.iter().any(|declared| declared == name))
    }

    /// Whether it may turn out to have more columns.
    pub(crate) fn may_have_more(&self) -> bool {
        self.sampled && self.format == Format::Ndjson
    }

    /// Decides open types over the whole file. Columns that are `kept` only change in ways that steps which compute with
    /// them do not mind; `new_fields`: what the sample did not have may become a column.
    pub(crate) async fn widen(&mut self, kept: impl Fn(&str) -> bool, new_fields: bool) -> Result<()> {
        if self.sampled {
            let widen = Widen { declared: &self.declared, kept, new_fields };
            self.schema = widened(&self.text_file(false), &widen).await?;
            self.sampled = false;
        }
        Ok(())
    }

    /// [`ErrorCode::InputChanged`] if it is not what was opened any more.
    pub(crate) async fn unchanged(&self) -> Result<()> {
        self.location.unchanged().await
    }

    /// Whether the file is text, read by our own scanner, which books its rows.
    pub fn is_text(&self) -> bool {
        !matches!(self.format, Format::Parquet | Format::Arrow)
    }

    /// Whether the stored bytes are compressed as a whole.
    pub fn is_compressed(&self) -> bool {
        self.dialect.compression != Compression::None
    }

    /// The input as a text file; `None` if it is none.
    pub(crate) fn text(&self, views: bool) -> Option<TextFile> {
        self.is_text().then(|| self.text_file(views))
    }

    /// The input, which is text, as a text file with text columns as views or plain.
    pub(crate) fn text_file(&self, views: bool) -> TextFile {
        text_file(&self.location, self.size, self.format, &self.dialect, &self.declared, &self.schema, views)
    }

    /// The input as rows.
    pub async fn table(
        &self,
        context: &SessionContext,
        ledger: &Arc<Ledger>,
        views: bool,
        threads: usize,
    ) -> Result<DataFrame> {
        ledger.progress().add_total(self.size);
        let provider: Arc<dyn TableProvider> = match self.format {
            Format::Parquet => {
                context.register_object_store(&self.location.store_url()?, Arc::clone(&self.location.store));
                parquet_table(&self.location, self.size, &context.state()).await?
            }
            Format::Arrow => Arc::new(ArrowTable::open(&self.location, self.size).await?),
            _ => Arc::new(TextTable::new(self.text_file(views), Arc::clone(ledger), threads)),
        };
        check_names(&self.name, &provider.schema())?;
        Ok(context.read_table(provider)?)
    }
}

/// Two columns of one name cannot be told apart in expressions.
fn check_names(input: &str, schema: &SchemaRef) -> Result<()> {
    let mut seen = HashSet::new();
    for field in schema.fields() {
        if !seen.insert(field.name()) {
            let message = format!("the input `{input}` has two columns `{}`", field.name());
            return Err(EngineError::new(ErrorCode::InputFormat, message).column(field.name()));
        }
    }
    Ok(())
}
