//! The API as this server sees it: who may read what (docs/adr/0003-flight-asks-the-api.md).
//!
//! Every request carries the caller's own token. This server knows no tenants, no users and no database.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::{API_TOKEN_PREFIX, Basic};
use crate::error::{Error, Result};
use crate::ticket::Kind;

/// The log-in that GraphQL clients use too.
const LOG_IN: &str = "mutation FlightLogIn($input: LogInInput!) { logIn(input: $input) { __typename \
    ... on LogInSuccess { accessToken } ... on Error { code message } } }";

/// A client of the API's internal endpoints and of its log-in.
#[derive(Clone)]
pub struct Catalog {
    http: reqwest::Client,
    url: String,
    /// The workspace to act in; the caller's own if absent.
    workspace: Option<String>,
}

/// A caller: the token, and the ids that make a request traceable across services.
#[derive(Clone)]
pub struct Caller {
    /// Access token or API token.
    pub token: String,
    /// W3C trace context, if the client sent one.
    pub traceparent: Option<String>,
}

/// What the API says of a table that the caller may read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// The signed ticket.
    pub ticket: String,
    /// Size of the files as stored, in bytes.
    #[serde(default)]
    pub size_bytes: Option<i64>,
}

/// One line of the list of tables.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// `job` or `dataset`.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
}

/// A page of the list of tables.
#[derive(Deserialize)]
pub struct Page {
    /// Its tables.
    pub tables: Vec<Listed>,
    /// Where the next page begins, if there is one.
    #[serde(default)]
    pub next: Option<String>,
}

