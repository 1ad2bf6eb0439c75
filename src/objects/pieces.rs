//! Bytes of an object of unknown length, collected in pieces of one size.
//!
//! A buffer that grows is copied and given back to the system again and again; pieces stay where they are, and those that
//! have been written are kept for the next object. What is kept is bounded.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

/// An object begins with this much, so that small ones need no whole piece.
const FIRST_BYTES: usize = 4 * 1024;
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces kept for later: enough for sixteen associations that send CT images.
const KEPT: usize = 48;

/// Pieces that wait to be used again; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct PiecePool {
    kept: Arc<Mutex<Vec<BytesMut>>>,
}

impl PiecePool {
    fn take(&self) -> BytesMut {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(PIECE_BYTES))
    }

    /// Keeps those pieces that nobody else holds.
    pub(super) fn give_back(&self, pieces: Vec<Bytes>) {
        let pieces = pieces.into_iter().filter_map(|piece| piece.try_into_mut().ok());
        for mut piece in pieces.filter(|piece| piece.capacity() == PIECE_BYTES) {
            piece.clear();
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT {
                kept.push(piece);
            }
        }
    }
}

/// What has been collected.
#[derive(Debug)]
pub(super) struct Pieces {
    pool: PiecePool,
    pieces: Vec<BytesMut>,
    length: usize,
}

impl Pieces {
    pub(super) fn new(pool: PiecePool) -> Self {
        Self { pool, pieces: Vec::new(), length: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Appends.
    pub(super) fn extend(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let spare = self.pieces.last().map_or(0, |last| last.capacity() - last.len());
            if spare == 0 {
                let next = if self.pieces.is_empty() { BytesMut::with_capacity(FIRST_BYTES) } else { self.pool.take() };
                self.pieces.push(next);
                continue;
            }
            let (now, later) = bytes.split_at(spare.min(bytes.len()));
            if let Some(last) = self.pieces.last_mut() {
                last.extend_from_slice(now);
            }
            bytes = later;
        }
    }

    /// Writes over bytes that are there; what lies behind the end is left out.
    pub(super) fn write_over(&mut self, at: usize, mut bytes: &[u8]) {
        let mut skip = at;
        for piece in &mut self.pieces {
            if bytes.is_empty() {
                return;
            }
            let Some(there) = piece.get_mut(skip..) else {
                skip -= piece.len();
                continue;
            };
            let (now, later) = bytes.split_at(there.len().min(bytes.len()));
            there[..now.len()].copy_from_slice(now);
            (bytes, skip) = (later, 0);
        }
    }

    /// Hands everything over, and begins anew.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.length = 0;
        self.pieces.drain(..).map(BytesMut::freeze).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_what_was_put_in_and_are_used_again() {
        let pool = PiecePool::default();
        let mut pieces = Pieces::new(pool.clone());
        let all: Vec<u8> = (0..FIRST_BYTES + 2 * PIECE_BYTES + 5).map(|number| number as u8).collect();
        for part in all.chunks(1000) {
            pieces.extend(part);
        }
        assert_eq!(pieces.len(), all.len());
        let taken = pieces.take();
        assert_eq!(taken.concat(), all);
        assert_eq!(taken.len(), 4);
        pool.give_back(taken);
        assert_eq!(pool.kept.lock().unwrap().len(), 3, "the first, small one is not kept");
        pieces.extend(&all[..FIRST_BYTES + 1]);
        assert_eq!(pieces.take().concat(), all[..FIRST_BYTES + 1]);
        assert_eq!(pool.kept.lock().unwrap().len(), 2);
    }

    #[test]
    fn bytes_are_written_over_across_pieces() {
        let mut pieces = Pieces::new(PiecePool::default());
        pieces.extend(&[0; FIRST_BYTES + 10]);
        pieces.write_over(FIRST_BYTES - 2, &[1, 2, 3, 4]);
        pieces.write_over(0, &[9]);
        pieces.write_over(FIRST_BYTES + 9, &[7, 7, 7]);
        let mut expected = vec![0; FIRST_BYTES + 10];
        expected[FIRST_BYTES - 2..FIRST_BYTES + 2].copy_from_slice(&[1, 2, 3, 4]);
        (expected[0], expected[FIRST_BYTES + 9]) = (9, 7);
        assert_eq!(pieces.take().concat(), expected);
    }
}
