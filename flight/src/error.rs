//! One error type for everything the server refuses, with the gRPC status that clients see.
//!
//! Messages say what is wrong and what to do; they never name objects, keys or tenants that the caller did not name.

use tonic::{Code, Status};

/// What a deleted object looks like from outside.
const GONE: &str = "The data of this table is gone: the job or data set was deleted.";

/// Why a call is refused or a stream ends early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No, wrong, expired or tampered credentials or ticket.
    #[error("{0}")]
    Unauthenticated(String),
    /// Good credentials that do not reach: scope of the token, role in the workspace.
    #[error("{0}")]
    Forbidden(String),
    /// Something of this name is there already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The job, data set or its object does not exist, or the caller may not see it.
    #[error("{0}")]
    NotFound(String),
    /// The thing exists but has no table (yet), as the API explains.
    #[error("{0}")]
    NotReady(String),
    /// The request itself is wrong.
    #[error("{0}")]
    InvalidArgument(String),
    /// A limit of this server is reached.
    #[error("{0}")]
    Busy(String),
    /// The API or the object storage cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// The stored bytes are not what the ticket says.
    #[error("{0}")]
    Corrupt(String),
    /// Not offered.
    #[error("{0}")]
    Unimplemented(String),
    /// The client has left; nobody will read this.
    #[error("the client has left")]
    Gone,
    /// A bug or an unforeseen answer; the details are in the log.
    #[error("{0}")]
    Internal(String),
    /// Settings that cannot be used; ends the server before it listens.
    #[error("{0}")]
    Config(String),
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The gRPC code of this error.
    pub fn code(&self) -> Code {
        match self {
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::Forbidden(_) => Code::PermissionDenied,
            Self::AlreadyExists(_) => Code::AlreadyExists,
            Self::NotFound(_) => Code::NotFound,
            Self::NotReady(_) => Code::FailedPrecondition,
            Self::InvalidArgument(_) => Code::InvalidArgument,
            Self::Busy(_) => Code::ResourceExhausted,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Corrupt(_) => Code::DataLoss,
            Self::Unimplemented(_) => Code::Unimplemented,
            Self::Gone => Code::Cancelled,
            Self::Internal(_) | Self::Config(_) => Code::Internal,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<object_store::Error> for Error {
    /// Storage trouble, without the object's key: the caller knows jobs and data sets, not keys.
    fn from(error: object_store::Error) -> Self {
        log::warn!("object storage: {error}");
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound(GONE.into()),
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::Internal(
                    "The object storage refused the Flight server's credentials. Tell the administrator.".into(),
                )
            }
            _ => Self::Unavailable("The object storage did not answer. Try again.".into()),
        }
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(error: parquet::errors::ParquetError) -> Self {
        // What our own range reader reported travels inside; give it back as it was.
        if let parquet::errors::ParquetError::External(inner) = error {
            return own_error(inner, "The Parquet file");
        }
        Self::Corrupt(format!("The Parquet file cannot be read: {error}"))
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        use arrow::error::ArrowError;
        match error {
            ArrowError::ExternalError(inner) => own_error(inner, "The data"),
            ArrowError::IoError(_, inner) => own_error(Box::new(inner), "The data"),
            other => Self::Corrupt(format!("The data cannot be read: {other}")),
        }
    }
}

impl From<karyaksham_engine::EngineError> for Error {
    fn from(error: karyaksham_engine::EngineError) -> Self {
        use karyaksham_engine::ErrorClass;
        match error.code().class() {
            ErrorClass::Storage => {
                log::warn!("object storage: {error}");
                Self::Unavailable("The object storage did not answer. Try again.".into())
            }
            ErrorClass::Input if error.code() == karyaksham_engine::ErrorCode::InputNotFound => {
                Self::NotFound(GONE.into())
            }
            ErrorClass::Input | ErrorClass::Spec => Self::Corrupt(error.to_string()),
            ErrorClass::Cancelled => Self::Gone,
            ErrorClass::ResourcesExhausted => Self::Busy(error.to_string()),
            ErrorClass::Internal => {
                log::error!("{error}");
                Self::Internal("The table cannot be read because of a fault of the server; its log says more.".into())
            }
        }
    }
}

/// Our own error, if one travels inside (directly or in an I/O error, as readers wrap it).
fn own_error(error: Box<dyn std::error::Error + Send + Sync>, what: &str) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(own) => return *own,
        Err(other) => other,
    };
    match error.downcast::<std::io::Error>() {
        Ok(io) => match io.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(own) => own.clone(),
            None => Error::Corrupt(format!("{what} cannot be read: {io}")),
        },
        Err(other) => Error::Corrupt(format!("{what} cannot be read: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_errors_survive_the_parquet_reader() {
        let inner = Error::Unavailable("no answer".into());
        let wrapped = parquet::errors::ParquetError::External(Box::new(inner.clone()));
        assert_eq!(Error::from(wrapped), inner);
        let through_io = parquet::errors::ParquetError::from(std::io::Error::other(inner.clone()));
        assert_eq!(Error::from(through_io), inner);
    }

    #[test]
    fn codes_are_what_clients_act_on() {
        assert_eq!(Status::from(Error::NotReady("x".into())).code(), Code::FailedPrecondition);
        assert_eq!(Status::from(Error::Corrupt("x".into())).code(), Code::DataLoss);
        assert_eq!(Status::from(Error::Busy("x".into())).code(), Code::ResourceExhausted);
    }
}
