//! The one error of this crate: a stable code, a message for people, and where it happened.

use std::fmt;

use datafusion::error::DataFusionError;
use karyaksham_spec::Problem;
use serde::Serialize;

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// A result whose error is an [`EngineError`].
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// The name of DataFusion's setting for the quota of spilled data: all that tells its error, which has no type of its own.
const SPILL_QUOTA: &str = "datafusion.runtime.max_temp_directory_size";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $class:ident, $retryable:literal;)*) => {
        /// Stable codes of errors. Outside clients rely on their texts: add, never rename.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The text of the code.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $text,)* } }

            /// The kind of error, which decides Python's exception class.
            pub fn class(self) -> ErrorClass { match self { $(Self::$name => ErrorClass::$class,)* } }

            /// Whether the same job may succeed when it is run again.
            pub fn retryable(self) -> bool { match self { $(Self::$name => $retryable,)* } }
        }
    };
}

codes! {
    /// The specification is wrong; the problems are attached.
    InvalidSpec = "INVALID_SPEC", Spec, false;
    /// The request itself is wrong.
    InvalidRequest = "INVALID_REQUEST", Spec, false;
    /// An input does not exist.
    InputNotFound = "INPUT_NOT_FOUND", Input, false;
    /// An input holds nothing at all.
    InputEmpty = "INPUT_EMPTY", Input, false;
    /// An input read as text is a binary file.
    InputBinary = "INPUT_BINARY", Input, false;
    /// An input is not text in the encoding it should have.
    InputEncoding = "INPUT_ENCODING", Input, false;
    /// An input is damaged or not of the format it should have.
    InputFormat = "INPUT_FORMAT", Input, false;
    /// An input changed while it was read.
    InputChanged = "INPUT_CHANGED", Input, true;
    /// An input's columns are not those of its data set's fixed schema.
    SchemaDrift = "SCHEMA_DRIFT", Input, false;
    /// A row cannot be read, and `onBadRow` is `fail`.
    BadRow = "BAD_ROW", Input, false;
    /// More rows were rejected than `maxRejects` allows.
    TooManyRejects = "TOO_MANY_REJECTS", Input, false;
    /// A record is longer than the engine takes; often a quote that is never closed.
    RecordTooLong = "RECORD_TOO_LONG", Input, false;
    /// An expectation whose `onFail` is `fail` is not true for some rows.
    ExpectationFailed = "EXPECTATION_FAILED", Input, false;
    /// A value does not fit an expression or a conversion.
    ValueError = "VALUE_ERROR", Input, false;
    /// The result would have more partitions or files than are written.
    TooManyPartitions = "TOO_MANY_PARTITIONS", Spec, false;
    /// A result stands where the output should go.
    OutputExists = "OUTPUT_EXISTS", Storage, false;
    /// The place for the output cannot be written to, e.g. its folder does not exist.
    OutputNotWritable = "OUTPUT_NOT_WRITABLE", Storage, false;
    /// The storage cannot be reached or answers with an error of its own.
    StorageUnavailable = "STORAGE_UNAVAILABLE", Storage, true;
    /// The storage refuses access.
    StorageDenied = "STORAGE_DENIED", Storage, false;
    /// A disk is full.
    DiskFull = "DISK_FULL", ResourcesExhausted, true;
    /// The memory limit does not suffice, even with spilling to disk.
    ResourcesExhausted = "RESOURCES_EXHAUSTED", ResourcesExhausted, false;
    /// The job was cancelled.
    Cancelled = "CANCELLED", Cancelled, false;
    /// The row counts do not add up: a bug, and the result is not to be trusted.
    LedgerMismatch = "LEDGER_MISMATCH", Internal, false;
    /// A bug.
    Internal = "INTERNAL", Internal, true;
}

/// Kinds of errors; one Python exception class for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// `SpecError`
    Spec,
    /// `InputError`
    Input,
    /// `StorageError`
    Storage,
    /// `ResourcesExhaustedError`
    ResourcesExhausted,
    /// `CancelledError`
    Cancelled,
    /// `InternalError`
    Internal,
}

impl ErrorClass {
    /// The name of Python's exception class.
    pub fn python_name(self) -> &'static str {
        match self {
            Self::Spec => "SpecError",
            Self::Input => "InputError",
            Self::Storage => "StorageError",
            Self::ResourcesExhausted => "ResourcesExhaustedError",
            Self::Cancelled => "CancelledError",
            Self::Internal => "InternalError",
        }
    }
}

/// Why a job or an inspection failed.
#[derive(Debug, Clone)]
pub struct EngineError(Box<Details>);

