//! `CommandStatementIngest` (`adbc_ingest`, pandas `to_sql`, Polars `write_database`): rows become a data set, as with `DoPut`.
//!
//! A data set never changes. What replaces one, or adds rows to one, is a new data set of its name, in the moment in which
//! the old one goes; until then, and if anything fails, the old one stands.

use arrow_flight::PutResult;
use arrow_flight::sql::{CommandStatementIngest, DoPutUpdateResult, TableExistsOption, TableNotExistOption};
use datafusion::common::TableReference;
use prost::Message as _;
use tonic::metadata::MetadataMap;

use super::{Session, Sql, no_transaction};
use crate::error::{Error, Result};
use crate::put::{Exists, Put, Stored, Wish};
use crate::ticket::Kind;

impl Sql {
    /// Where the rows of this command go.
    pub async fn ingest(&self, metadata: &MetadataMap, command: CommandStatementIngest) -> Result<Put> {
        let session = Session::of(metadata)?;
        no_transaction(command.transaction_id.as_ref())?;
        if command.temporary {
            return Err(Error::Unimplemented(
                "Temporary tables are not offered: leave `temporary` away, and delete the data set afterwards.".into(),
            ));
        }
        let wish = wish(&command)?;
        let schema = command.schema.filter(|schema| !schema.is_empty());
        if schema.as_deref().is_some_and(|schema| schema != Kind::Dataset.plural()) {
            return Err(Error::InvalidArgument(
                "Rows can be written to the schema `datasets` only: `jobs` holds results of jobs.".into(),
            ));
        }
        let catalog = command.catalog.filter(|catalog| !catalog.is_empty());
        let workspace = match catalog {
            None => session.workspace.clone(),
            Some(catalog) => {
                let name = TableReference::full(catalog.clone(), Kind::Dataset.plural(), command.table.clone());
                Some(self.planner.tables.workspace(&session, &catalog, &name).await?)
            }
        };
        Ok(Put { caller: session.caller, workspace, name: command.table, wish })
    }
}

/// What the client wants when there is, or is not, a table of the name.
fn wish(command: &CommandStatementIngest) -> Result<Wish> {
    let options = command.table_definition_options.unwrap_or_default();
    let create = match options.if_not_exist() {
        TableNotExistOption::Create => true,
        TableNotExistOption::Fail => false,
        TableNotExistOption::Unspecified => return Err(unspecified("if_not_exist")),
    };
    let exists = match options.if_exists() {
        TableExistsOption::Fail => Exists::Fail,
        TableExistsOption::Append => Exists::Append,
        TableExistsOption::Replace => Exists::Replace,
        TableExistsOption::Unspecified => return Err(unspecified("if_exists")),
    };
    Ok(Wish { create, exists })
}

fn unspecified(what: &str) -> Error {
    Error::InvalidArgument(format!("The command does not say `{what}`, which it must."))
}

/// What the client hears of rows that are stored.
pub fn done(stored: &Stored) -> PutResult {
    let result = DoPutUpdateResult { record_count: i64::try_from(stored.rows).unwrap_or(i64::MAX) };
    PutResult { app_metadata: result.encode_to_vec().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_flight::sql::TableDefinitionOptions;

    fn asked(if_not_exist: i32, if_exists: i32) -> Result<Wish> {
        let options = TableDefinitionOptions { if_not_exist, if_exists };
        wish(&CommandStatementIngest { table_definition_options: Some(options), ..CommandStatementIngest::default() })
    }

    #[test]
    fn modes_of_adbc_are_what_they_say() {
        let modes = [
            ((1, 1), Wish { create: true, exists: Exists::Fail }),
            ((2, 2), Wish { create: false, exists: Exists::Append }),
            ((1, 3), Wish { create: true, exists: Exists::Replace }),
            ((1, 2), Wish { create: true, exists: Exists::Append }),
        ];
        for ((missing, exists), wanted) in modes {
            assert_eq!(asked(missing, exists).unwrap(), wanted);
        }
        assert!(asked(0, 1).unwrap_err().to_string().contains("if_not_exist"));
        assert!(asked(1, 9).unwrap_err().to_string().contains("if_exists"));
    }
}
