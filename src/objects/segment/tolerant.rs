//! Reads a file over the blocks that its disk does not give back.

use std::io::{self, Read, Seek, SeekFrom};

/// What a disk reads or refuses as one.
const BLOCK: u64 = 4096;
/// EIO: the disk has it and cannot read it.
const UNREADABLE: i32 = 5;

/// A source whose unreadable blocks are zeros: no record is whole with them, and what lies behind them is found.
#[derive(Debug)]
pub(super) struct Tolerant<S> {
    source: S,
    at: u64,
}

impl<S> Tolerant<S> {
    /// From the source's first byte on.
    pub(super) fn new(source: S) -> Self {
        Self { source, at: 0 }
    }
}

impl<S: Read + Seek> Read for Tolerant<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut read = self.source.read(bytes);
        if read.as_ref().is_err_and(is_unreadable) {
            // To the next border of a block, and no more: the block behind it may be good.
            let most = bytes.len().min((BLOCK - self.at % BLOCK) as usize);
            let (block, _) = bytes.split_at_mut(most);
            self.source.seek(SeekFrom::Start(self.at))?;
            read = self.source.read(block);
            if read.as_ref().is_err_and(is_unreadable) {
                block.fill(0);
                self.source.seek(SeekFrom::Start(self.at + most as u64))?;
                read = Ok(most);
            }
        }
        let read = read?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<S: Seek> Seek for Tolerant<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.source.seek(to)?;
        Ok(self.at)
    }
}

fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(UNREADABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three blocks of sevens, the second of which cannot be read.
    struct Decayed(u64);

    impl Read for Decayed {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let end = (self.0 + bytes.len() as u64).min(3 * BLOCK);
            if self.0 < 2 * BLOCK && end > BLOCK {
                return Err(io::Error::from_raw_os_error(UNREADABLE));
            }
            let read = (end - self.0) as usize;
            bytes[..read].fill(7);
            self.0 = end;
            Ok(read)
        }
    }

    impl Seek for Decayed {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            let SeekFrom::Start(at) = to else { panic!("only from the start here") };
            self.0 = at;
            Ok(at)
        }
    }

    #[test]
    fn an_unreadable_block_is_zeros_and_nothing_else_is() {
        let mut all = Vec::new();
        Tolerant::new(Decayed(0)).read_to_end(&mut all).unwrap();
        let block = BLOCK as usize;
        assert_eq!(all.len(), 3 * block);
        assert!(all[..block].iter().chain(&all[2 * block..]).all(|byte| *byte == 7));
        assert!(all[block..2 * block].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn other_errors_stay_errors() {
        struct Gone;
        impl Read for Gone {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
        impl Seek for Gone {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        let error = Tolerant::new(Gone).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
