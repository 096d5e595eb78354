//! What clients ask before they write SQL: what this server is, and which workspaces, schemas and tables there are.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{RecordBatch, StringArray};
use arrow::compute::kernels::comparison::like;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, SqlInfo,
    SqlNullOrdering, SqlSupportedGroupBy, SqlSupportedTransaction, SqlSupportedUnions,
};
use futures::stream::{self, StreamExt as _};

use super::Session;
use super::tables::{SCHEMAS, Tables, Workspace};
use crate::catalog::Listed;
use crate::error::{Error, Result};
use crate::schema::plain_schema;
use crate::stream::Streams;

/// The one type of tables.
const TABLE: &str = "TABLE";
/// Tables whose schemas are read at once.
const AHEAD: usize = 8;

static INFO: LazyLock<Option<SqlInfoData>> = LazyLock::new(|| info().build().ok());

fn info() -> SqlInfoDataBuilder {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "Karyaksham");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    info.append(SqlInfo::FlightSqlServerReadOnly, false);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    info.append(SqlInfo::FlightSqlServerCancel, false);
    info.append(SqlInfo::FlightSqlServerBulkIngestion, true);
    info.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    info.append(SqlInfo::FlightSqlServerStatementTimeout, 0);
    info.append(SqlInfo::FlightSqlServerTransactionTimeout, 0);
    info.append(SqlInfo::SqlDdlCatalog, false);
    info.append(SqlInfo::SqlDdlSchema, false);
    info.append(SqlInfo::SqlDdlTable, false);
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    info.append(SqlInfo::SqlAllTablesAreSelectable, true);
    info.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    info.append(SqlInfo::SqlSupportsColumnAliasing, true);
    info.append(SqlInfo::SqlNullPlusNullIsNull, true);
    info.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    info.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    info.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    info.append(SqlInfo::SqlSupportedGroupBy, bit(SqlSupportedGroupBy::SqlGroupByUnrelated as i32));
    let unions = [SqlSupportedUnions::SqlUnion, SqlSupportedUnions::SqlUnionAll];
    info.append(SqlInfo::SqlSupportedUnions, unions.into_iter().fold(0, |bits, one| bits | bit(one as i32)));
    info.append(SqlInfo::SqlSchemaTerm, "schema");
    info.append(SqlInfo::SqlCatalogTerm, "workspace");
    info.append(SqlInfo::SqlCatalogAtStart, true);
    info.append(SqlInfo::SqlSelectForUpdateSupported, false);
    info.append(SqlInfo::SqlTransactionsSupported, false);
    info.append(SqlInfo::SqlBatchUpdatesSupported, false);
    info.append(SqlInfo::SqlSavepointsSupported, false);
    info.append(SqlInfo::SqlNamedParametersSupported, false);
    info.append(SqlInfo::SqlStoredProceduresSupported, false);
    info
}

/// How the specification writes a set of choices.
fn bit(choice: i32) -> i32 {
    1 << choice
}

fn facts() -> Result<&'static SqlInfoData> {
    INFO.as_ref().ok_or_else(|| Error::Internal("What this server is cannot be told.".into()))
}

/// `GetSqlInfo`.
pub fn sql_info(command: CommandGetSqlInfo) -> Result<RecordBatch> {
    command.into_builder(facts()?).build().map_err(arrow)
}

/// `GetTableTypes`.
pub fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    builder.append(TABLE);
    builder.build().map_err(arrow)
}

/// Names of workspaces as catalogs: the name, or the id where two have the same.
fn catalogs(workspaces: Vec<Workspace>) -> Vec<(String, Workspace)> {
    let mut count: HashMap<String, usize> = HashMap::new();
    for workspace in &workspaces {
        *count.entry(workspace.name.clone()).or_default() += 1;
    }
    let named = workspaces.into_iter().map(|workspace| {
        let unique = count.get(&workspace.name) == Some(&1);
        (if unique { workspace.name.clone() } else { workspace.id.clone() }, workspace)
    });
    named.collect()
}

/// `GetCatalogs`: the caller's workspaces.
pub async fn catalog_names(tables: &Tables, session: &Session, command: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for (name, _) in catalogs(tables.workspaces(session).await?) {
        builder.append(name);
    }
    builder.build().map_err(arrow)
}

/// `GetDbSchemas`: the same two everywhere.
pub async fn schemas(tables: &Tables, session: &Session, command: CommandGetDbSchemas) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for (name, _) in catalogs(tables.workspaces(session).await?) {
        for kind in SCHEMAS {
            builder.append(&name, kind.plural());
        }
    }
    builder.build().map_err(arrow)
}

