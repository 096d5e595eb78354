//! Names of partitions' folders: `country=India`, as Hive, Spark, `DuckDB`, Polars and pyarrow read them.

use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::number::write_float;
use crate::error::{EngineError, ErrorCode, Result};

/// The folder of nulls.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Bytes of a folder's name that every file system takes.
const MAX_NAME_BYTES: usize = 255;

/// Whether values of a type can name folders.
pub(crate) fn can_name(kind: &DataType) -> bool {
    !kind.is_nested()
        && !matches!(
            kind,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
        )
}

/// The value as text; `None` for null.
pub(crate) fn value(array: &dyn Array, row: usize) -> Result<Option<String>> {
    if array.is_null(row) {
        return Ok(None);
    }
    if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
        let mut text = Vec::new();
        write_float(&mut text, floats.value(row))?;
        return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
    }
    let options = FormatOptions::default();
    Ok(Some(ArrayFormatter::try_new(array, &options)?.value(row).try_to_string()?))
}

/// The folder's name of a column's value; what is no letter, digit, `-`, `.`, `_` or `~` is percent-encoded.
pub(crate) fn folder(column: &str, value: Option<&str>) -> Result<String> {
    let mut name = encoded(column);
    name.push('=');
    match value {
        None => name.push_str(NULL),
        // A text that looks like the folder of nulls.
        Some(NULL) => name.push_str(&NULL.replacen('_', "%5F", 1)),
        Some(text) => name.push_str(&encoded(text)),
    }
    if name.len() > MAX_NAME_BYTES {
        let shown: String = value.unwrap_or_default().chars().take(60).collect();
        let message = format!("the value `{shown}…` of `{column}` is too long for a folder's name");
        return Err(EngineError::new(ErrorCode::ValueError, message)
            .column(column)
            .hint("partition by a column with short values, e.g. one that `derive` computes"));
    }
    Ok(name)
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        assert_eq!(folder("country", Some("New Zealand/ü")).unwrap(), "country=New%20Zealand%2F%C3%BC");
        assert_eq!(folder("a b", None).unwrap(), "a%20b=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(folder("a", Some("")).unwrap(), "a=");
        assert_eq!(folder("a", Some("..")).unwrap(), "a=..");
        assert_ne!(folder("a", Some(NULL)).unwrap(), folder("a", None).unwrap());
        assert_eq!(folder("a", Some(&"x".repeat(300))).unwrap_err().code(), ErrorCode::ValueError);
    }
}
