//! Types from values, with the reason and what speaks against others.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use karyaksham_spec::{DateOrder, Decimal, InputOverride, did_you_mean};
use serde::Serialize;

use super::Inspected;
use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::numbers::{has_leading_zero, parse_bool, parse_int};
use crate::scan::spelling::Spelling;
use crate::types::{TYPE_NAMES, parse_type};

/// Why a column has its type.
pub type ColumnReason = String;

/// Digits that a 64-bit integer surely holds; longer digit strings are identifiers more often than numbers.
const MAX_INT_DIGITS: usize = 18;
/// Significant digits that a 64-bit float surely holds.
const MAX_FLOAT_DIGITS: usize = 17;
/// How many values that speak against a type are kept.
const MAX_EXAMPLES: usize = 5;
/// How many characters of such a value are kept.
const EXAMPLE_CHARS: usize = 40;

const ISO: Spelling = Spelling { date_order: None, comma: false };
const DMY: Spelling = Spelling { date_order: Some(DateOrder::Dmy), comma: false };
const MDY: Spelling = Spelling { date_order: Some(DateOrder::Mdy), comma: false };

/// A type's name, and whether a text fits it.
type Candidate = (&'static str, fn(&[u8]) -> bool);

/// The types that are tried, the narrowest first.
const CANDIDATES: [Candidate; 13] = [
    ("boolean", |text| parse_bool(text).is_some()),
    ("integer", is_int),
    ("number", is_float),
    ("date", |text| ISO.date(text).is_some()),
    ("timestamp without zone", |text| matches!(ISO.timestamp(text), Some((_, None)))),
    ("timestamp with zone", |text| matches!(ISO.timestamp(text), Some((_, Some(_))))),
    ("number with a decimal comma", is_comma_float),
    ("date (day first)", |text| DMY.date(text).is_some()),
    ("timestamp without zone (day first)", |text| matches!(DMY.timestamp(text), Some((_, None)))),
    ("timestamp with zone (day first)", |text| matches!(DMY.timestamp(text), Some((_, Some(_))))),
    ("date (month first)", |text| MDY.date(text).is_some()),
    ("timestamp without zone (month first)", |text| matches!(MDY.timestamp(text), Some((_, None)))),
    ("timestamp with zone (month first)", |text| matches!(MDY.timestamp(text), Some((_, Some(_))))),
];

/// All candidates, as bits.
const ALL: u16 = (1 << CANDIDATES.len()) - 1;

/// What digits without leading zeros fit, as bits.
const DIGITS_FIT: u16 = 1 << INTEGER | 1 << NUMBER | 1 << COMMA;

const INTEGER: usize = 1;
const NUMBER: usize = 2;
const COMMA: usize = 6;
const DAY_FIRST: usize = 7;
const MONTH_FIRST: usize = 10;

/// A value that does not fit a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The line that its row starts on, from 1; 0 if it is not known.
    pub line: u64,
    /// The value, cut off at 40 characters.
    pub value: String,
}

/// What the values of one column say about its type.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    values: u64,
    nulls: u64,
    /// For each candidate, the first values that do not fit.
    against: [Vec<Example>; CANDIDATES.len()],
    /// Whether a value fitted each candidate.
    fitted: [bool; CANDIDATES.len()],
    /// Bit by bit, the candidates that enough values speak against.
    full: u16,
    leading_zero: Option<Example>,
    long_digits: Option<Example>,
    /// A value whose comma may stand between thousands.
    thousands: bool,
    /// A value whose comma surely stands before decimals.
    decimals: bool,
}

/// A column's type and how it came by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The type.
    pub kind: DataType,
    /// The reason, for people.
    pub reason: ColumnReason,
    /// Values that do not fit the type that the column nearly has, at most five.
    pub examples: Vec<Example>,
}

impl Evidence {
    /// A null.
    pub fn add_null(&mut self) {
        self.nulls += 1;
    }

    /// A value on a line.
    pub fn add(&mut self, text: &[u8], line: u64) {
        self.values += 1;
        // A column of text is known after a few values.
        if self.full == ALL {
            return;
        }
        let text = text.trim_ascii();
        // Most values of a column of whole numbers.
        if self.full | DIGITS_FIT == ALL && is_plain_int(text) {
            for number in [INTEGER, NUMBER, COMMA] {
                self.fitted[number] |= self.full & (1 << number) == 0;
            }
            return;
        }
        if self.full & (1 << INTEGER) == 0 {
            self.look_at_digits(text, line);
        }
        // What fits a narrow type fits some of the wider ones: no need to look again.
        let (mut integer, mut iso) = (false, [false; 3]);
        let mut open = ALL & !self.full;
        while open != 0 {
            let number = open.trailing_zeros() as usize;
            open &= open - 1;
            let fit = match number {
                NUMBER | COMMA if integer => true,
                DAY_FIRST.. if iso[(number - DAY_FIRST) % 3] => true,
                _ => CANDIDATES[number].1(text),
            };
            match number {
                INTEGER => integer = fit && text.len() <= MAX_FLOAT_DIGITS,
                3..COMMA => iso[number - 3] = fit,
                _ => {}
            }
            if fit {
                self.fitted[number] = true;
            } else {
                let against = &mut self.against[number];
                against.push(Example { line, value: shown(text) });
                if against.len() >= MAX_EXAMPLES {
                    self.full |= 1 << number;
                }
            }
        }
    }

