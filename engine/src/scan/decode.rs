//! From stored bytes to UTF-8: decompression and encodings, in bounded memory.

use std::io::Read;

use bytes::Bytes;
use encoding_rs::{Decoder, DecoderResult, Encoding as Rs};
use karyaksham_spec::{Compression, Encoding};
use liblzma::stream::{CONCATENATED, Stream};

use crate::error::{EngineError, ErrorCode, Result};

/// How much is decompressed at a time.
const PIECE_BYTES: usize = 1 << 20;
/// What unpacking an xz file may take; the highest level that writers offer needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// A source of stored bytes, piece by piece; `None` at the end.
pub(crate) trait Pieces: Send {
    fn next(&mut self) -> Option<Result<Bytes>>;
}

/// Opens the chain that decodes `pieces`.
pub(crate) fn decode(pieces: Box<dyn Pieces>, compression: Compression, encoding: Encoding) -> Result<Box<dyn Pieces>> {
    let plain: Box<dyn Pieces> = match compression {
        Compression::None => pieces,
        Compression::Gzip => Box::new(Decompressed(flate2::read::MultiGzDecoder::new(AsRead::new(pieces)))),
        Compression::Zstd => Box::new(Decompressed(zstd::stream::read::Decoder::new(AsRead::new(pieces))?)),
        Compression::Bzip2 => Box::new(Decompressed(bzip2::read::MultiBzDecoder::new(AsRead::new(pieces)))),
        Compression::Xz => {
            let decoder = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED).map_err(std::io::Error::other)?;
            Box::new(Decompressed(liblzma::read::XzDecoder::new_stream(AsRead::new(pieces), decoder)))
        }
    };
    Ok(match rs(encoding) {
        None => Box::new(WithoutBom { pieces: plain, start: Some(Vec::new()) }),
        Some(rs) => Box::new(Transcoded {
            pieces: Some(plain),
            decoder: rs.new_decoder_with_bom_removal(),
            read: 0,
            name: encoding,
        }),
    })
}

/// The same, opened with the first read: some decoders read as soon as they are made.
pub(crate) struct Later {
    opening: Option<(Box<dyn Pieces>, Compression, Encoding)>,
    opened: Option<Box<dyn Pieces>>,
}

impl Later {
    pub(crate) fn new(pieces: Box<dyn Pieces>, compression: Compression, encoding: Encoding) -> Self {
        Self { opening: Some((pieces, compression, encoding)), opened: None }
    }
}

impl Pieces for Later {
    fn next(&mut self) -> Option<Result<Bytes>> {
        if let Some((pieces, compression, encoding)) = self.opening.take() {
            match decode(pieces, compression, encoding) {
                Ok(opened) => self.opened = Some(opened),
                Err(error) => return Some(Err(error)),
            }
        }
        self.opened.as_mut()?.next()
    }
}

/// Decodes bytes in memory (samples): as much as can be decoded of a text that may be cut off.
pub fn decode_all(data: &[u8], compression: Compression, encoding: Encoding) -> Result<Vec<u8>> {
    struct Once(Option<Bytes>);
    impl Pieces for Once {
        fn next(&mut self) -> Option<Result<Bytes>> {
            self.0.take().map(Ok)
        }
    }
    let mut pieces = decode(Box::new(Once(Some(Bytes::copy_from_slice(data)))), compression, encoding)?;
    let mut text = Vec::new();
    while text.len() < 16 * PIECE_BYTES {
        match pieces.next() {
            Some(Ok(piece)) => text.extend_from_slice(&piece),
            Some(Err(error)) if text.is_empty() => return Err(error),
            _ => break,
        }
    }
    Ok(text)
}

/// The same of shared bytes, which are not copied where there is nothing to decode.
pub(crate) fn decode_shared(data: &Bytes, compression: Compression, encoding: Encoding) -> Result<Bytes> {
    if compression == Compression::None && encoding == Encoding::Utf8 {
        return Ok(data.slice(if data.starts_with(BOM) { BOM.len() } else { 0 }..));
    }
    Ok(decode_all(data, compression, encoding)?.into())
}

