//! `extract`: one text column for each named group of a regular expression.
//!
//! - **Nulls.** Where the pattern does not match, all its columns are null; a group that takes no part in the match
//!   (`(?<a>x)?`) is null; a null gives nulls. A group that matches the empty text gives the empty text.
//! - **Order and rows.** Neither changes. The first match in the text counts; the pattern need not match the whole text.
//! - **Types.** The column searched is text; the new columns are nullable text, behind the others, in the pattern's order.
//! - **Memory.** The compiled pattern is bounded ([`PATTERN_BYTES`]), and matching takes time linear in the text, whatever
//!   the pattern. Long parts of views point into the text's own buffers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder, StringViewBuilder, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::ident;
use karyaksham_spec::Code;
use karyaksham_spec::steps::Extract;
use regex::{CaptureLocations, Regex, RegexBuilder};

use super::scope::Scope;
use crate::types::type_name;

/// The size of the compiled pattern, and that of the matcher's cache, at most.
const PATTERN_BYTES: usize = 4 << 20;
/// Named groups, at most.
const MAX_GROUPS: usize = 256;

pub(super) fn apply(step: &Extract, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let column = scope.column(input.schema(), &step.column, "column");
    let pattern = compiled(&step.pattern, scope);
    let (Some(column), Some(pattern)) = (column, pattern) else {
        // Which columns follow is not known.
        scope.lost = true;
        return input;
    };
    let fields = input.schema().fields();
    let Some(kind) = fields.iter().find(|field| *field.name() == step.column).map(|field| field.data_type().clone())
    else {
        return input;
    };
    if !matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) {
        let message = format!("`{}` is of type {}, not text", step.column, type_name(&kind));
        scope.problem("column", Code::TypeError, message, Some("cast the column to utf8 first".to_owned()));
    }
    let mut collision = false;
    for name in names(&pattern) {
        if fields.iter().any(|field| field.name() == name) {
            let hint = Some("rename the group, or rename or drop the column first".to_owned());
            scope.problem("pattern", Code::DuplicateColumn, format!("there is a column `{name}` already"), hint);
            collision = true;
        }
    }
    if collision {
        return input;
    }
    let after = planned(&input, column, &pattern);
    scope.attempt("pattern", input, after)
}

/// The compiled pattern, or a problem.
fn compiled(pattern: &str, scope: &mut Scope<'_>) -> Option<Regex> {
    match compile(pattern) {
        Ok(pattern) => Some(pattern),
        Err((message, hint)) => {
            scope.problem("pattern", Code::InvalidExpression, message, Some(hint.to_owned()));
            None
        }
    }
}

/// Notes what is wrong with a pattern, whatever it will search.
pub(super) fn check(pattern: &str, scope: &mut Scope<'_>) {
    compiled(pattern, scope);
}

/// Two projections, so that the pattern is matched once for all its groups.
fn planned(input: &DataFrame, column: datafusion::logical_expr::Expr, pattern: &Regex) -> DfResult<DataFrame> {
    let mut group = String::from("__extract");
    while input.schema().fields().iter().any(|field| *field.name() == group) {
        group.push('_');
    }
    let columns: Vec<_> = input.schema().fields().iter().map(|field| ident(field.name())).collect();
    let matched = ScalarUDF::new_from_impl(ExtractUdf::new(pattern.clone())).call(vec![column]).alias(&group);
    let frame = input.clone().select(columns.iter().cloned().chain([matched]).collect::<Vec<_>>())?;
    let parts = names(pattern).map(|name| get_field(ident(&group), name).alias(name));
    frame.select(columns.into_iter().chain(parts).collect::<Vec<_>>())
}

fn names(pattern: &Regex) -> impl Iterator<Item = &str> {
    pattern.capture_names().flatten()
}

