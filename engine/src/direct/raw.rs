//! Conditions on the bytes of fields, without making arrays of them.
//!
//! Only common shapes: a column compared with a constant, `IN`, `LIKE` with `%` at the ends, `contains`, `starts_with`,
//! `ends_with`, `IS NULL`, and `AND`, `OR`, `NOT` of them. Where a field is not plain (escapes inside of quotes, a number
//! in an unusual spelling, a value that may not fit its type) the answer is [`Verdict::Unsure`], and the typed condition
//! decides: the fast way never gives another answer than the exact one.

use std::cmp::Ordering;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, Like, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use memchr::memmem::Finder;

use super::check::fits;
use crate::scan::Column;

/// What a condition says about a record, in SQL's logic of three values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    True,
    False,
    Null,
    /// Only the typed condition can tell.
    Unsure,
}

/// The text of a field, as far as it can be told at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text<'a> {
    Null,
    Plain(&'a [u8]),
    Unsure,
}

impl<'a> Text<'a> {
    /// The text of the raw bytes between two separators.
    #[inline]
    pub(crate) fn of(raw: &'a [u8], quote: Option<u8>) -> Self {
        match raw {
            [] => Self::Null,
            [first, rest @ ..] if Some(*first) == quote => match rest {
                [inner @ .., last] if Some(*last) == quote && memchr::memchr(*last, inner).is_none() => {
                    Self::Plain(inner)
                }
                _ => Self::Unsure,
            },
            _ => Self::Plain(raw),
        }
    }
}

/// A condition on one field.
#[derive(Debug)]
pub(crate) enum Test {
    Text(Operator, Box<[u8]>),
    OneOf(Vec<Box<[u8]>>),
    Contains(Box<Finder<'static>>),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    Int(Operator, i64),
    Float(Operator, f64),
    Bool,
    /// With the column, if its values must fit a type other than text: a value that does not is no null.
    IsNull(Option<Box<Column>>),
}

/// A condition over the fields of a record; columns by their place in the file.
#[derive(Debug)]
pub(crate) enum Node {
    Test(usize, Test),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Not(Box<Node>),
}

impl Node {
    /// Judges a record whose fields `field` gives.
    #[inline]
    pub(super) fn verdict<'a>(&self, field: &impl Fn(usize) -> Text<'a>) -> Verdict {
        use Verdict::{False, Null, True, Unsure};
        match self {
            Self::Test(column, test) => test.verdict(field(*column)),
            // Both sides are always judged: a value that does not fit must not hide behind the other side.
            Self::And(sides) => match (sides[0].verdict(field), sides[1].verdict(field)) {
                (Unsure, _) | (_, Unsure) => Unsure,
                (False, _) | (_, False) => False,
                (Null, _) | (_, Null) => Null,
                (True, True) => True,
            },
            Self::Or(sides) => match (sides[0].verdict(field), sides[1].verdict(field)) {
                (Unsure, _) | (_, Unsure) => Unsure,
                (True, _) | (_, True) => True,
                (Null, _) | (_, Null) => Null,
                (False, False) => False,
            },
            Self::Not(inner) => match inner.verdict(field) {
                True => False,
                False => True,
                other => other,
            },
        }
    }
}

impl Test {
    #[inline]
    fn verdict(&self, text: Text<'_>) -> Verdict {
        let text = match text {
            Text::Unsure => return Verdict::Unsure,
            Text::Null => return if matches!(self, Self::IsNull(_)) { Verdict::True } else { Verdict::Null },
            Text::Plain(text) => text,
        };
        let holds = match self {
            Self::Text(Operator::Eq, value) => text == &**value,
            Self::Text(operator, value) => holds(*operator, text.cmp(value)),
            Self::OneOf(values) => values.iter().any(|value| text == &**value),
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::StartsWith(value) => text.starts_with(value),
            Self::EndsWith(value) => text.ends_with(value),
            Self::Int(operator, value) => match plain_int(text) {
                Some(number) => holds(*operator, number.cmp(value)),
                None => return Verdict::Unsure,
            },
            Self::Float(operator, value) => match plain_float(text) {
                // As Arrow compares.
                Some(number) => holds(*operator, number.total_cmp(value)),
                None => return Verdict::Unsure,
            },
            Self::Bool => match text {
                b"true" => true,
                b"false" => false,
                _ => return Verdict::Unsure,
            },
            Self::IsNull(Some(column)) if !fits(text, column) => return Verdict::Unsure,
            Self::IsNull(_) => false,
        };
        if holds { Verdict::True } else { Verdict::False }
    }
}