    fn look_at_digits(&mut self, text: &[u8], line: u64) {
        if let Some(comma) = memchr::memchr(b',', text) {
            let thousands = text.len() - comma == 4;
            self.thousands |= thousands;
            self.decimals |= !thousands;
        }
        let zero = text.first() == Some(&b'0');
        if (zero || text.len() > MAX_INT_DIGITS) && text.iter().all(u8::is_ascii_digit) {
            let example = || Some(Example { line, value: shown(text) });
            if self.leading_zero.is_none() && has_leading_zero(text) {
                self.leading_zero = example();
            }
            if self.long_digits.is_none() && text.len() > MAX_INT_DIGITS {
                self.long_digits = example();
            }
        }
    }

    /// Adds what was found out about other values of the column, in any order.
    pub fn merge(&mut self, other: Self) {
        self.values += other.values;
        self.full |= other.full;
        self.nulls += other.nulls;
        for (against, more) in self.against.iter_mut().zip(other.against) {
            against.extend(more);
            against.sort_by_key(Example::place);
            against.truncate(MAX_EXAMPLES);
        }
        for (fitted, more) in self.fitted.iter_mut().zip(other.fitted) {
            *fitted |= more;
        }
        let first =
            |one: Option<Example>, other: Option<Example>| one.into_iter().chain(other).min_by_key(Example::place);
        self.leading_zero = first(self.leading_zero.take(), other.leading_zero);
        self.long_digits = first(self.long_digits.take(), other.long_digits);
        self.thousands |= other.thousands;
        self.decimals |= other.decimals;
    }

    fn possible(&self, number: usize) -> bool {
        self.values > 0 && self.against[number].is_empty()
    }

    /// Whether dates say that the day or the month comes first; `None` if they leave it open, or are none.
    pub fn date_order(&self) -> Option<DateOrder> {
        let any = |from: usize| (from..from + 3).any(|number| self.possible(number));
        match (any(DAY_FIRST), any(MONTH_FIRST)) {
            (true, false) => Some(DateOrder::Dmy),
            (false, true) => Some(DateOrder::Mdy),
            _ => None,
        }
    }

    /// Whether the column holds numbers with decimal commas, and nothing else could be meant.
    pub fn has_decimal_comma(&self) -> bool {
        self.possible(COMMA) && !self.possible(NUMBER) && !self.possible(INTEGER) && self.decimals
    }

    /// The type and the reason, by the spelling of the file.
    pub fn decide(&self, spelling: Spelling) -> Decision {
        let text = |reason: String, examples: Vec<Example>| Decision { kind: DataType::Utf8, reason, examples };
        if self.values == 0 {
            return text("text: no values".to_owned(), Vec::new());
        }
        // A number with a point is none where a comma stands before decimals.
        let mut candidates = vec![0, INTEGER, if spelling.comma { COMMA } else { NUMBER }];
        let dates = match spelling.date_order {
            None => 3,
            Some(DateOrder::Dmy) => DAY_FIRST,
            Some(DateOrder::Mdy) => MONTH_FIRST,
        };
        candidates.extend([dates, dates + 1, dates + 2]);
        let Some(place) = candidates.iter().position(|number| self.possible(*number)) else {
            let (reason, examples) = self.why_text(&candidates);
            return text(reason, examples);
        };
        let kind = match place {
            0 => DataType::Boolean,
            1 => DataType::Int64,
            2 => DataType::Float64,
            3 => DataType::Date32,
            4 => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        };
        let (name, _) = CANDIDATES[candidates[place]];
        let values = if self.values == 1 { "the one value fits" } else { &format!("all {} values fit", self.values) };
        let mut reason = format!("{values} {name}");
        let mut examples = Vec::new();
        // Numbers with decimals: say why not integer.
        if place == 2 {
            examples.clone_from(&self.against[INTEGER]);
            if let Some(example) = examples.first() {
                reason = format!("{reason}; {example} is no integer");
            }
        }
        if self.nulls > 0 {
            reason = format!("{reason}; {} nulls", self.nulls);
        }
        Decision { kind, reason, examples }
    }