/// Compiles a pattern within bounds; otherwise what is wrong, and a hint.
fn compile(pattern: &str) -> Result<Regex, (String, &'static str)> {
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build();
    let regex = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => (
            format!("the pattern is too big: compiled, it takes more than {} MiB", PATTERN_BYTES >> 20),
            "use smaller repetitions: \\w{1,1000} is a thousand copies of \\w",
        ),
        other => {
            let text = other.to_string();
            let what = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            (
                format!("the pattern cannot be read: {what}"),
                "the syntax is that of Rust's regex: no look-around, no back-references",
            )
        }
    })?;
    match names(&regex).count() {
        0 => Err(("the pattern has no named group".to_owned(), "name what becomes a column: (?<level>\\w+)")),
        found if found > MAX_GROUPS => {
            Err((format!("the pattern has {found} named groups; at most {MAX_GROUPS} are taken"), "use several steps"))
        }
        _ => Ok(regex),
    }
}

/// A text to a struct of its groups. Equal patterns are equal functions.
#[derive(Debug)]
struct ExtractUdf {
    pattern: Regex,
    /// Of each named group: its number in the pattern.
    groups: Vec<usize>,
    signature: Signature,
}

impl ExtractUdf {
    fn new(pattern: Regex) -> Self {
        let named = pattern.capture_names().enumerate().filter(|(_, name)| name.is_some());
        let groups = named.map(|(number, _)| number).collect();
        Self { groups, pattern, signature: Signature::any(1, Volatility::Immutable) }
    }

    fn fields(&self, input: &DataType) -> Fields {
        let kind = if *input == DataType::Utf8View { DataType::Utf8View } else { DataType::Utf8 };
        names(&self.pattern).map(|name| Field::new(name, kind.clone(), true)).collect()
    }

    fn columns(&self, array: &dyn Array) -> DfResult<Vec<ArrayRef>> {
        Ok(match array.data_type() {
            DataType::Utf8View => self.views(array.as_string_view()),
            DataType::Utf8 => self.texts(array.as_string::<i32>().iter()),
            DataType::LargeUtf8 => self.texts(array.as_string::<i64>().iter()),
            DataType::Null => self.texts(std::iter::repeat_n(None, array.len())),
            other => return Err(DataFusionError::Plan(format!("extract takes text, not {other}"))),
        })
    }

    fn texts<'a>(&self, texts: impl Iterator<Item = Option<&'a str>>) -> Vec<ArrayRef> {
        let mut builders: Vec<StringBuilder> = self.groups.iter().map(|_| StringBuilder::new()).collect();
        let mut found = self.pattern.capture_locations();
        for text in texts {
            let matched = text.filter(|text| self.pattern.captures_read(&mut found, text).is_some());
            for (group, builder) in self.groups.iter().zip(&mut builders) {
                builder.append_option(part(matched, &found, *group).map(|(_, part)| part));
            }
        }
        builders.into_iter().map(|mut builder| Arc::new(builder.finish()) as ArrayRef).collect()
    }

    /// Parts of more than 12 bytes are views into the buffers of the text they stand in.
    fn views(&self, array: &arrow::array::StringViewArray) -> Vec<ArrayRef> {
        let mut builders: Vec<StringViewBuilder> = self
            .groups
            .iter()
            .map(|_| {
                let mut builder = StringViewBuilder::with_capacity(array.len());
                for buffer in array.data_buffers() {
                    builder.append_block(buffer.clone());
                }
                builder
            })
            .collect();
        let mut found = self.pattern.capture_locations();
        for row in 0..array.len() {
            let text = array.is_valid(row).then(|| array.value(row));
            let matched = text.filter(|text| self.pattern.captures_read(&mut found, text).is_some());
            let view = place(array.views()[row]);
            for (group, builder) in self.groups.iter().zip(&mut builders) {
                match part(matched, &found, *group) {
                    None => builder.append_null(),
                    Some((start, part)) => {
                        let pointed = part.len() > INLINE_BYTES && {
                            let (block, offset) = view;
                            let place = u32::try_from(start).ok().and_then(|start| offset.checked_add(start));
                            let length = u32::try_from(part.len()).ok();
                            place
                                .zip(length)
                                .is_some_and(|(place, length)| builder.try_append_view(block, place, length).is_ok())
                        };
                        if !pointed {
                            builder.append_value(part);
                        }
                    }
                }
            }
        }
        builders.into_iter().map(|mut builder| Arc::new(builder.finish()) as ArrayRef).collect()
    }
}

