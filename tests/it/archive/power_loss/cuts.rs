//! Where the write-ahead log of SQLite can end (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).

use std::path::Path;

const HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// A log as it lies on the disk.
#[derive(Debug)]
pub struct Log {
    page: u64,
    end: u64,
}

impl Log {
    pub fn read(path: &Path) -> Self {
        let log = std::fs::read(path).unwrap();
        let page = u64::from(u32::from_be_bytes(log[8..12].try_into().unwrap()));
        assert!(page.is_power_of_two() && log.len() as u64 > HEADER, "a log of SQLite");
        Self { page, end: log.len() as u64 }
    }

    /// Ends of the log behind what is surely synced: at each frame, within each frame's head and page.
    pub fn cuts(&self, synced: u64) -> Vec<u64> {
        let frame = FRAME_HEADER + self.page;
        let whole = (0..).map(|number| HEADER + number * frame).take_while(|at| *at <= self.end);
        let mut cuts: Vec<u64> = whole.flat_map(|at| [at, at + 11, at + frame / 2]).collect();
        cuts.retain(|at| (synced..=self.end).contains(at));
        cuts
    }
}