#[inline]
fn holds(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Eq => order.is_eq(),
        Operator::NotEq => order.is_ne(),
        Operator::Lt => order.is_lt(),
        Operator::LtEq => order.is_le(),
        Operator::Gt => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// An integer of up to 18 digits without leading zeros, maybe with a minus; `None` for every other spelling.
#[inline]
pub(crate) fn plain_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 || (digits[0] == b'0' && text.len() > 1) {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// A decimal number of up to 15 digits without leading zeros; `None` for every other spelling.
///
/// Exact: the digits fit into the 53 bits of a float and so does the power of ten, so that the quotient is the float
/// nearest to the number (Clinger, "How to read floating point numbers accurately", 1990).
#[inline]
pub(super) fn plain_float(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 16 || !digits[0].is_ascii_digit() {
        return None;
    }
    if digits[0] == b'0' && digits.get(1).is_some_and(|second| *second != b'.') {
        return None;
    }
    let (mut value, mut point) = (0_u64, None);
    for (place, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(place);
        } else {
            return None;
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - 1 - point);
    // Sixteen digits without a point may not fit; zero has a sign of its own.
    if (point.is_none() && digits.len() > 15) || point == Some(digits.len() - 1) || (negative && value == 0) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 15 digits")]
    let number = value as f64 / POWERS[decimals];
    Some(if negative { -number } else { number })
}

/// Finds a column of the file by its name.
pub(crate) type Find<'a> = &'a dyn Fn(&str) -> Option<Column>;

/// The condition of a simplified expression; `None` if it is of another shape.
pub(crate) fn compile(expr: &Expr, find: Find<'_>) -> Option<Node> {
    let column = |expr: &Expr| match expr {
        Expr::Column(column) => find(&column.name),
        _ => None,
    };
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(Node::And(Box::new([compile(left, find)?, compile(right, find)?])))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(Node::Or(Box::new([compile(left, find)?, compile(right, find)?])))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, value) = match (left.as_ref(), right.as_ref()) {
                (Expr::Column(_), Expr::Literal(value, _)) => (column(left)?, *op, value),
                (Expr::Literal(value, _), Expr::Column(_)) => (column(right)?, op.swap()?, value),
                _ => return None,
            };
            Some(Node::Test(column.index, comparison(op, &column.kind, value)?))
        }
        Expr::Not(inner) => Some(Node::Not(Box::new(compile(inner, find)?))),
        Expr::IsNull(inner) => Some(is_null(column(inner)?)),
        Expr::IsNotNull(inner) => Some(negate(is_null(column(inner)?), true)),
        Expr::Column(_) => {
            let column = column(expr)?;
            (column.kind == DataType::Boolean).then_some(Node::Test(column.index, Test::Bool))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let Column { index, kind, .. } = column(expr)?;
            let values = list.iter().map(|value| constant(value, &kind)).collect::<Option<Vec<_>>>()?;
            Some(negate(Node::Test(index, Test::OneOf(values)), *negated))
        }
        Expr::Like(Like { negated, expr, pattern, escape_char: None, case_insensitive: false }) => {
            let Column { index, kind, .. } = column(expr)?;
            let test = like(&constant(pattern, &kind)?)?;
            Some(negate(Node::Test(index, test), *negated))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let [searched, value] = args.as_slice() else { return None };
            let Column { index, kind, .. } = column(searched)?;
            let value = constant(value, &kind)?;
            let test = match func.name() {
                "contains" => contains(&value),
                "starts_with" => Test::StartsWith(value),
                "ends_with" => Test::EndsWith(value),
                _ => return None,
            };
            Some(Node::Test(index, test))
        }
        _ => None,
    }
}

fn is_null(column: Column) -> Node {
    let text = matches!(column.kind, DataType::Utf8 | DataType::Utf8View);
    Node::Test(column.index, Test::IsNull((!text).then(|| Box::new(column))))
}

fn negate(node: Node, negated: bool) -> Node {
    if negated { Node::Not(Box::new(node)) } else { node }
}

