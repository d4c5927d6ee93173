//! Reading a request's body under its caps.

use std::{error::Error, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Body;
use http_body_util::BodyExt;
use kernel::Failure;
use route::BodyStream;

/// A body still to be read, with what it may still be.
struct Reading<B> {
    body: B,
    cap: u64,
    left: u64,
    idle: Duration,
}

impl<B> Reading<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = match tokio::time::timeout(self.idle, self.body.frame()).await {
                Err(_) => return Err(Failure::TooSlow),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(Failure::bad("the body ended too early or is malformed")),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers say nothing to us.
            let Ok(piece) = frame.into_data() else { continue };
            let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            self.left = self.left.checked_sub(size).ok_or(Failure::TooLarge(self.cap))?;
            return Ok(Some(piece));
        }
    }
}

/// The whole body, at most `cap` bytes, with at most `idle` between two pieces. A declared length over the cap is refused
/// before anything is read.
///
/// # Errors
/// `TooLarge`, `TooSlow`, `BadInput` when it breaks off.
pub async fn whole<B>(body: B, cap: u64, idle: Duration) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let hint = body.size_hint().lower();
    if hint > cap {
        return Err(Failure::TooLarge(cap));
    }
    let mut reading = Reading { body, cap, left: cap, idle };
    let Some(first) = reading.next().await? else { return Ok(Bytes::new()) };
    let Some(second) = reading.next().await? else { return Ok(first) };
    // The declared length is a hint of the client's: room is made as bytes arrive.
    let mut all =
        BytesMut::with_capacity(usize::try_from(hint.min(64 * 1024)).unwrap_or(0).max(first.len() + second.len()));
    all.extend_from_slice(&first);
    all.extend_from_slice(&second);
    while let Some(piece) = reading.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// The body piece by piece, under the same caps. After a failure the stream ends.
///
/// # Errors
/// `TooLarge` when the declared length is over the cap; the others come in the stream.
pub fn stream<B>(body: B, cap: u64, idle: Duration) -> Result<BodyStream, Failure>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.size_hint().lower() > cap {
        return Err(Failure::TooLarge(cap));
    }
    let reading = Reading { body, cap, left: cap, idle };
    Ok(Box::pin(stream::unfold(Some(reading), |reading| async {
        let mut reading = reading?;
        match reading.next().await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some(reading))),
            Err(failure) => Some((Err(failure), None)),
        }
    })))
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io};

    use futures_util::{Stream, StreamExt};
    use http_body::Frame;
    use http_body_util::{Empty, Full, StreamBody};

    use super::*;

    const IDLE: Duration = Duration::from_millis(50);

    fn pieces(count: usize) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static {
        let frame = |_| Ok(Frame::data(Bytes::from_static(b"0123456789")));
        StreamBody::new(stream::iter((0..count).map(frame)))
    }

    fn broken(
        last: impl Stream<Item = Result<Frame<Bytes>, io::Error>> + Unpin + Send + 'static,
    ) -> impl Body<Data = Bytes, Error = io::Error> + Unpin + Send + 'static {
        StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from_static(b"begun")))]).chain(last))
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_the_cap() {
        assert_eq!(whole(Empty::<Bytes>::new(), 0, IDLE).await, Ok(Bytes::new()));
        assert_eq!(whole(Full::new(Bytes::from_static(b"abc")), 3, IDLE).await, Ok(Bytes::from_static(b"abc")));
        assert_eq!(whole(pieces(5), 50, IDLE).await.unwrap().len(), 50);
        assert_eq!(whole(pieces(6), 50, IDLE).await, Err(Failure::TooLarge(50)));
        assert_eq!(whole(pieces(1_000_000_000), 50, IDLE).await, Err(Failure::TooLarge(50)));
        assert_eq!(whole(Full::new(Bytes::from_static(b"abcd")), 3, IDLE).await, Err(Failure::TooLarge(3)));
    }

    #[tokio::test]
    async fn slow_and_broken_bodies_fail() {
        assert_eq!(whole(broken(stream::pending()), 50, IDLE).await, Err(Failure::TooSlow));
        let cut = stream::iter([Err(io::Error::other("gone"))]);
        assert!(matches!(whole(broken(cut), 50, IDLE).await, Err(Failure::BadInput(_))));
    }

    #[tokio::test]
    async fn streams_have_the_same_caps_and_end_after_a_failure() {
        let all: Vec<_> = stream(pieces(6), 50, IDLE).unwrap().collect().await;
        assert_eq!(all.len(), 6);
        assert_eq!(all[5], Err(Failure::TooLarge(50)));
        let all: Vec<_> = stream(broken(stream::pending()), 50, IDLE).unwrap().collect().await;
        assert_eq!(all[1..], [Err(Failure::TooSlow)]);
        assert!(stream(Full::new(Bytes::from_static(b"abcd")), 3, IDLE).is_err());
    }
}
