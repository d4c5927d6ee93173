//! A body on the admin socket, in either direction: pieces, each behind a line with its length in hex, and `0` at the end.
//! Who dies halfway never says `0`, so half an import is not taken for a whole one, nor half an export.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use kernel::Failure;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes of one piece.
const LARGEST: usize = 1 << 20;

/// The next piece; `None` at the end.
///
/// # Errors
/// Bad: the body stopped before its end, or is not in pieces.
pub(crate) async fn next(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Bytes>, Failure> {
    let early = || Failure::bad("the body ended early");
    let mut line = String::new();
    (&mut *from).take(16).read_line(&mut line).await.map_err(|_| early())?;
    let length = line.strip_suffix('\n').and_then(|digits| usize::from_str_radix(digits, 16).ok());
    match length.filter(|length| *length <= LARGEST).ok_or_else(early)? {
        0 => Ok(None),
        length => {
            let mut piece = vec![0; length];
            from.read_exact(&mut piece).await.map_err(|_| early())?;
            Ok(Some(piece.into()))
        }
    }
}

/// All of them.
///
/// # Errors
/// As `next`; `TooLarge` past `cap` bytes.
pub(crate) async fn whole(from: &mut (impl AsyncBufRead + Unpin), cap: u64) -> Result<Bytes, Failure> {
    let mut all = Vec::new();
    while let Some(piece) = next(from).await? {
        all.extend_from_slice(&piece);
        if all.len() as u64 > cap {
            return Err(Failure::TooLarge(cap));
        }
    }
    Ok(all.into())
}

/// As a stream, which ends with an error when the body stops before its end.
pub(crate) fn stream(from: impl AsyncBufRead + Unpin + Send) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
    futures_util::stream::unfold(Some(from), |from| async move {
        let mut from = from?;
        match next(&mut from).await {
            Ok(piece) => piece.map(|piece| (Ok(piece), Some(from))),
            Err(failure) => Some((Err(failure), None)),
        }
    })
}

/// Sends bytes, in as many pieces as they need.
///
/// # Errors
/// Those of `to`.
pub(crate) async fn send(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(LARGEST) {
        to.write_all(format!("{:x}\n", piece.len()).as_bytes()).await?;
        to.write_all(piece).await?;
    }
    Ok(())
}

/// Says that it was all.
///
/// # Errors
/// Those of `to`.
pub(crate) async fn end(to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    to.write_all(b"0\n").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_no_end_is_no_body() {
        let mut sent = Vec::new();
        let large = vec![7; LARGEST + 1];
        send(&mut sent, b"").await.unwrap();
        send(&mut sent, &large).await.unwrap();
        end(&mut sent).await.unwrap();
        assert_eq!(whole(&mut sent.as_slice(), u64::MAX).await.unwrap(), large);
        assert!(matches!(whole(&mut sent.as_slice(), 9).await, Err(Failure::TooLarge(9))));
        for cut in [0, 3, 8, 9, 100, sent.len() - 2, sent.len() - 1] {
            assert!(whole(&mut &sent[..cut], u64::MAX).await.is_err(), "{cut}");
        }
        for bad in [&b"5\nabc"[..], b"-1\n", b"fffffffffffffffff\n", b"100001\n", b"x\n", b"3\nabcd\n0\n"] {
            assert!(whole(&mut &bad[..], u64::MAX).await.is_err(), "{bad:?}");
        }
    }
}
