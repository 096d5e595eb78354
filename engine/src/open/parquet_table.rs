//! A Parquet file as a DataFusion table: DataFusion's own scan, with [`ParquetFile`] as what it reads from.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Statistics};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl, PartitionedFile,
};
use datafusion::datasource::physical_plan::parquet::transform_schema_to_view;
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, FileSource, ParquetFileMetrics, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DfResult;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::parquet_to_arrow_schema;

use super::ParquetFile;
use crate::error::Result;
use crate::guard::{caught, damaged_input};
use crate::store::Location;

/// The table of a file of `size` bytes; texts come as views if `session` says so.
pub(crate) async fn parquet_table(
    location: &Location,
    size: u64,
    session: &dyn Session,
) -> Result<Arc<dyn TableProvider>> {
    let mut file = ParquetFile::new(location.clone(), size);
    if let MemoryLimit::Finite(limit) = session.runtime_env().memory_pool.memory_limit() {
        // Each partition reads a row group of its own.
        file = file.with_most_bytes((limit / session.config().target_partitions().max(1)) as u64);
    }
    let options = &session.config_options().execution.parquet;
    let schema = file.schema().await?;
    let schema = if options.schema_force_view_types { Arc::new(transform_schema_to_view(&schema)) } else { schema };
    let inner = ParquetFormat::default().with_options(session.default_table_options().parquet);
    // A key need not have an ending.
    let options = ListingOptions::new(Arc::new(Checked { inner, file })).with_file_extension("");
    let url = ListingTableUrl::parse(location.url.as_str())?;
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

impl ParquetFile {
    /// The columns as the file describes them, without its remarks.
    pub(crate) async fn schema(&self) -> Result<SchemaRef> {
        let metadata = self.metadata().await?;
        let file = metadata.file_metadata();
        let schema = caught(|| parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()));
        let schema = schema.map_err(|panic| damaged_input(&self.name(), &panic))??;
        let plain = schema.fields().iter().map(|field| field.as_ref().clone().with_metadata(HashMap::new()));
        Ok(Arc::new(Schema::new(plain.collect::<Vec<Field>>())))
    }
}

/// DataFusion's Parquet with our reader.
#[derive(Debug)]
struct Checked {
    inner: ParquetFormat,
    file: ParquetFile,
}

#[async_trait]
impl FileFormat for Checked {
    fn get_ext(&self) -> String {
        self.inner.get_ext()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> DfResult<String> {
        self.inner.get_ext_with_compression(compression)
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        self.inner.compression_type()
    }

    async fn infer_schema(&self, _: &dyn Session, _: &Arc<dyn ObjectStore>, _: &[ObjectMeta]) -> DfResult<SchemaRef> {
        Ok(self.file.schema().await?)
    }

    async fn infer_stats(
        &self,
        _: &dyn Session,
        _: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        _: &ObjectMeta,
    ) -> DfResult<Statistics> {
        Ok(Statistics::new_unknown(&table_schema))
    }

    async fn create_physical_plan(
        &self,
        session: &dyn Session,
        config: FileScanConfig,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let plan = self.inner.create_physical_plan(session, config).await?;
        let scan = plan.downcast_ref::<DataSourceExec>();
        let Some((config, source)) = scan.and_then(DataSourceExec::downcast_to_file_source::<ParquetSource>) else {
            return Err(DataFusionError::Internal("a Parquet table without a Parquet scan".to_owned()));
        };
        let source = source.clone().with_parquet_file_reader_factory(Arc::new(Readers(self.file.clone())));
        let config = FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source)).build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn file_source(&self, schema: TableSchema) -> Arc<dyn FileSource> {
        self.inner.file_source(schema)
    }
}

/// Makes readers of the one file.
#[derive(Debug)]
struct Readers(ParquetFile);

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> DfResult<Box<dyn AsyncFileReader + Send>> {
        let metrics = ParquetFileMetrics::new(partition, file.object_meta.location.as_ref(), metrics);
        Ok(Box::new(self.0.clone().counted(metrics.bytes_scanned)))
    }
}
