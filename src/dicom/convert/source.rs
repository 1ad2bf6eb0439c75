//! Reads a data set from its beginning to its end. A declared length allocates nothing that is not there.

use std::io::{ErrorKind, Read};

use super::Error;

const BUFFER_BYTES: usize = 64 * 1024;

/// A data set that is being read.
pub(super) struct Source<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    position: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, position: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next `N` bytes, which stay; `None` when fewer are left.
    pub(super) fn peek<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Error> {
        while self.buffer.len() - self.start < N {
            self.buffer.drain(..self.start);
            self.start = 0;
            let have = self.buffer.len();
            self.buffer.resize(have + BUFFER_BYTES, 0);
            let read = read(&mut self.inner, &mut self.buffer[have..])?;
            self.buffer.truncate(have + read);
            if read == 0 {
                return Ok(None);
            }
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[self.start..self.start + N]);
        Ok(Some(bytes))
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&mut self) -> Result<bool, Error> {
        Ok(self.peek::<1>()?.is_none())
    }

    /// The next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.peek::<N>()?.ok_or(Error::Truncated)?;
        self.start += N;
        self.position += N as u64;
        Ok(bytes)
    }

    /// Fills all of `bytes`.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let from_buffer = bytes.len().min(self.buffer.len() - self.start);
        bytes[..from_buffer].copy_from_slice(&self.buffer[self.start..self.start + from_buffer]);
        self.start += from_buffer;
        let mut have = from_buffer;
        while have < bytes.len() {
            match read(&mut self.inner, &mut bytes[have..])? {
                0 => return Err(Error::Truncated),
                read => have += read,
            }
        }
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Appends the next `length` bytes; memory grows with what arrives.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, length: usize) -> Result<(), Error> {
        let mut left = length;
        while left > 0 {
            let some = left.min(1024 * 1024);
            let at = out.len();
            out.resize(at + some, 0);
            self.fill(&mut out[at..])?;
            left -= some;
        }
        Ok(())
    }

    /// Reads over `length` bytes.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), Error> {
        let mut left = length;
        let mut scratch = [0; 4096];
        while left > 0 {
            let some = left.min(scratch.len() as u64) as usize;
            self.fill(&mut scratch[..some])?;
            left -= some as u64;
        }
        Ok(())
    }
}

fn read(inner: &mut impl Read, bytes: &mut [u8]) -> Result<usize, Error> {
    loop {
        match inner.read(bytes) {
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The inflater's word for a damaged or cut stream.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
                return Err(Error::Malformed("deflated stream"));
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(Error::Truncated),
            Err(error) => return Err(Error::Source(error)),
        }
    }
}
