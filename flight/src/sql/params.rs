//! Parameters of statements: `$1`, `$2` … or `?`, and the rows of values that a client binds to them.
//!
//! Values take their places before anything is planned, as literals of their own types: a statement with parameters is
//! planned like any other.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{Expr, Value, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Error, Result};

/// Parameters of one statement, at most.
const MOST: usize = 1000;
/// Rows of them, at most: each is a statement to plan.
const MOST_ROWS: usize = 1000;

/// The statement with each `?` turned to `$1`, `$2` …, in order; others are left as they are.
///
/// A text that cannot be tokenized is left to the parser, which says where it is wrong.
pub fn number(sql: &str) -> Result<String> {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).with_unescape(false).tokenize_with_location() else {
        return Ok(sql.to_owned());
    };
    let marks: BTreeSet<(u64, u64)> = tokens
        .iter()
        .filter(|token| is_mark(&token.token))
        .map(|token| (token.span.start.line, token.span.start.column))
        .collect();
    if marks.is_empty() {
        return Ok(sql.to_owned());
    }
    if tokens.iter().any(|token| matches!(&token.token, Token::Placeholder(_))) {
        return Err(Error::InvalidArgument(
            "The statement has parameters of both kinds: write either ? or $1, $2 … everywhere.".into(),
        ));
    }
    let mut out = String::with_capacity(sql.len() + 2 * marks.len());
    let (mut line, mut column, mut count) = (1, 1, 0);
    for character in sql.chars() {
        if character == '?' && marks.contains(&(line, column)) {
            count += 1;
            let _ = write!(out, "${count}");
        } else {
            out.push(character);
        }
        (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    Ok(out)
}

/// Tokens that begin with a question mark: PostgreSQL has operators of them, this SQL has none.
fn is_mark(token: &Token) -> bool {
    matches!(
        token,
        Token::Question
            | Token::QuestionPipe
            | Token::QuestionAnd
            | Token::QuestionMarkDash
            | Token::QuestionMarkSharp
            | Token::QuestionMarkDoubleVerticalBar
            | Token::QuestionMarkDashVerticalBar
    )
}

/// Put the values into their places; returns how many parameters the statement has.
///
/// With fewer values than parameters nothing is changed: the caller decides whether that is an error.
pub fn bind(statement: &mut impl VisitMut, values: &[ScalarValue]) -> Result<usize> {
    let mut count = Places { most: 0, values: &[] };
    visit(statement, &mut count)?;
    let literals = values.iter().map(literal).collect::<Result<Vec<_>>>()?;
    if count.most == literals.len() {
        visit(statement, &mut Places { most: 0, values: &literals })?;
    }
    Ok(count.most)
}

fn visit(statement: &mut impl VisitMut, places: &mut Places<'_>) -> Result<()> {
    match statement.visit(places) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Counts parameters and, if there are values, replaces them.
struct Places<'a> {
    most: usize,
    values: &'a [Expr],
}

impl VisitorMut for Places<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        match place(name) {
            Ok(number) => self.most = self.most.max(number),
            Err(error) => return ControlFlow::Break(error),
        }
        if let Some(literal) = place(name).ok().and_then(|number| self.values.get(number - 1)) {
            *expr = literal.clone();
        }
        ControlFlow::Continue(())
    }
}

/// The number of a parameter, from 1.
fn place(name: &str) -> Result<usize> {
    let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok()).filter(|number| *number > 0);
    let shown: String = name.chars().take(80).collect();
    match number {
        None => Err(Error::InvalidArgument(format!(
            "The parameter {shown} has a name: parameters are numbered, $1, $2 … or ?."
        ))),
        Some(number) if number > MOST => {
            Err(Error::InvalidArgument(format!("A statement has {MOST} parameters at most; there is {shown}.")))
        }
        Some(number) => Ok(number),
    }
}

/// A value as an expression of exactly its type.
fn literal(value: &ScalarValue) -> Result<Expr> {
    let unusable = || {
        Error::InvalidArgument(format!(
            "A parameter of type {} cannot be bound: take numbers, texts, booleans, bytes, dates, times or decimals.",
            value.data_type()
        ))
    };
    let text = |value: &ScalarValue| match value.cast_to(&DataType::Utf8) {
        Ok(ScalarValue::Utf8(Some(text))) => Ok(text.replace('\'', "''")),
        _ => Err(unusable()),
    };
    let sql = match value {
        ScalarValue::Dictionary(_, inner) => return literal(inner),
        value if value.is_null() => "NULL".to_owned(),
        ScalarValue::Utf8(_) | ScalarValue::LargeUtf8(_) | ScalarValue::Utf8View(_) => format!("'{}'", text(value)?),
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes))
        | ScalarValue::FixedSizeBinary(_, Some(bytes)) => {
            bytes.iter().fold("X'".to_owned(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }) + "'"
        }
        ScalarValue::Boolean(Some(value)) => value.to_string(),
        ScalarValue::Int64(Some(value)) => value.to_string(),
        value if value.data_type().is_nested() => return Err(unusable()),
        value => {
            let data_type = value.data_type().to_string().replace('\'', "''");
            format!("arrow_cast('{}', '{data_type}')", text(value)?)
        }
    };
    let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(&sql);
    parser.and_then(|mut parser| parser.parse_expr()).map_err(|_| unusable())
}

