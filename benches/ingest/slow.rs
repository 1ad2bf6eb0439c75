//! A disk whose syncs are slow, for all servers alike: a library that is loaded before theirs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library, and how much longer a sync takes.
pub struct SlowSyncs {
    library: PathBuf,
    milliseconds: u64,
}

impl SlowSyncs {
    /// Compiles the library with the C compiler that building Yingku needs anyway.
    pub fn compile(folder: &Path, milliseconds: u64) -> Self {
        let library = folder.canonicalize().expect("the folder is there").join("slow_sync.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/ingest/slow_sync.c");
        let compiled = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        assert!(
            compiled.is_ok_and(|status| status.success()),
            "cc is missing; install it with: apt-get install -y gcc"
        );
        Self { library, milliseconds }
    }

    /// Has a server that is about to start use it.
    pub fn slow_down(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("YINGKU_BENCH_SYNC_MS", self.milliseconds.to_string());
    }
}
