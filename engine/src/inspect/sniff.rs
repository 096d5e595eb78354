//! Format and dialect, from the file's beginning.

use karyaksham_spec::Format;

use super::dialect::{self, Fixed, Judged};
use super::encoding::binary;
use super::{Known, Sample};
use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::{Dialect, Mark};

/// The format: declared, by content, or by the name's ending.
pub(super) fn format(sample: &Sample, known: &Known) -> Result<Format> {
    let head = sample.uncompressed_head()?;
    let name = known.file_name.as_deref().unwrap_or_default().to_lowercase();
    let stem = [".gz", ".zst", ".bz2", ".xz"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    let ending = stem.rsplit_once('.').map_or("", |(_, ending)| ending);
    if let Some(format) = known.declared.format {
        return Ok(format);
    }
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if head.starts_with(b"ARROW1") {
        return Ok(Format::Arrow);
    }
    if let Some(what) = known_binary(&head) {
        return Err(binary(0).hint(format!("this looks like {what}")));
    }
    match ending {
        "csv" => Ok(Format::Csv),
        "tsv" | "tab" => Ok(Format::Tsv),
        "ndjson" | "jsonl" | "jsonlines" => Ok(Format::Ndjson),
        "log" => Ok(Format::Lines),
        "parquet" | "pq" => {
            Err(EngineError::new(ErrorCode::InputFormat, "the file is named as Parquet but does not begin like one")
                .hint("check that the upload is complete and not encrypted"))
        }
        "json" if head.trim_ascii_start().starts_with(b"[") => Err(EngineError::new(
            ErrorCode::InputFormat,
            "the file holds one JSON list; one JSON object a line (NDJSON) can be read",
        )
        .hint("convert it first, e.g. with `jq -c '.[]'`")),
        _ => Ok(by_content(&head)),
    }
}

fn by_content(head: &[u8]) -> Format {
    let lines: Vec<&[u8]> =
        head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).take(10).collect();
    let objects = lines.iter().filter(|line| serde_json::from_slice::<serde_json::Map<_, _>>(line).is_ok()).count();
    if objects > 0 && objects + 1 >= lines.len() {
        return Format::Ndjson;
    }
    let found = dialect::find(head, &Dialect::default(), &Fixed::default());
    if found.width > 1 && found.share > 0.9 { Format::Csv } else { Format::Lines }
}

/// Kinds of files that are often uploaded by mistake.
fn known_binary(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [b'P', b'K', 3, 4, ..] => "a ZIP archive or an Excel workbook: extract it, or save the sheet as CSV",
        [0xD0, 0xCF, 0x11, 0xE0, ..] => "an old Excel workbook: save the sheet as CSV",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [0x89, b'P', b'N', b'G', ..] => "an image",
        [b'7', b'z', 0xBC, 0xAF, ..] => "a 7-Zip archive: extract it",
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => "an SQLite database",
        [0x7F, b'E', b'L', b'F', ..] => "a program",
        _ => return None,
    })
}

/// The dialect of delimited text; what is declared stays.
pub(super) fn dialect(head: &[u8], base: &Dialect, format: Format, known: &Known) -> Result<Judged> {
    let declared = &known.declared;
    let base = Dialect { null_values: declared.null_values.clone(), ..base.clone() };
    let byte = |text: &Option<String>| text.as_ref().map(|text| text.bytes().next());
    let fixed = Fixed {
        delimiter: (declared.delimiter.as_ref().and_then(|text| Mark::new(text.as_bytes())))
            .or((format == Format::Tsv).then_some(b'\t'.into())),
        quote: byte(&declared.quote),
        escape: byte(&declared.escape),
        comment: declared.comment.as_ref().map(|text| Mark::new(text.as_bytes())),
    };
    let found = dialect::find(head, &base, &fixed);
    if let (Some(delimiter), 1, true) = (&declared.delimiter, found.width, found.score <= 0.0)
        && memchr::memmem::find(head, delimiter.as_bytes()).is_none()
    {
        let other = dialect::find(head, &base, &Fixed { delimiter: None, ..fixed });
        if other.width > 1 && other.share > 0.9 {
            let message = format!("the declared delimiter `{}` does not occur in the file", delimiter.escape_debug());
            let found = other.dialect.delimiter.to_string();
            return Err(EngineError::new(ErrorCode::InputFormat, message)
                .hint(format!("its fields seem to be separated by `{}`", found.escape_debug())));
        }
    }
    Ok(found)
}