/// The parameters of a statement in order, by their numbers: types where the plan tells them, else null, for "any".
pub fn schema(count: usize, plan: Option<&LogicalPlan>) -> SchemaRef {
    let types = plan.and_then(|plan| plan.get_parameter_types().ok()).unwrap_or_default();
    let fields = (1..=count).map(|number| {
        let known = types.get(&format!("${number}")).cloned().flatten();
        let data_type = match known {
            None => DataType::Null,
            Some(DataType::Utf8View) => DataType::Utf8,
            Some(DataType::BinaryView) => DataType::Binary,
            Some(other) => other,
        };
        Field::new(number.to_string(), data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows that a client bound, as handles keep them.
pub fn encode(batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let Some(first) = batches.first().filter(|_| (1..=MOST_ROWS).contains(&rows)) else {
        return Err(Error::InvalidArgument(format!(
            "{rows} rows of parameters were bound; 1 to {MOST_ROWS} are taken. Upload long lists of values as a data set, and \
             join it."
        )));
    };
    let mut writer = StreamWriter::try_new(Vec::new(), first.schema_ref())?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.into_inner()?)
}

/// The values of such rows.
pub fn decode(bytes: &[u8]) -> Result<Vec<Vec<ScalarValue>>> {
    let damaged = || Error::InvalidArgument("The bound parameters are damaged: bind them again.".into());
    let mut rows = Vec::new();
    for batch in StreamReader::try_new(Cursor::new(bytes), None).map_err(|_| damaged())? {
        let batch = batch.map_err(|_| damaged())?;
        if rows.len() + batch.num_rows() > MOST_ROWS {
            return Err(damaged());
        }
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column.as_ref(), row));
            rows.push(values.collect::<std::result::Result<_, _>>().map_err(|_| damaged())?);
        }
    }
    if rows.is_empty() { Err(damaged()) } else { Ok(rows) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};

    #[test]
    fn question_marks_are_numbered_outside_texts_names_and_remarks() {
        for (sql, wanted) in [
            ("SELECT ? + ?", "SELECT $1 + $2"),
            ("SELECT '?', \"?\" -- ?\n, ? /* ? */", "SELECT '?', \"?\" -- ?\n, $1 /* ? */"),
            ("SELECT 'é?', ?||'x', ?-1", "SELECT 'é?', $1||'x', $2-1"),
            ("SELECT $1", "SELECT $1"),
            ("SELECT 'open ?", "SELECT 'open ?"),
        ] {
            assert_eq!(number(sql).unwrap(), wanted);
        }
        assert!(number("SELECT ?, $1").unwrap_err().to_string().contains("both kinds"));
    }

    #[test]
    fn values_become_literals_of_their_type() {
        let day = ScalarValue::Date32(Some(20_000));
        let precise = ScalarValue::Decimal128(Some(-150), 10, 2);
        let zoned = ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into()));
        let cases = [
            (ScalarValue::Int64(Some(-5)), "-5".to_owned()),
            (ScalarValue::Utf8(Some("it's; DROP TABLE x --".into())), "'it''s; DROP TABLE x --'".to_owned()),
            (ScalarValue::Float64(None), "NULL".to_owned()),
            (ScalarValue::Binary(Some(vec![0, 255])), "X'00ff'".to_owned()),
            (day, "arrow_cast('2024-10-04', 'Date32')".to_owned()),
            (ScalarValue::Float64(Some(0.5)), "arrow_cast('0.5', 'Float64')".to_owned()),
            (precise, "arrow_cast('-1.50', 'Decimal128(10, 2)')".to_owned()),
        ];
        for (value, wanted) in cases {
            assert_eq!(literal(&value).unwrap().to_string(), wanted);
        }
        let sql = literal(&zoned).unwrap().to_string();
        assert!(sql.starts_with("arrow_cast('1970-01-01T00:00:00Z', 'Timestamp("), "{sql}");
    }

    #[test]
    fn all_places_of_a_statement_are_filled() {
        let parse = |sql: &str| Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
        let mut statement = parse("SELECT $2, f($1) FROM t WHERE a IN (SELECT $1) ORDER BY $2 LIMIT $1");
        let values = [ScalarValue::Int64(Some(7)), ScalarValue::from("x")];
        assert_eq!(bind(&mut statement, &values).unwrap(), 2);
        assert_eq!(statement[0].to_string(), "SELECT 'x', f(7) FROM t WHERE a IN (SELECT 7) ORDER BY 'x' LIMIT 7");
        let mut few = parse("SELECT $3");
        assert_eq!(bind(&mut few, &values).unwrap(), 3);
        assert_eq!(few[0].to_string(), "SELECT $3");
        for bad in ["SELECT $a", "SELECT $0", "SELECT $1001"] {
            assert!(bind(&mut parse(bad), &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_are_kept_with_their_types() {
        let batch = RecordBatch::try_from_iter([
            ("0", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
            ("1", Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef),
        ])
        .unwrap();
        let kept = encode(std::slice::from_ref(&batch)).unwrap();
        let row = vec![ScalarValue::Int64(Some(7)), ScalarValue::Utf8(None)];
        assert_eq!(decode(&kept).unwrap(), std::slice::from_ref(&row));
        let twice = encode(&[batch.clone(), batch.clone()]).unwrap();
        assert_eq!(decode(&twice).unwrap(), [row.clone(), row]);
        assert!(encode(&[]).unwrap_err().to_string().starts_with("0 rows"));
        assert!(encode(&vec![batch; MOST_ROWS + 1]).unwrap_err().to_string().starts_with("1001 rows"));
        assert!(decode(&kept[..20]).is_err());
    }
}
