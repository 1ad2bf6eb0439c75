//! JSON on its way to a caller that takes gzip: the attributes of a series repeat themselves, and become a twentieth.
//!
//! Each piece is flushed, so that nothing waits for the end. Pixel data is not compressed: it costs more than it gives.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::archive::Error;

type Pieces = BoxStream<'static, Result<Bytes, Error>>;
type Encoder = GzEncoder<Vec<u8>>;

/// Compresses a stream beside the threads that serve requests.
pub(super) fn gzip(pieces: Pieces) -> Pieces {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    stream::try_unfold(Some((pieces, encoder)), |state| async move {
        let Some((mut pieces, encoder)) = state else { return Ok(None) };
        let next = pieces.next().await.transpose()?;
        let stopped = |_| Error::Invalid("compressing was stopped".to_owned());
        let packed = tokio::task::spawn_blocking(move || pack(encoder, next)).await.map_err(stopped)?;
        let (bytes, encoder) = packed.map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Some((bytes, encoder.map(|encoder| (pieces, encoder)))))
    })
    .boxed()
}

/// What one piece becomes; without a piece, the end.
fn pack(mut encoder: Encoder, piece: Option<Bytes>) -> std::io::Result<(Bytes, Option<Encoder>)> {
    let Some(piece) = piece else { return Ok((Bytes::from(encoder.finish()?), None)) };
    encoder.write_all(&piece)?;
    encoder.flush()?;
    let bytes = std::mem::take(encoder.get_mut());
    Ok((Bytes::from(bytes), Some(encoder)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn pieces_come_out_of_their_compression_as_they_went_in() {
        let pieces: Vec<Result<Bytes, Error>> =
            vec![Ok(Bytes::from_static(b"[{}")), Ok(Bytes::from_static(b",{}")), Ok(Bytes::from_static(b"]"))];
        let packed: Vec<Bytes> = gzip(stream::iter(pieces).boxed()).map(Result::unwrap).collect().await;
        assert_eq!(packed.len(), 4, "each piece is sent at once");
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.concat().as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "[{},{}]");
    }

    #[tokio::test]
    async fn an_error_breaks_the_answer_off() {
        let pieces = vec![Ok(Bytes::from_static(b"[")), Err(Error::NotFound)];
        let results: Vec<_> = gzip(stream::iter(pieces).boxed()).collect().await;
        assert!(results.last().unwrap().is_err(), "the answer has no end");
    }
}