/// `GetTables`: each table by its id and, if no other of its schema has it, by its name.
pub async fn tables(
    tables: &Tables,
    streams: &Streams,
    session: &Session,
    command: CommandGetTables,
) -> Result<RecordBatch> {
    let wanted = Wanted::new(&command)?;
    let with_schema = command.include_schema;
    let mut builder = command.into_builder();
    for (catalog, workspace) in catalogs(tables.workspaces(session).await?) {
        if wanted.catalog.as_deref().is_some_and(|only| only != catalog) {
            continue;
        }
        let listed = tables.list(session, Some(&workspace.id)).await?;
        let mut chosen: Vec<(Listed, Vec<String>)> = Vec::new();
        for (table, names) in names(&listed) {
            let wanted = names.into_iter().filter(|name| wanted.schema(table.kind.plural()) && wanted.table(name));
            let wanted: Vec<String> = wanted.map(str::to_owned).collect();
            if !wanted.is_empty() {
                chosen.push((table.clone(), wanted));
            }
        }
        let read = stream::iter(chosen).map(|(table, names)| {
            let (tables, streams, session) = (tables.clone(), streams.clone(), session.clone());
            let workspace = workspace.id.clone();
            async move {
                let schema = if with_schema {
                    schema(&tables, &streams, &session, &workspace, &table).await?
                } else {
                    Some(Arc::new(Schema::empty()))
                };
                Ok::<_, Error>((table, names, schema))
            }
        });
        let read: Vec<_> = read.buffered(AHEAD).collect().await;
        for found in read {
            let (table, names, schema) = found?;
            let Some(schema) = schema else { continue };
            for name in names {
                builder.append(&catalog, table.kind.plural(), name, TABLE, &schema).map_err(arrow)?;
            }
        }
    }
    builder.build().map_err(arrow)
}

/// A table's columns; none if it went away, or cannot be read: one of them must not hide the others.
async fn schema(
    tables: &Tables,
    streams: &Streams,
    session: &Session,
    workspace: &str,
    table: &Listed,
) -> Result<Option<SchemaRef>> {
    let read = async {
        let ticket = tables.ticket(session, Some(workspace), table.kind, &table.id).await?;
        Ok(plain_schema(&streams.describe(&ticket).await?.schema))
    };
    match read.await {
        Ok(schema) => Ok(Some(schema)),
        Err(Error::NotFound(_) | Error::NotReady(_) | Error::Corrupt(_) | Error::Unimplemented(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What each table of a list is called: its id first, then its name if it is the only one of its schema.
fn names(listed: &[Listed]) -> Vec<(&Listed, Vec<&str>)> {
    let mut count: HashMap<(&str, &str), usize> = HashMap::new();
    for table in listed {
        if let Some(name) = &table.name {
            *count.entry((table.kind.plural(), name)).or_default() += 1;
        }
    }
    let named = listed.iter().map(|table| {
        let mut names = vec![table.id.as_str()];
        let unique = |name: &&str| !name.is_empty() && count.get(&(table.kind.plural(), *name)) == Some(&1);
        names.extend(table.name.as_deref().filter(unique));
        (table, names)
    });
    named.collect()
}

/// The filters of `GetTables`, as far as they save reading schemas.
struct Wanted {
    catalog: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    types: bool,
}

impl Wanted {
    fn new(command: &CommandGetTables) -> Result<Self> {
        let wanted = Self {
            catalog: command.catalog.clone(),
            schema: command.db_schema_filter_pattern.clone(),
            table: command.table_name_filter_pattern.clone(),
            types: command.table_types.is_empty() || command.table_types.iter().any(|one| one == TABLE),
        };
        // A pattern that cannot be used is told before anything is listed.
        for pattern in [&wanted.schema, &wanted.table].into_iter().flatten() {
            like(&StringArray::new_scalar(""), &StringArray::new_scalar(pattern)).map_err(|_| {
                Error::InvalidArgument(format!("The filter pattern `{pattern}` cannot be used: write % and _."))
            })?;
        }
        Ok(wanted)
    }

    fn schema(&self, name: &str) -> bool {
        self.types && matches(self.schema.as_deref(), name)
    }

    fn table(&self, name: &str) -> bool {
        matches(self.table.as_deref(), name)
    }
}

fn matches(pattern: Option<&str>, text: &str) -> bool {
    let Some(pattern) = pattern else { return true };
    like(&StringArray::new_scalar(text), &StringArray::new_scalar(pattern)).is_ok_and(|found| found.value(0))
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn arrow(error: arrow_flight::error::FlightError) -> Error {
    log::error!("an answer about tables cannot be made: {error}");
    Error::Internal("The answer cannot be made; the server's log says why.".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::Kind;

    fn listed(kind: Kind, id: &str, name: &str) -> Listed {
        Listed { kind, id: id.into(), name: Some(name.into()) }
    }

    #[test]
    fn only_unique_names_name_tables() {
        let all = [
            listed(Kind::Job, "1", "orders"),
            listed(Kind::Job, "2", "orders"),
            listed(Kind::Dataset, "3", "orders"),
            listed(Kind::Dataset, "4", ""),
        ];
        let named: Vec<Vec<&str>> = names(&all).into_iter().map(|(_, names)| names).collect();
        assert_eq!(named, [vec!["1"], vec!["2"], vec!["3", "orders"], vec!["4"]]);
    }

    #[test]
    fn workspaces_of_one_name_go_by_their_ids() {
        let workspace = |id: &str, name: &str| Workspace { id: id.into(), name: name.into() };
        let named = catalogs(vec![workspace("a", "team"), workspace("b", "team"), workspace("c", "mine")]);
        assert_eq!(named.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "mine"]);
    }

    #[test]
    fn the_server_says_what_it_is() {
        let asked = CommandGetSqlInfo { info: vec![SqlInfo::FlightSqlServerReadOnly as u32] };
        assert_eq!(sql_info(asked).unwrap().num_rows(), 1);
        assert!(sql_info(CommandGetSqlInfo { info: vec![] }).unwrap().num_rows() > 20);
        assert_eq!(table_types(CommandGetTableTypes {}).unwrap().num_rows(), 1);
    }
}
