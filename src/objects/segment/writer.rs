//! The one thread that writes segments: takes all that waits, writes it with one call, syncs once, answers all.
//!
//! No timer: alone an object waits for one sync, in a crowd it shares one; while a group is written the next gathers. Only
//! where syncs are slow it waits a moment for those that have just been answered, because the first of them to come back
//! would otherwise have a sync for itself, and all others wait for two; what is there already is written meanwhile.
//! After a failed write or sync the segment is given up, because nobody knows any more what of it is on the disk.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::file::{self, OpenSegment};
use super::group::{BLOCK, Group};
use super::record::{self, END, RecordKind};
use super::rows::RowsPending;
use super::{Rows, Settings, copy, fresh};
use crate::domain::place::Place;
use crate::objects::folder::Folder;
use crate::objects::pieces::PiecePool;

/// A group is written at this size, also when more waits.
const GROUP_BYTES: u64 = 8 * 1024 * 1024;
/// How often an idle writer looks at the age of its segment.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long no new segment is tried after one could not be made.
const NO_ROOM_FOR: Duration = Duration::from_secs(10);

/// A sync that takes so long is worth waiting for others.
const SLOW_SYNC: Duration = Duration::from_millis(3);

/// Less than this is not written while others are waited for.
const WORTH_WRITING: usize = 256 * 1024;

/// What the writer is asked for.
pub(super) enum Command {
    /// Keep these bytes.
    Append {
        /// What they are.
        kind: RecordKind,
        /// Whether their rows will wait.
        rows: Rows,
        /// The bytes, in pieces.
        pieces: Vec<Bytes>,
        /// Hears of it when they are durable.
        answer: oneshot::Sender<Appended>,
    },
    /// Finish the open segment.
    Seal {
        /// Hears of it when that is done.
        answer: oneshot::Sender<()>,
    },
}

/// What became of an append.
pub(super) enum Appended {
    /// Durable, there; with the claim that was asked for, where it is possible.
    At(Place, Option<RowsPending>),
    /// No segment could be opened.
    NoRoom(Vec<Bytes>),
    /// It could not be written.
    Failed(io::Error),
}

