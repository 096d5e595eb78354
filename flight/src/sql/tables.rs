//! What names in statements stand for: `"workspace".{jobs|datasets}."id or name"`, as far as the caller's token reaches.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use karyaksham_engine::{did_you_mean, open};
use serde::Deserialize;

use super::Session;
use super::errors::{ended, engine, shortened};
use super::handle::Pin;
use crate::catalog::{Answer, Catalog, Listed, parse};
use crate::error::{Error, Result};
use crate::stream::Streams;
use crate::ticket::{Kind, Ticket, Verifier};

/// Both schemas, in the order in which a bare name is looked up.
pub const SCHEMAS: [Kind; 2] = [Kind::Dataset, Kind::Job];

/// A workspace that the caller's token opens.
#[derive(Debug, Clone, Deserialize)]
pub struct Workspace {
    /// Its global id.
    pub id: String,
    /// Its name, which others may have too.
    pub name: String,
}

#[derive(Deserialize)]
struct Workspaces {
    workspaces: Vec<Workspace>,
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
}

/// Finds and opens tables. Cloning shares everything.
#[derive(Clone)]
pub struct Tables {
    catalog: Catalog,
    verifier: Arc<Verifier>,
    streams: Streams,
}

impl Tables {
    /// Tables that this API knows, in this storage.
    pub fn new(catalog: Catalog, verifier: Arc<Verifier>, streams: Streams) -> Self {
        Self { catalog, verifier, streams }
    }

    fn catalog(&self, session: &Session, workspace: Option<&str>) -> Catalog {
        self.catalog.of_workspace(workspace.or(session.workspace.as_deref()))
    }

    /// The caller's workspaces; fails for a token that is not valid.
    pub async fn workspaces(&self, session: &Session) -> Result<Vec<Workspace>> {
        match self.catalog(session, None).get(&session.caller, "/internal/flight-sql/workspaces").await? {
            Answer::Found(value) => Ok(parse::<Workspaces>(value)?.workspaces),
            Answer::Missing => Err(Error::NotFound(
                "There is no such workspace, or you are no member of it: x-workspace must hold a workspace's id."
                    .into(),
            )),
        }
    }

    /// All tables of a workspace.
    pub async fn list(&self, session: &Session, workspace: Option<&str>) -> Result<Vec<Listed>> {
        self.catalog(session, workspace).list(&session.caller).await
    }

    /// The ticket of a table.
    pub async fn ticket(&self, session: &Session, workspace: Option<&str>, kind: Kind, id: &str) -> Result<Ticket> {
        let resolved = self.catalog(session, workspace).resolve(&session.caller, kind, id).await?;
        self.verifier.verify(resolved.ticket.as_bytes(), SystemTime::now())
    }

    /// The table that a name stands for; an error that says what there is, or how to be clear.
    pub async fn find(&self, session: &Session, name: &TableReference) -> Result<Pin> {
        let workspace = match name.catalog() {
            Some(catalog) => Some(self.workspace(session, catalog, name).await?),
            None => None,
        };
        let kinds = match name.schema() {
            Some(schema) => vec![Kind::from_plural(schema).ok_or_else(|| no_schema(schema, name))?],
            None => SCHEMAS.to_vec(),
        };
        let mut found = Vec::new();
        // A job is often named after its data set: without a schema, that is meant.
        for kind in kinds.iter().copied() {
            let ids = self.ids(session, workspace.as_deref(), kind, name.table()).await?;
            found = ids.into_iter().map(|id| (kind, id)).collect();
            if !found.is_empty() {
                break;
            }
        }
        match found.as_slice() {
            [] => Err(self.unknown(session, workspace.as_deref(), &kinds, name).await),
            [(kind, id)] => {
                Ok(Pin { name: name.to_string(), workspace, schema: kind.plural().to_owned(), id: id.clone() })
            }
            several => Err(ambiguous(name, several)),
        }
    }

    /// Open a table of a statement.
    pub async fn open(&self, session: &Session, pin: &Pin, context: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        let ticket = self.ticket(session, pin.workspace.as_deref(), pin.kind()?, &pin.id).await?;
        open::table(&self.streams.stored(&ticket)?, context).await.map_err(|error| engine(&error))
    }