/// The beginning of a text, about `limit` bytes of it at most, and whether that is all there is. That it cannot be decoded
/// further is an error only if `whole` says that `data` was not cut off.
pub(crate) fn decode_start(
    data: &Bytes,
    compression: Compression,
    encoding: Encoding,
    whole: bool,
    limit: usize,
) -> Result<(Bytes, bool)> {
    struct Once(Option<Bytes>);
    impl Pieces for Once {
        fn next(&mut self) -> Option<Result<Bytes>> {
            self.0.take().map(Ok)
        }
    }
    let mut pieces = decode(Box::new(Once(Some(data.clone()))), compression, encoding)?;
    let mut text = Bytes::new();
    while text.len() < limit {
        match pieces.next() {
            Some(Ok(piece)) if text.is_empty() => text = piece,
            Some(Ok(piece)) => text = [text, piece].concat().into(),
            Some(Err(error)) if whole => return Err(error),
            None => return Ok((text, whole)),
            Some(Err(_)) => break,
        }
    }
    Ok((text, false))
}

/// The decoder of `encoding_rs`; `None` for UTF-8, which needs none.
fn rs(encoding: Encoding) -> Option<&'static Rs> {
    Some(match encoding {
        Encoding::Utf8 => return None,
        Encoding::Utf16Le => encoding_rs::UTF_16LE,
        Encoding::Utf16Be => encoding_rs::UTF_16BE,
        Encoding::Latin1 | Encoding::Windows1252 => encoding_rs::WINDOWS_1252,
        Encoding::Windows1250 => encoding_rs::WINDOWS_1250,
        Encoding::Windows1251 => encoding_rs::WINDOWS_1251,
        Encoding::Windows1253 => encoding_rs::WINDOWS_1253,
        Encoding::Windows1254 => encoding_rs::WINDOWS_1254,
        Encoding::Windows1255 => encoding_rs::WINDOWS_1255,
        Encoding::Windows1256 => encoding_rs::WINDOWS_1256,
        Encoding::Windows1257 => encoding_rs::WINDOWS_1257,
        Encoding::Windows1258 => encoding_rs::WINDOWS_1258,
        Encoding::Iso8859_2 => encoding_rs::ISO_8859_2,
        Encoding::Iso8859_15 => encoding_rs::ISO_8859_15,
        Encoding::Koi8R => encoding_rs::KOI8_R,
        Encoding::Macintosh => encoding_rs::MACINTOSH,
        Encoding::ShiftJis => encoding_rs::SHIFT_JIS,
        Encoding::EucJp => encoding_rs::EUC_JP,
        Encoding::Gb18030 => encoding_rs::GB18030,
        Encoding::Big5 => encoding_rs::BIG5,
        Encoding::EucKr => encoding_rs::EUC_KR,
    })
}

/// Drops a UTF-8 byte order mark.
struct WithoutBom {
    pieces: Box<dyn Pieces>,
    /// The first bytes, until there are three; `None` afterwards.
    start: Option<Vec<u8>>,
}

impl Pieces for WithoutBom {
    fn next(&mut self) -> Option<Result<Bytes>> {
        let Some(mut start) = self.start.take() else { return self.pieces.next() };
        while start.len() < 3 {
            match self.pieces.next() {
                Some(Ok(piece)) if start.is_empty() && piece.len() >= 3 => {
                    let skip = if piece.starts_with(BOM.as_slice()) { BOM.len() } else { 0 };
                    return Some(Ok(piece.slice(skip..)));
                }
                Some(Ok(piece)) => start.extend_from_slice(&piece),
                Some(Err(error)) => return Some(Err(error)),
                None if start.is_empty() => return None,
                None => break,
            }
        }
        let skip = if start.starts_with(BOM.as_slice()) { BOM.len() } else { 0 };
        Some(Ok(Bytes::from(start.split_off(skip))))
    }
}

pub(super) const BOM: &[u8; 3] = b"\xEF\xBB\xBF";

/// Converts to UTF-8; a byte that is none of the encoding is an error, never a replacement character.
struct Transcoded {
    pieces: Option<Box<dyn Pieces>>,
    decoder: Decoder,
    read: u64,
    name: Encoding,
}

