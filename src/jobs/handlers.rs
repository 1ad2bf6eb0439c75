//! Who does which kind of job.
//!
//! The archive does what it can do alone; work that speaks to a neighbour (a PACS, an upstream archive) is done by the
//! adapter that knows the neighbour, and registered by the composition root. Each kind has places of its own, so that a
//! slow neighbour keeps no other kind waiting.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::archive::Archive;
use crate::archive::upkeep::queue::{Finished, Job, JobFailure, JobKind};

/// How one run of a job ends.
pub type JobOutcome = Result<Finished, JobFailure>;

type Run = Arc<dyn Fn(Job) -> Pin<Box<dyn Future<Output = JobOutcome> + Send>> + Send + Sync>;

/// The kinds of jobs that this process does; jobs of other kinds are left to other processes.
#[derive(Clone, Default)]
pub struct Handlers {
    by_kind: BTreeMap<&'static str, Handler>,
}

/// What does the jobs of one kind.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) kind: JobKind,
    /// Jobs of the kind that run at the same time in this process.
    pub(super) places: u32,
    pub(super) run: Run,
}

impl Handlers {
    /// The kinds that the archive does alone, each with `places` unless it has a number of its own.
    pub fn of(archive: &Archive, places: u32) -> Self {
        let mut handlers = Self::default();
        for kind in Archive::OWN_JOBS {
            let archive = archive.clone();
            handlers.add(kind, archive.places_of(kind, places), move |job| {
                let archive = archive.clone();
                async move { archive.run_job(&job).await }
            });
        }
        handlers
    }

    /// Registers what does the jobs of a kind, and how many of them at the same time (1 at least); a kind that is
    /// registered already is replaced.
    pub fn add<F, R>(&mut self, kind: JobKind, places: u32, run: F) -> &mut Self
    where
        F: Fn(Job) -> R + Send + Sync + 'static,
        R: Future<Output = JobOutcome> + Send + 'static,
    {
        let run: Run = Arc::new(move |job| Box::pin(run(job)));
        self.by_kind.insert(kind.as_str(), Handler { kind, places: places.max(1), run });
        self
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Handler> {
        self.by_kind.values()
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_kind.keys()).finish()
    }
}
