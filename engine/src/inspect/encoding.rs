//! The encoding of a text: declared, by byte order mark, or strict UTF-8. Never a guess; an error names likely ones.

use std::sync::{Mutex, PoisonError};

use karyaksham_spec::{Compression, Encoding};

use super::{Known, Sample};
use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::decode_all;
use crate::threads::on_all;

/// How much of a text around a broken byte is looked at for likely encodings.
const LOOKED_BYTES: usize = 64 << 10;
/// A text is looked at in parts of this many bytes, by several threads.
const PART_BYTES: usize = 1 << 20;
/// How much of a line is shown in a hint.
const SHOWN_CHARS: usize = 60;

/// The encoding of a file, and what the user should know about its characters.
pub(super) fn encoding(sample: &Sample, known: &Known) -> Result<(Encoding, Option<String>)> {
    if let Some(encoding) = known.declared.encoding {
        return Ok((encoding, None));
    }
    let head = sample.uncompressed_head()?;
    match &head[..] {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
            let message = "the byte order mark says UTF-32, which cannot be read";
            return Err(EngineError::new(ErrorCode::InputEncoding, message)
                .byte_offset(0)
                .hint("convert the file to UTF-8 first, e.g. with `iconv -f UTF-32 -t UTF-8`"));
        }
        [0xFF, 0xFE, ..] => return Ok((Encoding::Utf16Le, None)),
        [0xFE, 0xFF, ..] => return Ok((Encoding::Utf16Be, None)),
        _ => {}
    }
    let stored = sample.head.len() as u64;
    let cut = stored < sample.size || sample.compression != Compression::None;
    if is_clean(&head, cut) {
        return Ok((Encoding::Utf8, None));
    }
    let nuls = few_nuls(&head)?;
    strict_utf8(&head, cut)?;
    let warning = nuls.map(|at| format!("the text holds NUL characters, the first one at byte {at}; they are kept"));
    Ok((Encoding::Utf8, warning))
}

/// Whether a text is UTF-8 without NULs, as nearly all are: all threads look at its lines.
fn is_clean(text: &[u8], cut: bool) -> bool {
    let ends = memchr::memrchr(b'\n', text).map_or(0, |end| end + 1);
    let (lines, last) = text.split_at(ends);
    let rest = Mutex::new(lines);
    let next = || {
        let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
        let length = memchr::memchr(b'\n', rest.get(PART_BYTES..)?).map_or(rest.len(), |end| PART_BYTES + end + 1);
        let (part, after) = rest.split_at(length);
        *rest = after;
        Some(part)
    };
    let clean = |part: &[u8]| memchr::memchr(0, part).is_none() && std::str::from_utf8(part).is_ok();
    let found = on_all(lines.len() / PART_BYTES, || std::iter::from_fn(next).all(clean));
    let rest = rest.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.into_iter().all(|clean| clean)
        && clean(rest)
        && memchr::memchr(0, last).is_none()
        && strict_utf8(last, cut).is_ok()
}

/// The first NUL of a text that is text all the same; an error if it is none.
fn few_nuls(text: &[u8]) -> Result<Option<usize>> {
    let Some(first) = memchr::memchr(0, text) else { return Ok(None) };
    let alternating = text.iter().skip(first & 1).step_by(2).take(32).filter(|byte| **byte == 0).count() > 16
        || (text.len() < 64
            && text.iter().skip(first & 1).step_by(2).filter(|byte| **byte == 0).count() * 8 > text.len() * 3);
    let error = binary(first as u64);
    if alternating {
        let hint = "it looks like UTF-16 without byte order mark: declare `encoding` as utf-16le or utf-16be";
        return Err(error.hint(hint));
    }
    let many = memchr::memchr_iter(0, text).count() * 20 > text.len();
    if many || std::str::from_utf8(text).is_err_and(|error| error.error_len().is_some()) {
        return Err(error.hint("it holds NUL bytes; if it is text all the same, remove them"));
    }
    Ok(Some(first))
}

/// The error for files that are no text.
pub(super) fn binary(offset: u64) -> EngineError {
    EngineError::new(ErrorCode::InputBinary, "the file is binary, not text").byte_offset(offset)
}

fn strict_utf8(text: &[u8], cut: bool) -> Result<()> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        // A character that the sample cuts.
        Err(error) if error.error_len().is_none() && cut => Ok(()),
        Err(error) => {
            let place = error.valid_up_to();
            let line = memchr::memchr_iter(b'\n', &text[..place]).count() + 1;
            let byte = text.get(place).copied().unwrap_or_default();
            let message =
                format!("the text is not UTF-8: byte 0x{byte:02X} at offset {place} (line {line}) does not fit");
            Err(EngineError::new(ErrorCode::InputEncoding, message)
                .at(line as u64, place as u64)
                .hint(hint(text, place)))
        }
    }
}

/// Names the encodings that may be meant, with the line as each of them reads it.
fn hint(text: &[u8], place: usize) -> String {
    let start = memchr::memrchr(b'\n', &text[..place]).map_or(0, |end| end + 1);
    let end = memchr::memchr(b'\n', &text[place..]).map_or(text.len(), |end| place + end);
    let mut readings = Vec::new();
    for encoding in likely(&text[place.saturating_sub(LOOKED_BYTES)..(place + LOOKED_BYTES).min(text.len())]) {
        let Ok(line) = decode_all(&text[start..end], Compression::None, encoding) else { continue };
        let line = String::from_utf8_lossy(&line);
        // Around the byte that does not fit.
        let before = place - start;
        let skipped = line.chars().count().min(before).saturating_sub(SHOWN_CHARS / 2);
        let shown: String = line.chars().skip(skipped).take(SHOWN_CHARS).collect();
        readings.push(format!("{} (`{}`)", encoding.as_str(), shown.trim()));
    }
    let first = readings.first().and_then(|reading| reading.split(' ').next()).unwrap_or("windows-1252");
    format!(
        "declare the encoding, e.g. \"inputs\": [{{\"name\": \"input\", \"encoding\": \"{first}\"}}]; likely ones: {}",
        readings.join(", ")
    )
}

/// Encodings that all of a text fits, the likely ones first, by how its bytes above ASCII stand together.
fn likely(text: &[u8]) -> Vec<Encoding> {
    let high = text.iter().filter(|byte| **byte >= 0x80).count();
    // Letters of Western languages stand among ASCII letters; those of other scripts beside each other.
    let together = text.windows(2).filter(|pair| pair[0] >= 0x80 && pair[1] >= 0x80).count();
    let candidates: &[Encoding] = if together * 3 > high {
        &[
            Encoding::ShiftJis,
            Encoding::EucJp,
            Encoding::Gb18030,
            Encoding::Big5,
            Encoding::EucKr,
            Encoding::Windows1251,
            Encoding::Koi8R,
            Encoding::Windows1253,
        ]
    } else {
        &[Encoding::Windows1252, Encoding::Iso8859_15, Encoding::Windows1250, Encoding::Macintosh]
    };
    let mut fitting: Vec<(usize, Encoding)> = candidates
        .iter()
        .filter_map(|encoding| {
            let decoded = decode_all(text, Compression::None, *encoding).ok()?;
            let decoded = String::from_utf8(decoded).ok()?;
            let odd = decoded.chars().filter(|c| !c.is_ascii() && !c.is_alphabetic()).count();
            Some((odd, *encoding))
        })
        .collect();
    fitting.sort_by_key(|(odd, _)| *odd);
    fitting.into_iter().map(|(_, encoding)| encoding).take(3).collect()
}