impl Pieces for Transcoded {
    fn next(&mut self) -> Option<Result<Bytes>> {
        let mut pieces = self.pieces.take()?;
        let (piece, last) = match pieces.next() {
            Some(Ok(piece)) => (piece, false),
            Some(Err(error)) => return Some(Err(error)),
            None => (Bytes::new(), true),
        };
        if !last {
            self.pieces = Some(pieces);
        }
        let mut text = vec![0; self.decoder.max_utf8_buffer_length_without_replacement(piece.len()).unwrap_or(64)];
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(&piece, &mut text, last);
        match result {
            DecoderResult::InputEmpty => {
                self.read += read as u64;
                text.truncate(written);
                if last && text.is_empty() { None } else { Some(Ok(Bytes::from(text))) }
            }
            DecoderResult::Malformed(..) | DecoderResult::OutputFull => {
                self.pieces = None;
                let place = self.read + read as u64;
                let message =
                    format!("the text is not {}: the byte before offset {place} does not fit", self.name.as_str());
                Some(Err(EngineError::new(ErrorCode::InputEncoding, message)
                    .byte_offset(place)
                    .hint("declare the encoding that the file has")))
            }
        }
    }
}

/// Decompresses piece by piece: a small file that unfolds to a huge one never stands in memory whole.
struct Decompressed<R>(R);

impl<R: Read + Send> Pieces for Decompressed<R> {
    fn next(&mut self) -> Option<Result<Bytes>> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut filled = 0;
        while filled < piece.len() {
            match self.0.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // Hand out what was read; the error comes again with the next call.
                Err(_) if filled > 0 => break,
                Err(error) => return Some(Err(damaged(error))),
            }
        }
        piece.truncate(filled);
        (filled > 0).then(|| Ok(Bytes::from(piece)))
    }
}

fn damaged(error: std::io::Error) -> EngineError {
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<EngineError>) {
        return arrow::error::ArrowError::from_external_error(Box::new(error)).into();
    }
    EngineError::new(ErrorCode::InputFormat, format!("the compressed data is damaged or cut off: {error}"))
        .hint("upload the file again, and check it with `gzip -t`, `zstd -t`, `bzip2 -t` or `xz -t`")
}

/// Pieces as a reader.
struct AsRead {
    pieces: Box<dyn Pieces>,
    current: Bytes,
}

impl AsRead {
    fn new(pieces: Box<dyn Pieces>) -> Self {
        Self { pieces, current: Bytes::new() }
    }
}

impl Read for AsRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.next() {
                Some(piece) => self.current = piece.map_err(std::io::Error::other)?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bom_and_encodings() {
        let decode = |data: &[u8], encoding| decode_all(data, Compression::None, encoding);
        assert_eq!(decode(b"\xEF\xBB\xBFa", Encoding::Utf8).unwrap(), b"a");
        assert_eq!(decode(b"\xEF\xBB", Encoding::Utf8).unwrap(), b"\xEF\xBB");
        assert_eq!(decode(b"\xFF\xFEa\0\xE9\0", Encoding::Utf16Le).unwrap(), "aé".as_bytes());
        assert_eq!(decode(b"\xE9\x80", Encoding::Latin1).unwrap(), "é€".as_bytes());
        assert_eq!(decode(b"a\0\x00\xD8b\0", Encoding::Utf16Le).unwrap_err().code(), ErrorCode::InputEncoding);
    }

    #[test]
    fn compressed() {
        let text = b"hello hello hello ".repeat(100_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let mut gzip = gzip.finish().unwrap();
        assert_eq!(decode_all(&gzip, Compression::Gzip, Encoding::Utf8).unwrap(), text);
        let second = gzip.clone();
        gzip.extend(second);
        assert_eq!(decode_all(&gzip, Compression::Gzip, Encoding::Utf8).unwrap().len(), 2 * text.len());
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(&text).unwrap();
        let bzip2 = bzip2.finish().unwrap();
        assert_eq!(decode_all(&bzip2, Compression::Bzip2, Encoding::Utf8).unwrap(), text);
        let twice = [&bzip2[..], &bzip2[..]].concat();
        assert_eq!(decode_all(&twice, Compression::Bzip2, Encoding::Utf8).unwrap().len(), 2 * text.len());
        let xz = liblzma::encode_all(&text[..], 1).unwrap();
        assert_eq!(decode_all(&xz, Compression::Xz, Encoding::Utf8).unwrap(), text);
        let twice = [&xz[..], &xz[..]].concat();
        assert_eq!(decode_all(&twice, Compression::Xz, Encoding::Utf8).unwrap().len(), 2 * text.len());
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        assert_eq!(decode_all(&zstd, Compression::Zstd, Encoding::Utf8).unwrap(), text);
        assert_eq!(
            decode_all(b"nonsense", Compression::Gzip, Encoding::Utf8).unwrap_err().code(),
            ErrorCode::InputFormat
        );
    }
}