    fn why_text(&self, candidates: &[usize]) -> (String, Vec<Example>) {
        let one = |example: &Example| vec![example.clone()];
        if let Some(example) = &self.leading_zero {
            return (format!("text: leading zeros in {example} would be lost in a number"), one(example));
        }
        if let Some(example) = &self.long_digits {
            return (format!("text: {example} has more digits than a 64-bit integer surely holds"), one(example));
        }
        let open = |from: usize| (from..from + 3).any(|number| self.possible(number));
        if open(DAY_FIRST) && open(MONTH_FIRST) {
            let reason = "text: dates that may have the day or the month first; declare `dateOrder` as dmy or mdy";
            return (reason.to_owned(), self.against[3].clone());
        }
        if open(DAY_FIRST) || open(MONTH_FIRST) {
            let order = if open(DAY_FIRST) { "day" } else { "month" };
            let reason = format!("text: dates with the {order} first, in a file where other dates have it otherwise");
            return (reason, self.against[3].clone());
        }
        if self.possible(COMMA) {
            let reason = if self.thousands && !self.decimals {
                "text: a comma in numbers may stand before decimals or between thousands; declare `decimal`"
            } else {
                "text: numbers with a decimal comma; declare `decimal` as comma if they are to be numbers"
            };
            return (reason.to_owned(), self.against[NUMBER].clone());
        }
        // The candidate that fitted longest tells most.
        let line = |number: usize| self.against[number].first().map_or(0, |example| example.line);
        let order = |number: &usize| (self.fitted[*number], line(*number), CANDIDATES.len() - number);
        let best = candidates.iter().copied().max_by_key(order);
        let Some(number) = best else { return ("text".to_owned(), Vec::new()) };
        let examples = self.against[number].clone();
        let Some(example) = examples.first() else { return ("text".to_owned(), Vec::new()) };
        if self.fitted[number] {
            return (format!("text: {example} is no {}", CANDIDATES[number].0), examples);
        }
        // Nothing fitted at all: one value says that it is text.
        (format!("text: e.g. {example}"), Vec::new())
    }
}

impl Example {
    /// What is sorted by: known lines come first.
    fn place(&self) -> u64 {
        self.line.wrapping_sub(1)
    }
}

impl std::fmt::Display for Example {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.value)?;
        if self.line > 0 {
            write!(f, " (line {})", self.line)?;
        }
        Ok(())
    }
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(EXAMPLE_CHARS).collect()
}

/// Digits that fit an integer and a number, whatever else is in the column.
fn is_plain_int(text: &[u8]) -> bool {
    (1..=MAX_FLOAT_DIGITS).contains(&text.len())
        && (text[0] != b'0' || text.len() == 1)
        && text.iter().all(u8::is_ascii_digit)
}

fn is_int(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits.len() <= MAX_INT_DIGITS && !digits.starts_with(b"+") && !has_leading_zero(text) && parse_int(text).is_some()
}

fn is_float(text: &[u8]) -> bool {
    is_number(text, b'.')
}

/// A number in which a comma may stand before decimals.
fn is_comma_float(text: &[u8]) -> bool {
    is_number(text, b',')
}

fn is_number(text: &[u8], point: u8) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let mut exponent = None;
    let mut points = 0;
    let mut count = 0;
    for (place, byte) in digits.iter().enumerate() {
        match byte {
            byte if *byte == point => points += 1,
            b'0'..=b'9' => count += 1,
            b'e' | b'E' => {
                exponent = Some(&digits[place + 1..]);
                break;
            }
            _ => return false,
        }
    }
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
        (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
    });
    // Without point and exponent it is a digit string, which must fit an integer.
    let plain = points == 0 && exponent.is_none();
    points <= 1
        && count > 0
        && count <= MAX_FLOAT_DIGITS
        && exponent_fits
        && !has_leading_zero(text)
        && (!plain || count <= MAX_INT_DIGITS)
}

/// The spelling of a file, by what its columns say; what is declared stays. `commas` tells whether a comma may stand before
/// decimals.
pub(super) fn spelling_of(
    columns: &[Evidence],
    order: Option<DateOrder>,
    decimal: Option<Decimal>,
    commas: bool,
) -> Spelling {
    let mut found = columns.iter().filter_map(Evidence::date_order);
    let first = found.next();
    // Columns that contradict each other leave it open.
    let found = first.filter(|first| found.all(|other| other == *first));
    let comma = match decimal {
        Some(decimal) => decimal == Decimal::Comma,
        None => commas && columns.iter().any(Evidence::has_decimal_comma),
    };
    Spelling { date_order: order.or(found), comma }
}