/// Works until all handles are gone, then seals the open segment.
pub(super) fn run(
    folder: Folder,
    settings: Settings,
    pool: PiecePool,
    claimable: &AtomicBool,
    commands: &Receiver<Command>,
) {
    let segment_bytes =
        settings.segment_bytes.max(2 * record::room(settings.object_limit)).next_multiple_of(BLOCK as u64);
    let settings = Settings { segment_bytes, ..settings };
    let group = Group::new(GROUP_BYTES + record::room(settings.object_limit));
    let mut writer = Writer {
        folder,
        settings,
        pool,
        claimable,
        group,
        open: None,
        no_room_until: None,
        waiting: Vec::new(),
        sync_time: Duration::ZERO,
        crowd: 1,
    };
    loop {
        match commands.recv_timeout(LOOK_EVERY) {
            Ok(first) => {
                writer.take(first);
                writer.gather(commands);
                writer.flush();
            }
            Err(RecvTimeoutError::Timeout) => writer.seal_when_old(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    writer.seal();
}

struct Writer<'a> {
    folder: Folder,
    settings: Settings,
    pool: PiecePool,
    claimable: &'a AtomicBool,
    group: Group,
    open: Option<OpenSegment>,
    no_room_until: Option<Instant>,
    waiting: Vec<(Place, Rows, oneshot::Sender<Appended>)>,
    /// About how long a sync takes.
    sync_time: Duration,
    /// About how many append at the same time.
    crowd: usize,
}

impl Writer<'_> {
    /// Takes what is there, and what comes while it is worth waiting for.
    fn gather(&mut self, commands: &Receiver<Command>) {
        let began = Instant::now();
        while self.group.waiting() < GROUP_BYTES {
            let next = match commands.try_recv() {
                Ok(command) => Some(command),
                Err(_) => self.patience(began).and_then(|patience| {
                    self.write_full_blocks();
                    commands.recv_timeout(patience).ok()
                }),
            };
            let Some(command) = next else { return };
            self.take(command);
        }
    }

    /// Gives the disk what is there, so that only the rest is written before the sync.
    fn write_full_blocks(&mut self) {
        let (at, blocks) = self.group.full_blocks();
        if blocks.len() < WORTH_WRITING {
            return;
        }
        // What fails is written again before the sync, and that failure counts.
        if self.open.as_mut().is_some_and(|open| open.write(at, blocks).is_ok()) {
            self.group.full_blocks_written();
        }
    }

    /// How long the next one is waited for: while fewer are there than usual, in all as long as a sync takes, which is
    /// what those who come too late would wait for; when as many are there, a moment for one more.
    fn patience(&self, began: Instant) -> Option<Duration> {
        let (limit, pause) = if self.waiting.len() < self.crowd { (1, 4) } else { (2, 64) };
        if self.sync_time < SLOW_SYNC || self.waiting.is_empty() || began.elapsed() > self.sync_time / limit {
            return None;
        }
        Some(self.sync_time / pause)
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Append { kind, rows, pieces, answer } => self.append((kind, rows), pieces, answer),
            Command::Seal { answer } => {
                self.flush();
                self.seal();
                // Who asked may have gone.
                let _ = answer.send(());
            }
        }
    }

    fn append(&mut self, (kind, rows): (RecordKind, Rows), pieces: Vec<Bytes>, answer: oneshot::Sender<Appended>) {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let room = record::room(length);
        if !self.group.has_room(room) {
            self.flush();
        }
        let full = self.group.position() + room + END;
        if self.open.as_ref().is_some_and(|open| full > open.capacity || open.is_older_than(self.settings.max_age)) {
            self.flush();
            self.seal();
        }
        let Some(open) = self.opened() else {
            let _ = answer.send(Appended::NoRoom(pieces));
            return;
        };
        let (id, key) = (open.id.clone(), open.key.clone());
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let offset = self.group.push(&id, kind, &pieces, seconds);
        self.pool.give_back(pieces);
        self.waiting.push((Place { key, offset, length }, rows, answer));
    }

    /// The open segment, a new one if need be; nothing when none can be made.
    fn opened(&mut self) -> Option<&OpenSegment> {
        if self.open.is_none() {
            if self.no_room_until.is_some_and(|until| Instant::now() < until) {
                return None;
            }
            match self.begin() {
                Ok(open) => {
                    self.group.restart();
                    self.open = Some(open);
                    self.no_room_until = None;
                }
                Err(error) => {
                    tracing::warn!(%error, "no segment can be made; objects get files of their own");
                    self.no_room_until = Some(Instant::now() + NO_ROOM_FOR);
                }
            }
        }
        self.open.as_ref()
    }

    fn begin(&self) -> io::Result<OpenSegment> {
        let Settings { segment_bytes, folder_bytes, .. } = self.settings;
        if folder_bytes != u64::MAX && file::total_bytes(&self.folder)? + segment_bytes > folder_bytes {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "too much waits for the bucket"));
        }
        let (key, id) = fresh();
        OpenSegment::create(&self.folder, (id, key), segment_bytes, self.claimable.load(Ordering::Relaxed))
    }

    /// Writes what waits and answers it.
    fn flush(&mut self) {
        let Some(open) = self.open.as_mut().filter(|_| !self.waiting.is_empty()) else { return };
        metrics::histogram!("yingku_segment_group_objects").record(self.waiting.len() as f64);
        let (at, blocks) = self.group.blocks();
        match open.write(at, blocks).and_then(|()| open.sync()) {
            Ok(sync_time) => {
                self.sync_time = (self.sync_time * 3 + sync_time) / 4;
                self.crowd = self.waiting.len().max(self.crowd * 7 / 8);
                self.group.advance();
                for (place, rows, answer) in self.waiting.drain(..) {
                    let pending = if rows == Rows::Claimed { open.rows.claim() } else { None };
                    let _ = answer.send(Appended::At(place, pending));
                }
            }
            Err(error) => {
                tracing::error!(%error, segment.key = %open.key, "a segment cannot be written; a new one follows");
                self.group.retreat();
                for (_, _, answer) in self.waiting.drain(..) {
                    let _ = answer.send(Appended::Failed(copy(&error)));
                }
                self.seal();
            }
        }
    }

    fn seal_when_old(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.is_older_than(self.settings.max_age)) {
            self.seal();
        }
    }

    /// Finishes the open segment; nothing may be waiting for it.
    fn seal(&mut self) {
        let Some(open) = self.open.take() else { return };
        let key = open.key.clone();
        if let Err(error) = open.seal(self.group.durable_end()) {
            // Its mark stays, and the next opening of the folder tries again.
            tracing::warn!(%error, segment.key = %key, "a segment could not be sealed");
        }
        self.group.restart();
    }
}
