//! Writes of a connection, gathered: HTTP/2 flushes after each frame of 16 KB, and a system call for each would cost more than
//! what it carries.
//!
//! A flush that follows new bytes only asks for another turn of the task, in which more frames may come; the flush of
//! that turn, if nothing came, sends them. So nothing waits longer than one turn, and no timer is needed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// As much is gathered before it is sent anyhow.
const GATHER: usize = 128 * 1024;

/// A connection whose small writes go out together.
pub struct Corked<T> {
    inner: T,
    /// What is to be sent, from `sent` on.
    buffer: Vec<u8>,
    sent: usize,
    /// Whether bytes came after the last flush.
    fresh: bool,
}

impl<T> Corked<T> {
    /// The same connection, gathering.
    pub fn new(inner: T) -> Self {
        Self { inner, buffer: Vec::new(), sent: 0, fresh: false }
    }
}

impl<T: AsyncWrite + Unpin> Corked<T> {
    /// Send all that was gathered.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.buffer.len() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.buffer[self.sent..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.buffer.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Make room for more; the capacity stays what it is.
    fn room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= GATHER {
            ready!(self.drain(context))?;
        }
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(GATHER);
        }
        Poll::Ready(Ok(GATHER - self.buffer.len()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Corked<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut left = ready!(this.room(context))?;
        let before = left;
        for part in parts {
            let taken = part.len().min(left);
            this.buffer.extend_from_slice(&part[..taken]);
            left -= taken;
        }
        this.fresh |= left < before;
        Poll::Ready(Ok(before - left))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.fresh) && this.buffer.len() < GATHER {
            context.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(this.drain(context))?;
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.drain(context))?;
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Corked<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

impl<T: Connected> Connected for Corked<T> {
    type ConnectInfo = T::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn all_bytes_arrive_in_order() {
        let (near, mut far) = tokio::io::duplex(10_000);
        let wanted: Vec<u8> = (0..=250_u8).cycle().take(1_000_000).collect();
        let sent = wanted.clone();
        let writing = tokio::spawn(async move {
            let mut corked = Corked::new(near);
            for part in sent.chunks(16_393) {
                corked.write_all(part).await.unwrap();
                corked.flush().await.unwrap();
            }
            corked.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        writing.await.unwrap();
        assert!(got == wanted);
    }

    #[tokio::test]
    async fn the_second_flush_sends_what_the_first_left() {
        let (near, mut far) = tokio::io::duplex(10_000);
        let mut corked = Corked::new(near);
        corked.write_all(b"hello").await.unwrap();
        corked.flush().await.unwrap();
        assert_eq!(corked.buffer, b"hello");
        corked.flush().await.unwrap();
        let mut got = [0; 5];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"hello");
    }
}