/// Puts declared types in place of the detected ones.
pub(super) fn apply_declared(inspected: &mut Inspected, declared: &InputOverride) -> Result<()> {
    if declared.columns.is_empty() {
        return Ok(());
    }
    let mut fields: Vec<Field> = inspected.schema.fields().iter().map(|field| Field::clone(field)).collect();
    for column in &declared.columns {
        let Some(place) = fields.iter().position(|field| field.name() == &column.name) else {
            let message = format!("the input `{}` has no column `{}`", declared.name, column.name);
            let hint = did_you_mean(&column.name, fields.iter().map(|field| field.name().as_str()));
            return Err(EngineError::new(ErrorCode::InvalidRequest, message).hint(hint.unwrap_or_default()));
        };
        let Some(kind) = parse_type(&column.kind) else {
            let message = format!("there is no type `{}`", column.kind);
            let hint = did_you_mean(&column.kind, TYPE_NAMES).unwrap_or_default();
            return Err(EngineError::new(ErrorCode::InvalidRequest, message).column(&column.name).hint(hint));
        };
        fields[place] = Field::new(&column.name, kind, true);
        "declared".clone_into(&mut inspected.reasons[place]);
        if let Some(examples) = inspected.examples.get_mut(place) {
            examples.clear();
        }
        inspected.declared.push(column.name.clone());
    }
    inspected.schema = Arc::new(Schema::new(fields));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(values: &[&str]) -> Evidence {
        let mut evidence = Evidence::default();
        for (line, value) in values.iter().enumerate() {
            evidence.add(value.as_bytes(), line as u64 + 2);
        }
        evidence
    }

    fn decide(values: &[&str]) -> (String, String) {
        let decision = evidence(values).decide(Spelling::default());
        (crate::types::type_name(&decision.kind), decision.reason)
    }

    #[test]
    fn types() {
        for (values, expected) in [
            (&["1", "-2", "0"][..], "int64"),
            (&["1", "2.5", "1e3"], "float64"),
            (&["true", "FALSE"], "boolean"),
            (&["2024-01-31"], "date"),
            (&["2024/01/31", "1 Feb 2024"], "date"),
            (&["2024-01-31T10:00:00", "2024-01-31 10:00:00.5"], "timestamp"),
            (&["2024-01-31T10:00:00Z", "2024-01-31T10:00:00+02:00"], "timestamp(UTC)"),
            (&["007", "008"], "utf8"),
            (&["12345678901234567890"], "utf8"),
            (&["0.12345678901234567890"], "utf8"),
            (&["2024-01-31", "2024-01-31T10:00:00"], "utf8"),
            (&["1", "x"], "utf8"),
            (&["+4912345"], "utf8"),
            (&["1,000"], "utf8"),
            (&["01/02/2024"], "utf8"),
        ] {
            assert_eq!(decide(values).0, expected, "{values:?}");
        }
    }

    #[test]
    fn reasons_name_counterexamples() {
        assert_eq!(decide(&["1", "2", "x"]).1, "text: `x` (line 4) is no integer");
        assert_eq!(decide(&["007"]).1, "text: leading zeros in `007` (line 2) would be lost in a number");
        let many = ["1", "a", "2", "b", "c", "d", "e", "f", "3"];
        let decision = evidence(&many).decide(Spelling::default());
        let lines: Vec<u64> = decision.examples.iter().map(|example| example.line).collect();
        assert_eq!(lines, [3, 5, 6, 7, 8]);
    }

    #[test]
    fn what_is_found_in_parts_is_what_is_found_in_one_go() {
        let values = ["1", "2.5", "x", "4", "", "y", "7"];
        let mut parts = evidence(&values[..3]);
        let mut rest = Evidence::default();
        for (line, value) in values.iter().enumerate().skip(3) {
            rest.add(value.as_bytes(), line as u64 + 2);
        }
        parts.merge(rest);
        assert_eq!(parts.decide(Spelling::default()), evidence(&values).decide(Spelling::default()));
    }

    #[test]
    fn orders_and_commas_are_decided_by_values() {
        assert_eq!(evidence(&["01/02/2024", "31/01/2024"]).date_order(), Some(DateOrder::Dmy));
        assert_eq!(evidence(&["01/02/2024", "1/31/2024 10:00"]).date_order(), None);
        assert_eq!(evidence(&["01/31/2024"]).date_order(), Some(DateOrder::Mdy));
        assert_eq!(evidence(&["01/02/2024"]).date_order(), None);
        assert_eq!(evidence(&["2024-01-02"]).date_order(), None);
        assert!(evidence(&["1,5", "2"]).has_decimal_comma());
        assert!(!evidence(&["1,500", "2"]).has_decimal_comma());
        assert!(!evidence(&["1,5", "2.5"]).has_decimal_comma());
        assert!(!evidence(&["1", "2"]).has_decimal_comma());
    }
}