impl Catalog {
    /// A client of the API at this URL.
    pub fn new(url: &str, timeout: Duration) -> Result<Self> {
        let parsed =
            url::Url::parse(url).map_err(|error| Error::Config(format!("API_URL '{url}' is no URL: {error}.")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(Error::Config(format!("API_URL '{url}' must start with http:// or https://.")));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(timeout.min(Duration::from_secs(3)))
            .timeout(timeout)
            // Never carry a token to where a redirect points, nor through a proxy of the environment.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("karyaksham-flight/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Config(format!("The API client cannot be made: {error}.")))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), workspace: None })
    }

    /// The same API, asked about another workspace than the caller's own.
    #[must_use]
    pub fn of_workspace(&self, id: Option<&str>) -> Self {
        Self { workspace: id.map(str::to_owned), ..self.clone() }
    }

    /// A ticket for `["jobs", id]` or `["datasets", id]`.
    pub async fn resolve(&self, caller: &Caller, kind: Kind, id: &str) -> Result<Resolved> {
        match self.get(caller, &path_of(kind, id, "")?).await? {
            Answer::Found(value) => parse(value),
            Answer::Missing => Err(not_found(kind, id)),
        }
    }

    /// All tables that the caller may read: for answers that hold them all.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Listed>> {
        let mut page = self.page(caller, None).await?;
        let mut tables = std::mem::take(&mut page.tables);
        while let Some(after) = page.next {
            page = self.page(caller, Some(&after)).await?;
            tables.append(&mut page.tables);
        }
        Ok(tables)
    }

    /// A page of the tables that the caller may read, behind the page that said `after`.
    pub async fn page(&self, caller: &Caller, after: Option<&str>) -> Result<Page> {
        let path = after.map_or_else(
            || "/internal/flight".to_owned(),
            |after| {
                let query: String = url::form_urlencoded::byte_serialize(after.as_bytes()).collect();
                format!("/internal/flight?after={query}")
            },
        );
        match self.get(caller, &path).await? {
            Answer::Found(value) => parse(value),
            Answer::Missing => Err(Error::Internal("The API has no list of tables: it is of another version.".into())),
        }
    }

    /// Ask with the caller's own token.
    pub(crate) async fn get(&self, caller: &Caller, path: &str) -> Result<Answer> {
        self.call(caller, reqwest::Method::GET, path, None).await
    }

    /// Ask the API as the caller.
    pub(crate) async fn call(
        &self,
        caller: &Caller,
        method: reqwest::Method,
        path: &str,
        json: Option<&Value>,
    ) -> Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&caller.token);
        if let Some(json) = json {
            request = request.json(json);
        }
        if let Some(workspace) = &self.workspace {
            request = request.header("x-workspace", workspace);
        }
        if let Some(traceparent) = &caller.traceparent {
            request = request.header("traceparent", traceparent);
        }
        self.answer(path, request).await
    }

    /// Ask as nobody: the body is its own credential.
    pub(crate) async fn anonymous(&self, method: reqwest::Method, path: &str, json: &Value) -> Result<Answer> {
        self.answer(path, self.http.request(method, format!("{}{path}", self.url)).json(json)).await
    }

    async fn answer(&self, path: &str, request: reqwest::RequestBuilder) -> Result<Answer> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap_or(Value::Null);
        let said = |fallback: &str| message_of(&body).unwrap_or_else(|| fallback.to_owned());
        match status {
            200 => Ok(Answer::Found(body)),
            400 => Err(Error::InvalidArgument(said("The API does not take this."))),
            401 => Err(Error::Unauthenticated(said(
                "The token is not valid (any more). Log in again or make a new API token.",
            ))),
            403 => Err(Error::Forbidden(said("The token may not do this."))),
            404 => Ok(Answer::Missing),
            409 => Err(match body["code"].as_str() {
                Some("NAME_TAKEN") => Error::AlreadyExists(said("There is a data set of this name already.")),
                Some("QUOTA_EXCEEDED") => Error::Busy(said("The workspace is full.")),
                Some("INVALID_PIPELINE") => Error::InvalidArgument(said("The pipeline cannot run.")),
                _ => Error::NotReady(said("The table is not there yet: the job has not finished.")),
            }),
            429 => Err(Error::Busy(said("Too many requests. Wait a little and try again."))),
            502..=504 => Err(Error::Unavailable(said("The API is not available at the moment. Try again."))),
            other => {
                log::error!("the API answered {other} to {path}: {body}");
                Err(Error::Internal("The API could not answer. Its log says why.".into()))
            }
        }
    }

    /// A token for these credentials: an API token given as the password comes back as it is, if it is good.
    pub async fn log_in(&self, basic: &Basic, traceparent: Option<String>) -> Result<String> {
        if basic.password.starts_with(API_TOKEN_PREFIX) {
            self.page(&Caller { token: basic.password.clone(), traceparent }, None).await?;
            return Ok(basic.password.clone());
        }
        let variables = json!({"input": {"email": basic.user, "password": basic.password}});
        let mut request =
            self.http.post(format!("{}/graphql", self.url)).json(&json!({"query": LOG_IN, "variables": variables}));
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap_or(Value::Null);
        let answer = &body["data"]["logIn"];
        if let Some(token) = answer["accessToken"].as_str() {
            return Ok(token.to_owned());
        }
        if let Some(message) = answer["message"].as_str() {
            return Err(Error::Unauthenticated(message.to_owned()));
        }
        let error = &body["errors"][0];
        match (error["extensions"]["code"].as_str(), error["message"].as_str()) {
            (Some("RATE_LIMITED"), Some(message)) => Err(Error::Busy(message.to_owned())),
            (Some("NOT_AUTHENTICATED" | "UNAUTHENTICATED"), Some(message)) => {
                Err(Error::Unauthenticated(message.to_owned()))
            }
            _ if (502..=504).contains(&status) => {
                Err(Error::Unavailable("The API is not available at the moment. Try again.".into()))
            }
            _ => {
                log::error!("log-in through the API failed with HTTP {status}: {}", body["errors"]);
                Err(Error::Internal("The log-in could not be checked. The API's log says why.".into()))
            }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        log::error!("the API at {} cannot be reached: {error:?}", self.url);
        let how = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
        Error::Unavailable(format!(
            "The API {how}, so that nobody can say who may read this. Try again; administrators check API_URL."
        ))
    }
}

/// What the API says to a request that it takes.
pub(crate) enum Answer {
    /// The document.
    Found(Value),
    /// There is no such thing, or the caller may not see it.
    Missing,
}

/// The API's path of a table, and of what is below it (`/progress`).
pub(crate) fn path_of(kind: Kind, id: &str, below: &str) -> Result<String> {
    // The id becomes a path segment: what is no id never gets there.
    if id.is_empty() || id.len() > 200 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=+".contains(&b)) {
        return Err(not_found(kind, id));
    }
    Ok(format!("/internal/flight/{}/{}{below}", kind.plural(), id.replace('+', "%2B")))
}

/// The one error for what is not there and what is somebody else's.
pub(crate) fn not_found(kind: Kind, id: &str) -> Error {
    let (what, shown) = (if kind == Kind::Job { "job" } else { "data set" }, id.chars().take(80).collect::<String>());
    Error::NotFound(format!("There is no {what} '{shown}', or it is not in a workspace of yours."))
}

/// The sentence of a problem document (RFC 9457).
fn message_of(body: &Value) -> Option<String> {
    body["detail"].as_str().or_else(|| body["title"].as_str()).map(str::to_owned)
}

/// The document as a value of ours.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| {
        log::error!("the API's answer cannot be read: {error}");
        Error::Internal("The API's answer cannot be read: it is of another version than the Flight server.".into())
    })
}