fn comparison(operator: Operator, kind: &DataType, value: &ScalarValue) -> Option<Test> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    if !matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq) {
        return None;
    }
    match (kind, value) {
        (DataType::Int64, ScalarValue::Int64(Some(value))) => Some(Test::Int(operator, *value)),
        (DataType::Float64, ScalarValue::Float64(Some(value))) => Some(Test::Float(operator, *value)),
        _ => Some(Test::Text(operator, text(value, kind)?)),
    }
}

/// A constant text, to be compared with a column of text.
fn constant(expr: &Expr, kind: &DataType) -> Option<Box<[u8]>> {
    match expr {
        Expr::Literal(value, _) => text(value, kind),
        _ => None,
    }
}

fn text(value: &ScalarValue, kind: &DataType) -> Option<Box<[u8]>> {
    if !matches!(kind, DataType::Utf8 | DataType::Utf8View) {
        return None;
    }
    value.try_as_str().flatten().map(|text| text.as_bytes().into())
}

fn contains(needle: &[u8]) -> Test {
    Test::Contains(Box::new(Finder::new(needle).into_owned()))
}

/// `LIKE` without `_` and escapes, and `%` at the ends only.
fn like(pattern: &[u8]) -> Option<Test> {
    if pattern.iter().any(|byte| matches!(byte, b'_' | b'\\')) {
        return None;
    }
    let (open_start, inner) = match pattern {
        [b'%', rest @ ..] => (true, rest),
        whole => (false, whole),
    };
    let (open_end, inner) = match inner {
        [rest @ .., b'%'] => (true, rest),
        whole => (false, whole),
    };
    if inner.contains(&b'%') {
        return None;
    }
    Some(match (open_start, open_end) {
        (true, true) => contains(inner),
        (false, true) => Test::StartsWith(inner.into()),
        (true, false) => Test::EndsWith(inner.into()),
        (false, false) => Test::Text(Operator::Eq, inner.into()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::numbers::{has_leading_zero, parse_float, parse_int};

    #[test]
    fn texts_at_a_glance() {
        assert_eq!(Text::of(b"", Some(b'"')), Text::Null);
        assert_eq!(Text::of(b"a\"b", Some(b'"')), Text::Plain(b"a\"b"));
        assert_eq!(Text::of(b"\"a,b\"", Some(b'"')), Text::Plain(b"a,b"));
        assert_eq!(Text::of(b"\"\"", Some(b'"')), Text::Plain(b""));
        for raw in [&b"\""[..], b"\"a\"\"b\"", b"\"a\"b", b"\"\"\"\""] {
            assert_eq!(Text::of(raw, Some(b'"')), Text::Unsure, "{}", String::from_utf8_lossy(raw));
        }
        assert_eq!(Text::of(b"\"a", None), Text::Plain(b"\"a"));
    }

    #[test]
    fn patterns() {
        assert!(matches!(like(b"%a%"), Some(Test::Contains(_))));
        assert!(matches!(like(b"a%"), Some(Test::StartsWith(_))));
        assert!(matches!(like(b"%a"), Some(Test::EndsWith(_))));
        assert!(matches!(like(b"a"), Some(Test::Text(Operator::Eq, _))));
        for pattern in [&b"a%b"[..], b"a_", b"%a\\%%"] {
            assert!(like(pattern).is_none());
        }
    }

    proptest! {
        #[test]
        fn plain_numbers_are_what_the_exact_parsers_read(text in "-?[0-9]{0,17}(\\.[0-9]{0,17})?|[-+ .0-9e]{0,6}") {
            let text = text.as_bytes();
            if let Some(number) = plain_int(text) {
                prop_assert!(!has_leading_zero(text));
                prop_assert_eq!(parse_int(text), Some(number));
            }
            if let Some(number) = plain_float(text) {
                prop_assert!(!has_leading_zero(text));
                prop_assert_eq!(parse_float(text).map(f64::to_bits), Some(number.to_bits()));
            }
        }

        #[test]
        fn usual_numbers_are_plain(whole in 0_u32.., cents in 0_u8..100) {
            prop_assert_eq!(plain_int(format!("-{}", u64::from(whole) + 1).as_bytes()), Some(-i64::from(whole) - 1));
            let text = format!("{whole}.{cents:02}");
            prop_assert!(plain_float(text.as_bytes()).is_some());
        }
    }
}
