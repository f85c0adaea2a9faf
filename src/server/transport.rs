//! What the connection loop needs of a socket, TCP or Unix.

use bytes::BufMut;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A non-blocking stream whose readiness tokio watches.
pub(super) trait Transport: 'static {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Reads behind what is in the buffer, so many bytes at most.
    fn try_read_more(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize>;
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    fn try_write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Tells tokio that the socket was read empty, which saves the read that would find that out.
    fn is_drained(&self);
}

macro_rules! transport {
    ($stream:ty) => {
        impl Transport for $stream {
            #[inline]
            fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(cx)
            }

            fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(cx)
            }

            #[inline]
            fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                <$stream>::try_read(self, buffer)
            }

            fn try_read_more(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
                self.try_read_buf(&mut buffer.limit(most))
            }

            #[inline]
            fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                <$stream>::try_write(self, bytes)
            }

            fn try_write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                self.try_write_vectored(slices)
            }

            #[inline]
            fn is_drained(&self) {
                // A short read means that the socket was empty at that moment; bytes that come later
                // make epoll report it anew. Answering "would block" without asking clears tokio's flag.
                let nothing: io::Result<()> = Err(io::ErrorKind::WouldBlock.into());
                let _ = self.try_io(Interest::READABLE, || nothing);
            }
        }
    };
}

transport!(TcpStream);
transport!(UnixStream);
