//! Closes connections whose clients do not read their answers.

use std::future::{Ready, ready};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Sets TCP_NODELAY on connections, and limits the time in which a client reads nothing.
///
/// Without a limit, a client that requests a large answer and never reads it would keep the answer in memory indefinitely:
/// for the server's other limits the request is finished.
#[derive(Debug, Clone, Copy)]
pub struct ReadersOnly {
    /// Maximum time in which nothing is read.
    pub patience: Duration,
}

impl<S> Accept<TcpStream, S> for ReadersOnly {
    type Stream = Watched<TcpStream>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let set = stream.set_nodelay(true);
        let watched = Watched {
            stream,
            patience: self.patience,
            stalled: None,
        };
        ready(set.map(|()| (watched, service)))
    }
}

/// A connection whose writes fail with [`io::ErrorKind::TimedOut`] if the other end reads nothing for too long.
#[derive(Debug)]
pub struct Watched<T> {
    stream: T,
    patience: Duration,
    /// Since when a write is blocked; `None` while writes succeed.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> Watched<T> {
    fn judge<R>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Read as _;

    use tokio::net::TcpListener;

    use super::*;

    /// A watched connection and its other end.
    async fn pair(patience: Duration) -> (Watched<TcpStream>, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other_end = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (watched, ()) = ReadersOnly { patience }.accept(stream, ()).await.unwrap();
        (watched, other_end)
    }

    /// Writes more than the buffers hold.
    async fn write_all(watched: &mut Watched<TcpStream>) -> io::Result<()> {
        let data = vec![0; 1 << 16];
        for _ in 0..(MANY >> 16) {
            let mut rest = &data[..];
            while !rest.is_empty() {
                let written = poll_fn(|cx| Pin::new(&mut *watched).poll_write(cx, rest)).await?;
                rest = &rest[written..];
            }
        }
        Ok(())
    }

    const MANY: usize = 64 << 20;

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_disconnected() {
        let (mut watched, _other_end) = pair(Duration::from_millis(300)).await;
        let refused = write_all(&mut watched).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_reads_gets_everything() {
        let (mut watched, mut other_end) = pair(Duration::from_secs(30)).await;
        let reading = std::thread::spawn(move || {
            let mut taken = 0;
            let mut buffer = vec![0; 1 << 20];
            while taken < MANY {
                taken += other_end.read(&mut buffer).unwrap();
            }
        });
        write_all(&mut watched).await.unwrap();
        reading.join().unwrap();
    }
}
