//! Compresses pages.

use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::Compression;

use crate::error::Result;

/// A file's compression, and contexts of Zstandard that its columns share: one takes most of a megabyte, and there are no
/// more of them than pages are compressed at one time, however many columns there are.
#[derive(Clone)]
pub(in crate::sink::parquet) struct Compressor {
    compression: Compression,
    idle: Arc<Mutex<Vec<zstd::bulk::Compressor<'static>>>>,
}

impl Compressor {
    pub(in crate::sink::parquet) fn new(compression: Compression) -> Self {
        Self { compression, idle: Arc::default() }
    }

    /// Whether pages can be compressed here.
    pub(in crate::sink::parquet) fn knows(compression: Compression) -> bool {
        matches!(compression, Compression::ZSTD(_) | Compression::UNCOMPRESSED)
    }

    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// A page as it is stored.
    pub(super) fn compress(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let Compression::ZSTD(level) = self.compression else { return Ok(plain.to_vec()) };
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut context = match taken {
            Some(context) => context,
            None => zstd::bulk::Compressor::new(level.compression_level())?,
        };
        let compressed = context.compress(plain)?;
        idle().push(context);
        Ok(compressed)
    }
}

#[cfg(test)]
mod tests {
    use parquet::basic::ZstdLevel;

    use super::*;

    #[test]
    fn columns_share_one_context_that_is_used_again() {
        let compressor = Compressor::new(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()));
        for text in [&b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[..], b"", b"b"] {
            let stored = compressor.clone().compress(text).unwrap();
            assert_eq!(zstd::bulk::decompress(&stored, 100).unwrap(), text);
        }
        assert_eq!(compressor.idle.lock().unwrap().len(), 1);
        assert_eq!(Compressor::new(Compression::UNCOMPRESSED).compress(b"abc").unwrap(), b"abc");
    }
}
