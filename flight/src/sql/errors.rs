//! What DataFusion says about a statement, as errors of this server: what is wrong, where, and how to mend it.

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use karyaksham_engine::{EngineError, ErrorClass, ErrorCode, did_you_mean};

use crate::error::Error;

/// Letters of something given that a message repeats, at most.
const MOST_SHOWN: usize = 400;

/// Why a statement cannot be planned or run.
pub fn statement(error: DataFusionError) -> Error {
    use DataFusionError as D;
    match error {
        D::Context(_, inner) | D::Diagnostic(_, inner) => statement(*inner),
        D::Collection(errors) => {
            errors.into_iter().next().map_or_else(|| internal("an empty collection of errors"), statement)
        }
        D::SQL(inner, _) => invalid(format!("The SQL cannot be read: {}.", sentence(&inner.to_string()))),
        D::SchemaError(inner, _) => invalid(schema(&inner)),
        D::Plan(text) | D::Configuration(text) => invalid(format!("The statement is wrong: {}.", sentence(&text))),
        D::NotImplemented(text) => Error::Unimplemented(format!(
            "This SQL is not offered: {}. docs/flight-sql.md says what is.",
            sentence(&text)
        )),
        D::ResourcesExhausted(text) => Error::Busy(format!(
            "The statement needs more memory than one may use (FLIGHT_SQL_MEMORY_LIMIT_BYTES): {}. Select fewer columns \
             or rows, or run it as a job, which may have more.",
            sentence(&text)
        )),
        D::ArrowError(inner, _) => arrow(*inner),
        D::Execution(text) => invalid(format!("The statement failed: {}.", sentence(&text))),
        D::External(source) => match source.downcast::<Error>() {
            Ok(own) => *own,
            Err(source) => engine(&EngineError::from(D::External(source))),
        },
        D::Internal(text) => internal(&text),
        other => engine(&EngineError::from(other)),
    }
}

/// Why a table of a statement cannot be opened or read.
pub fn engine(error: &EngineError) -> Error {
    match error.code().class() {
        ErrorClass::Internal => internal(&error.to_string()),
        ErrorClass::ResourcesExhausted => Error::Busy(format!("The statement needs too much: {error}.")),
        // A value that does not fit, or a row that cannot be read: the caller's own data, with its place.
        ErrorClass::Spec => invalid(error.to_string()),
        ErrorClass::Input if error.code() == ErrorCode::ValueError => {
            invalid(format!("The statement failed on a value: {}.", sentence(&error.details().message)) + &hint(error))
        }
        _ => Error::from(error.clone()),
    }
}

fn arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(source) => match source.downcast::<DataFusionError>() {
            Ok(inner) => statement(*inner),
            Err(source) => engine(&EngineError::from(ArrowError::ExternalError(source))),
        },
        other => engine(&EngineError::from(other)),
    }
}

fn hint(error: &EngineError) -> String {
    error.details().hint.as_ref().map(|hint| format!(" Hint: {hint}.")).unwrap_or_default()
}

fn schema(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let hint = did_you_mean(&field.name, valid_fields.iter().map(|column| column.name.as_str()));
            format!(
                "There is no column `{}` here; {} Names are taken as they are written; those with dots, spaces or signs \
                 need double quotes.",
                shortened(&field.name),
                hint.map_or_else(|| "there is none at all.".to_owned(), |hint| ended(&hint))
            )
        }
        SchemaError::AmbiguousReference { field } => {
            format!("The column `{}` is in more than one table: write table.column.", field.name)
        }
        other => format!("The statement is wrong: {}.", sentence(&other.to_string())),
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::InvalidArgument(text.into())
}

fn internal(text: &str) -> Error {
    log::error!("a Flight SQL statement met a bug: {text}");
    Error::Internal("The statement met a fault of the server; its log says more.".into())
}

/// The hint with a full stop or question mark.
pub fn ended(hint: &str) -> String {
    if hint.ends_with(['?', '.', '…']) { hint.to_owned() } else { format!("{hint}.") }
}

/// The first line, without the name of the error's kind and without the last dot.
fn sentence(text: &str) -> String {
    let mut line = text.lines().next().unwrap_or_default().trim();
    for prefix in ["Error during planning: ", "sql parser error: ", "ParserError: ", "Execution error: "] {
        line = line.strip_prefix(prefix).unwrap_or(line);
    }
    shortened(line.trim_end_matches('.'))
}

/// What a client gave, at a length that a message can have.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::common::Column;

    #[test]
    fn an_unknown_column_is_told_with_what_was_meant() {
        let schema = SchemaError::FieldNotFound {
            field: Box::new(Column::from_name("AMOUNT")),
            valid_fields: vec![Column::from_name("id"), Column::from_name("amount")],
        };
        let told = statement(DataFusionError::SchemaError(Box::new(schema), Box::new(None))).to_string();
        assert!(told.starts_with("There is no column `AMOUNT` here; did you mean `amount`? Names are"), "{told}");
    }

    #[test]
    fn each_kind_of_error_has_its_code() {
        let cases = [
            (DataFusionError::Plan("x".into()), tonic::Code::InvalidArgument),
            (DataFusionError::NotImplemented("x".into()), tonic::Code::Unimplemented),
            (DataFusionError::ResourcesExhausted("x".into()), tonic::Code::ResourceExhausted),
            (DataFusionError::Internal("secret".into()), tonic::Code::Internal),
            (DataFusionError::External(Box::new(Error::Unavailable("x".into()))), tonic::Code::Unavailable),
            (ArrowError::DivideByZero.into(), tonic::Code::InvalidArgument),
        ];
        for (error, code) in cases {
            let told = statement(DataFusionError::Context("c".into(), Box::new(error)));
            assert_eq!(told.code(), code, "{told}");
            assert!(!told.to_string().contains("secret"));
        }
    }
}