    /// The id of the workspace of this name or id.
    pub async fn workspace(&self, session: &Session, catalog: &str, name: &TableReference) -> Result<String> {
        let name = shortened(&name.to_string());
        let all = self.workspaces(session).await?;
        let named: Vec<&Workspace> =
            all.iter().filter(|workspace| workspace.id == catalog || workspace.name == catalog).collect();
        match named.as_slice() {
            [one] => Ok(one.id.clone()),
            [] => {
                let hint = did_you_mean(catalog, all.iter().map(|workspace| workspace.name.as_str()));
                Err(Error::NotFound(format!(
                    "There is no workspace `{}` that you may see, for the table `{name}`; {} A name with dots is \
                     one name in double quotes: datasets.\"orders.csv\".",
                    shortened(catalog),
                    hint.map_or_else(String::new, |hint| ended(&hint))
                )))
            }
            several => Err(Error::InvalidArgument(format!(
                "Several workspaces are named `{catalog}`: use the id, one of {}.",
                quoted(several.iter().map(|workspace| workspace.id.as_str()))
            ))),
        }
    }

    /// The ids of the tables of one kind that are meant by an id or a name.
    async fn ids(&self, session: &Session, workspace: Option<&str>, kind: Kind, table: &str) -> Result<Vec<String>> {
        match id(table) {
            Some(Id::Of(of)) if of != kind => return Ok(Vec::new()),
            Some(Id::Of(_)) => return Ok(vec![table.to_owned()]),
            Some(Id::Plain) => {
                let known = self.catalog(session, workspace).resolve(&session.caller, kind, table).await;
                return match known {
                    Ok(_) | Err(Error::NotReady(_)) => Ok(vec![table.to_owned()]),
                    Err(Error::NotFound(_)) => Ok(Vec::new()),
                    Err(error) => Err(error),
                };
            }
            None => {}
        }
        let path: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("name", table).finish();
        let path = format!("/internal/flight-sql/{}?{path}", kind.plural());
        match self.catalog(session, workspace).get(&session.caller, &path).await? {
            Answer::Found(value) => Ok(parse::<Ids>(value)?.ids),
            Answer::Missing => Ok(Vec::new()),
        }
    }

    async fn unknown(
        &self,
        session: &Session,
        workspace: Option<&str>,
        kinds: &[Kind],
        name: &TableReference,
    ) -> Error {
        let listed = match self.list(session, workspace).await {
            Ok(listed) => listed,
            Err(error) => return error,
        };
        let known: Vec<&str> = listed
            .iter()
            .filter(|table| kinds.contains(&table.kind))
            .filter_map(|table| table.name.as_deref())
            .collect();
        let hint = did_you_mean(name.table(), known).map_or_else(|| "there are none yet.".into(), |hint| ended(&hint));
        let name = shortened(&name.to_string());
        Error::NotFound(format!(
            "There is no table `{name}`, or it is not in a workspace of yours; {hint} Tables are \
             datasets.\"name or id\" and jobs.\"name or id\"."
        ))
    }
}

/// An id in the place of a name.
#[derive(Debug, PartialEq, Eq)]
enum Id {
    /// A plain UUID, which may be of either kind.
    Plain,
    /// A global id, which says of which kind it is.
    Of(Kind),
}

/// Whether a name is an id.
fn id(text: &str) -> Option<Id> {
    if is_uuid(text) {
        return Some(Id::Plain);
    }
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    let (kind, uuid) = decoded.split_once(':')?;
    match kind {
        "Job" if is_uuid(uuid) => Some(Id::Of(Kind::Job)),
        "Dataset" if is_uuid(uuid) => Some(Id::Of(Kind::Dataset)),
        _ => None,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn no_schema(schema: &str, name: &TableReference) -> Error {
    let (schema, name) = (shortened(schema), shortened(&name.to_string()));
    Error::NotFound(format!(
        "There is no schema `{schema}`, for the table `{name}`: there are `datasets` and `jobs`. A name with dots is one \
         name in double quotes: datasets.\"orders.csv\"."
    ))
}

fn ambiguous(name: &TableReference, found: &[(Kind, String)]) -> Error {
    let shown = found.iter().map(|(kind, id)| format!("{}.\"{id}\"", kind.plural()));
    let name = shortened(&name.to_string());
    Error::InvalidArgument(format!(
        "Several tables are named `{name}`: use the id, e.g. {} (the newest first).",
        shown.collect::<Vec<_>>().join(", ")
    ))
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_names() {
        let uuid = "01900000-0000-7000-8000-000000000001";
        assert_eq!(id(uuid), Some(Id::Plain));
        assert_eq!(id(&STANDARD.encode(format!("Job:{uuid}"))), Some(Id::Of(Kind::Job)));
        assert_eq!(id(&STANDARD.encode(format!("Dataset:{uuid}"))), Some(Id::Of(Kind::Dataset)));
        for name in ["orders.csv", "", "Sm9i", "01900000-0000-7000-8000-00000000000g", &STANDARD.encode("User:x")] {
            assert_eq!(id(name), None, "{name}");
        }
    }
}
