//! Inflates a deflated data set as far as the scan wants it.

use flate2::{Decompress, FlushDecompress, Status};

use super::scan::Scan;

const WINDOW_BYTES: usize = 8 * 1024;

pub(super) struct Inflater {
    state: Decompress,
    max_bytes: u64,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").field("total_out", &self.state.total_out()).finish_non_exhaustive()
    }
}

impl Inflater {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { state: Decompress::new(false), max_bytes }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], scan: &mut Scan) {
        let mut window = [0_u8; WINDOW_BYTES];
        while !scan.is_done() {
            let (read_before, written_before) = (self.state.total_in(), self.state.total_out());
            let room = usize::try_from(self.max_bytes.saturating_sub(written_before)).unwrap_or(WINDOW_BYTES);
            let Some(window) = window.get_mut(..room.min(WINDOW_BYTES)).filter(|window| !window.is_empty()) else {
                scan.fail_limit("limit: inflated bytes");
                return;
            };
            let Ok(status) = self.state.decompress(bytes, window, FlushDecompress::None) else {
                scan.fail_malformed("malformed: deflate stream");
                return;
            };
            let read = usize::try_from(self.state.total_in() - read_before).unwrap_or(bytes.len());
            let written = usize::try_from(self.state.total_out() - written_before).unwrap_or(window.len());
            bytes = bytes.get(read..).unwrap_or_default();
            scan.push(&window[..written.min(window.len())]);
            let stuck = read == 0 && written == 0;
            if status == Status::StreamEnd || stuck || (bytes.is_empty() && written < window.len()) {
                return;
            }
        }
    }
}