/// Texts of so many bytes at most stand in the view itself.
const INLINE_BYTES: usize = 12;

/// Buffer and offset of a view of a longer text, by the layout of Arrow's format: length, prefix, buffer, offset.
#[expect(clippy::cast_possible_truncation, reason = "four fields of 32 bits")]
fn place(view: u128) -> (u32, u32) {
    ((view >> 64) as u32, (view >> 96) as u32)
}

/// Start and text of a group, if it took part in the match.
fn part<'a>(matched: Option<&'a str>, found: &CaptureLocations, group: usize) -> Option<(usize, &'a str)> {
    let text = matched?;
    let (start, end) = found.get(group)?;
    Some((start, &text[start..end]))
}

impl PartialEq for ExtractUdf {
    fn eq(&self, other: &Self) -> bool {
        self.pattern.as_str() == other.pattern.as_str()
    }
}

impl Eq for ExtractUdf {}

impl std::hash::Hash for ExtractUdf {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.pattern.as_str().hash(state);
    }
}

impl ScalarUDFImpl for ExtractUdf {
    fn name(&self) -> &'static str {
        "extract_groups"
    }

    /// Two steps with different patterns over one column are different columns.
    fn schema_name(&self, args: &[datafusion::logical_expr::Expr]) -> DfResult<String> {
        let column = args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Ok(format!("extract_groups({column}, {})", self.pattern.as_str()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Struct(self.fields(arguments.first().unwrap_or(&DataType::Null))))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let Some(argument) = arguments.args.first() else {
            return Err(DataFusionError::Internal("extract without a column".to_owned()));
        };
        let array = argument.to_array(arguments.number_rows)?;
        let fields = self.fields(array.data_type());
        let groups = StructArray::try_new(fields, self.columns(array.as_ref())?, None::<NullBuffer>)?;
        Ok(match argument {
            ColumnarValue::Array(_) => ColumnarValue::Array(Arc::new(groups)),
            ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&groups, 0)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{StringArray, StringViewArray};

    use super::*;

    fn groups(pattern: &str, array: &dyn Array) -> Vec<Vec<Option<String>>> {
        let udf = ExtractUdf::new(compile(pattern).unwrap());
        let columns = udf.columns(array).unwrap();
        columns
            .iter()
            .map(|column| {
                let plain = arrow::compute::cast(column, &DataType::Utf8).unwrap();
                plain.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
            })
            .collect()
    }

    #[test]
    fn views_and_texts_give_the_same() {
        let texts = [
            Some("2024-01-01T00:00:00Z ERROR something long went wrong here"),
            None,
            Some("short x"),
            Some(""),
            Some("no-match"),
            Some("2024-01-01T00:00:00.123456Z ü äöü — a long text of many bytes"),
        ];
        let pattern = r"(?<ts>\S+) (?<level>\w+)(?: (?<msg>.*))?";
        let plain = groups(pattern, &StringArray::from(texts.to_vec()));
        let views = groups(pattern, &StringViewArray::from(texts.to_vec()));
        assert_eq!(plain, views);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(plain[1], [some("ERROR"), None, some("x"), None, None, some("ü")]);
        assert_eq!(plain[2][2], None);
        assert_eq!(plain[2][5], some("äöü — a long text of many bytes"));
    }

    #[test]
    fn hostile_patterns_are_refused() {
        for pattern in ["(?<a>x", "(?<a>((\\w{1000}){1000}){1000})", "no group", "(?<a>x)(?=y)", "(?<a>x)(?<a>y)"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        let many: Vec<String> = (0..300).map(|number| format!("(?<g{number}>x)")).collect();
        assert!(compile(&many.concat()).is_err());
    }
}