/// The parts of an [`EngineError`].
#[derive(Debug, Clone)]
pub struct Details {
    /// The stable code.
    pub code: ErrorCode,
    /// What happened, for people.
    pub message: String,
    /// Index of the step, from 0.
    pub step: Option<usize>,
    /// The column.
    pub column: Option<String>,
    /// The record's line in the text file, from 1 (the header is line 1).
    pub row: Option<u64>,
    /// Byte offset in the decoded text, from 0.
    pub byte_offset: Option<u64>,
    /// How to mend it.
    pub hint: Option<String>,
    /// With `INVALID_SPEC`: everything that is wrong.
    pub problems: Vec<Problem>,
}

impl EngineError {
    /// An error with only a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            code,
            message: message.into(),
            step: None,
            column: None,
            row: None,
            byte_offset: None,
            hint: None,
            problems: Vec::new(),
        }))
    }

    /// A bug: something that cannot happen happened.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// The specification is wrong.
    pub fn invalid_spec(problems: Vec<Problem>) -> Self {
        let first = problems.first();
        let mut message = first.map_or_else(
            || "the specification is wrong".to_owned(),
            |p| if p.path.is_empty() { p.message.clone() } else { format!("{}: {}", p.path, p.message) },
        );
        if problems.len() > 1 {
            message = format!("{message} (and {} more)", problems.len() - 1);
        }
        let mut error = Self::new(ErrorCode::InvalidSpec, message);
        error.0.hint = first.and_then(|p| p.hint.clone());
        error.0.problems = problems;
        error
    }

    /// The same with a hint how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same with the step's index.
    #[must_use]
    pub fn step(mut self, step: usize) -> Self {
        self.0.step = Some(step);
        self
    }

    /// The same with a column.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.0.column = Some(column.into());
        self
    }

    /// The same with line (from 1) and byte offset.
    #[must_use]
    pub fn at(mut self, row: u64, byte_offset: u64) -> Self {
        self.0.row = Some(row);
        self.0.byte_offset = Some(byte_offset);
        self
    }

    /// The same with a byte offset.
    #[must_use]
    pub fn byte_offset(mut self, byte_offset: u64) -> Self {
        self.0.byte_offset = Some(byte_offset);
        self
    }

    /// The parts.
    pub fn details(&self) -> &Details {
        &self.0
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// JSON with the fields that `EngineError` has in Python.
    pub fn to_json(&self) -> serde_json::Value {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Json<'a> {
            code: &'a str,
            message: &'a str,
            step: Option<usize>,
            column: Option<&'a str>,
            row: Option<u64>,
            byte_offset: Option<u64>,
            retryable: bool,
            hint: Option<&'a str>,
            problems: &'a [Problem],
        }
        let d = &self.0;
        serde_json::to_value(Json {
            code: d.code.as_str(),
            message: &d.message,
            step: d.step,
            column: d.column.as_deref(),
            row: d.row,
            byte_offset: d.byte_offset,
            retryable: d.code.retryable(),
            hint: d.hint.as_deref(),
            problems: &d.problems,
        })
        .unwrap_or_default()
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = &self.0;
        write!(f, "{}: {}", d.code.as_str(), d.message)?;
        if let Some(column) = &d.column {
            write!(f, " [column {column}]")?;
        }
        if let Some(row) = d.row {
            write!(f, " [line {row}]")?;
        }
        if let Some(hint) = &d.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for EngineError {}

impl From<EngineError> for DataFusionError {
    fn from(error: EngineError) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<object_store::Error> for EngineError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        let code = match &error {
            E::NotFound { .. } => ErrorCode::InputNotFound,
            E::AlreadyExists { .. } => ErrorCode::OutputExists,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => ErrorCode::StorageDenied,
            _ if disk_full(&error) => ErrorCode::DiskFull,
            _ => ErrorCode::StorageUnavailable,
        };
        let message = chain_text(&error);
        let error = Self::new(code, message);
        match code {
            ErrorCode::StorageDenied => error.hint("check the access key and its rights on the bucket"),
            ErrorCode::StorageUnavailable => error.hint("check that the storage's address is right and that it runs"),
            _ => error,
        }
    }
}

impl From<std::io::Error> for EngineError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        if error.kind() == K::Other && error.to_string().contains(SPILL_QUOTA) {
            return Self::new(ErrorCode::ResourcesExhausted, "intermediate data takes more disk space than it may")
                .hint("raise the spill limit or the memory limit, or keep fewer columns before this step");
        }
        let code = match error.kind() {
            K::NotFound => ErrorCode::InputNotFound,
            K::PermissionDenied => ErrorCode::StorageDenied,
            K::AlreadyExists => ErrorCode::OutputExists,
            _ if disk_full(&error) => ErrorCode::DiskFull,
            _ => ErrorCode::StorageUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<parquet::errors::ParquetError> for EngineError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        match error {
            parquet::errors::ParquetError::External(source) => {
                from_boxed(source).unwrap_or_else(|source| {
                    // What unpacks pages tells its troubles in its own way.
                    Self::new(ErrorCode::InputFormat, format!("the Parquet data cannot be read: {source}"))
                })
            }
            other => Self::new(ErrorCode::InputFormat, format!("the Parquet data cannot be read: {other}")),
        }
    }
}

