//! What is wrong with a specification, and where.

use serde::Serialize;

/// One thing wrong with a specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The place in the JSON, e.g. `steps[1].filter.where`; empty for the whole document.
    pub path: String,
    /// A stable code.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// How to mend it, if known.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without hint.
    pub fn new(path: impl Into<String>, code: Code, message: impl Into<String>) -> Self {
        Self { path: path.into(), code, message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a hint, if there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

/// Codes of problems; in JSON as `UPPER_SNAKE_CASE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// Not JSON at all.
    InvalidJson,
    /// A field that the definition does not have.
    UnknownField,
    /// A field is missing.
    MissingField,
    /// A field has a value of the wrong JSON type or out of its range.
    InvalidValue,
    /// A step that does not exist.
    UnknownStep,
    /// A column that does not exist at this point.
    UnknownColumn,
    /// A column would exist twice.
    DuplicateColumn,
    /// An input that the job does not have.
    UnknownInput,
    /// An expression that cannot be parsed or is not allowed.
    InvalidExpression,
    /// An expression or conversion whose types do not fit.
    TypeError,
    /// Valid, but this version does not run it yet.
    NotSupportedYet,
}

impl Code {
    /// The text of the code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "INVALID_JSON",
            Self::UnknownField => "UNKNOWN_FIELD",
            Self::MissingField => "MISSING_FIELD",
            Self::InvalidValue => "INVALID_VALUE",
            Self::UnknownStep => "UNKNOWN_STEP",
            Self::UnknownColumn => "UNKNOWN_COLUMN",
            Self::DuplicateColumn => "DUPLICATE_COLUMN",
            Self::UnknownInput => "UNKNOWN_INPUT",
            Self::InvalidExpression => "INVALID_EXPRESSION",
            Self::TypeError => "TYPE_ERROR",
            Self::NotSupportedYet => "NOT_SUPPORTED_YET",
        }
    }
}

/// The name among `known` that `given` was probably meant to be, as a hint; otherwise the known names.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let lower = given.to_lowercase();
    let best =
        known.iter().map(|name| (distance(&lower, &name.to_lowercase()), *name)).min_by_key(|(distance, _)| *distance);
    match best {
        Some((distance, name)) if distance <= given.chars().count().div_ceil(3) => {
            Some(format!("did you mean `{name}`?"))
        }
        Some(_) => {
            let mut listed = known.iter().take(20).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
            if known.len() > 20 {
                listed.push_str(", …");
            }
            Some(format!("there are: {listed}"))
        }
        None => None,
    }
}

/// Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_near_name() {
        assert_eq!(did_you_mean("amuont", ["id", "amount"]).as_deref(), Some("did you mean `amount`?"));
        assert_eq!(did_you_mean("zzzzzz", ["id", "amount"]).as_deref(), Some("there are: `id`, `amount`"));
        assert_eq!(did_you_mean("x", []), None);
    }
}
