//! Log lines as JSON on standard error, like those of the other parts: one object a line.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{LevelFilter, Log, Metadata, Record};
use serde_json::{Map, Value, json};

struct JsonLines;

impl Log for JsonLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries speak only when something is wrong.
        metadata.target().starts_with("karyaksham") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = Map::new();
        line.insert("timestamp".into(), timestamp(SystemTime::now()).into());
        line.insert("level".into(), level_name(record.level()).into());
        line.insert("logger".into(), record.target().replace("::", ".").into());
        let text = record.args().to_string();
        // `event {json}`: our own structured lines (see `event`).
        match text
            .split_once('\t')
            .map(|(event, fields)| (event.to_owned(), serde_json::from_str::<Map<String, Value>>(fields)))
        {
            Some((event, Ok(fields))) => {
                line.insert("event".into(), event.into());
                line.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
            }
            _ => {
                line.insert("event".into(), text.into());
            }
        }
        let mut bytes = Value::Object(line).to_string().into_bytes();
        bytes.push(b'\n');
        // A log that cannot be written is no reason to stop serving.
        let _ = std::io::stderr().lock().write_all(&bytes);
    }

    fn flush(&self) {}
}

/// The names that Python's logging has too.
fn level_name(level: log::Level) -> &'static str {
    match level {
        log::Level::Error => "error",
        log::Level::Warn => "warning",
        log::Level::Info => "info",
        log::Level::Debug | log::Level::Trace => "debug",
    }
}

/// Start logging at a level (`DEBUG`, `INFO`, `WARNING`, `ERROR`). A logger that is there already stays.
pub fn init(level: &str) {
    let filter = match level.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::Trace,
        "DEBUG" => LevelFilter::Debug,
        "WARNING" | "WARN" => LevelFilter::Warn,
        "ERROR" | "CRITICAL" => LevelFilter::Error,
        _ => LevelFilter::Info,
    };
    if log::set_logger(&JsonLines).is_ok() {
        log::set_max_level(filter);
    }
}

/// Log an event with fields.
pub fn event(level: log::Level, name: &str, fields: &Value) {
    log::log!(target: "karyaksham_flight", level, "{name}\t{fields}");
}

/// The trace id inside a `traceparent` header (`00-<trace>-<span>-<flags>`).
pub fn trace_id(traceparent: Option<&str>) -> Value {
    traceparent.and_then(|text| text.split('-').nth(1)).filter(|id| id.len() == 32).map_or(Value::Null, |id| json!(id))
}

/// RFC 3339 in UTC with milliseconds. Days to civil date after Howard Hinnant's `civil_from_days`.
fn timestamp(time: SystemTime) -> String {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (elapsed.as_secs() / 86_400, elapsed.as_secs() % 86_400);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        elapsed.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timestamps() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_795_478_399, "2026-11-23T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn trace_ids() {
        assert_eq!(
            trace_id(Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
            json!("4bf92f3577b34da6a3ce929d0e0e4736")
        );
        assert_eq!(trace_id(Some("nonsense")), Value::Null);
    }
}