impl From<arrow::error::ArrowError> for EngineError {
    fn from(error: arrow::error::ArrowError) -> Self {
        use arrow::error::ArrowError as A;
        match error {
            A::ExternalError(source) => from_any(source),
            A::IoError(_, source) => source.into(),
            A::DivideByZero => {
                Self::new(ErrorCode::ValueError, "a division by zero").hint("guard the divisor: x / nullif(y, 0)")
            }
            A::ParquetError(text) => Self::new(ErrorCode::InputFormat, text),
            A::CastError(text) | A::ParseError(text) | A::ComputeError(text) => {
                Self::new(ErrorCode::ValueError, text).hint("use try_cast(… AS …) to turn such values into null")
            }
            A::ArithmeticOverflow(text) => Self::new(ErrorCode::ValueError, text),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> Self {
        use DataFusionError as D;
        match error {
            D::External(source) => from_any(source),
            D::ArrowError(source, _) => (*source).into(),
            D::ParquetError(source) => (*source).into(),
            D::ObjectStore(source) => (*source).into(),
            D::IoError(source) => source.into(),
            D::Context(_, source) | D::Diagnostic(_, source) => (*source).into(),
            D::Shared(source) => shared(&source),
            D::Collection(errors) => {
                errors.into_iter().next().map_or_else(|| Self::internal("an empty collection of errors"), Self::from)
            }
            D::ResourcesExhausted(text) => Self::new(
                ErrorCode::ResourcesExhausted,
                format!("the memory limit does not suffice: {}", text.lines().next().unwrap_or_default()),
            )
            .hint("raise the memory limit, or keep fewer columns before this step"),
            D::Execution(text) => Self::new(ErrorCode::ValueError, text),
            D::ExecutionJoin(source) => Self::internal(source.to_string()),
            other => Self::internal(other.strip_backtrace()),
        }
    }
}

/// An error shared by several streams.
fn shared(error: &DataFusionError) -> EngineError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(found) = current.downcast_ref::<EngineError>() {
            return found.clone();
        }
        if let Some(DataFusionError::ResourcesExhausted(text)) = current.downcast_ref::<DataFusionError>() {
            return EngineError::from(DataFusionError::ResourcesExhausted(text.clone()));
        }
        source = current.source();
    }
    EngineError::new(ErrorCode::ValueError, error.strip_backtrace())
}

/// Finds the error of ours (or of a library we know) inside a box.
fn from_boxed(source: BoxedError) -> Result<EngineError, BoxedError> {
    let source = match source.downcast::<EngineError>() {
        Ok(error) => return Ok(*error),
        Err(source) => source,
    };
    let source = match source.downcast::<DataFusionError>() {
        Ok(error) => return Ok((*error).into()),
        Err(source) => source,
    };
    let source = match source.downcast::<object_store::Error>() {
        Ok(error) => return Ok((*error).into()),
        Err(source) => source,
    };
    source.downcast::<arrow::error::ArrowError>().map(|error| (*error).into())
}

/// The same, where an error of the system is one of the machine, and any other a bug.
fn from_any(source: BoxedError) -> EngineError {
    from_boxed(source).unwrap_or_else(|source| match source.downcast::<std::io::Error>() {
        Ok(error) => (*error).into(),
        Err(source) => EngineError::internal(source.to_string()),
    })
}

fn disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(current) = source {
        // Spill files wrap one error of the system in another: all are looked at.
        if let Some(io) = current.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        source = current.source();
    }
    false
}

/// The messages of an error and its sources, without repetitions.
fn chain_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(current) = source {
        let part = current.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        source = current.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_full_disk_is_told_through_all_wrappings() {
        let full = || Error::from(ErrorKind::StorageFull);
        assert_eq!(EngineError::from(full()).code(), ErrorCode::DiskFull);
        let wrapped = Error::other(DataFusionError::IoError(full()));
        assert_eq!(EngineError::from(wrapped).code(), ErrorCode::DiskFull);
        let spilled = DataFusionError::IoError(Error::other(DataFusionError::IoError(full())));
        assert_eq!(EngineError::from(spilled).code(), ErrorCode::DiskFull);
        assert_eq!(EngineError::from(Error::other("cut off")).code(), ErrorCode::StorageUnavailable);
    }
}
