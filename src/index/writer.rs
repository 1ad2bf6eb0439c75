//! The one writer of an embedded database: a task that runs waiting operations in one transaction.
//!
//! SQLite allows one writer at a time, and each commit costs a sync of the disk. So operations queue here, and
//! all that wait are run in one transaction, each behind a savepoint of its own: an operation that fails is undone
//! alone, the others are kept, and one sync serves them all. While it runs, the next ones gather (group commit
//! without a timer). An operation's caller gets its result only after the commit. Instances that need no more than
//! their own row (`arrivals`) are added together by one statement. A group of operations that somebody vouches for
//! (`unsynced`) is committed without a sync.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::arrivals::{Arrival, Inserter};
use super::tx::{Tx, TxEngine};
use super::unsynced::{self, Limits, Surety, Unsynced};

/// Tells the waiting caller how its operation ended, once the fate of the transaction is known.
pub(super) type Deliver = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// What an operation left behind: whether it is to be kept, and how to tell its caller.
pub(super) struct Done {
    pub(super) keep: bool,
    pub(super) deliver: Deliver,
}

/// An operation that waits for the writer.
pub(super) type Operation = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Done> + Send>;

/// What waits for the writer.
pub(super) enum Waiting {
    /// Anything, and who vouches for it.
    Operation(Operation, Option<Surety>),
    /// An instance that may need no more than its own row.
    Arrival(Arrival),
}

impl Waiting {
    fn surety(&self) -> Option<&Surety> {
        match self {
            Waiting::Operation(_, surety) => surety.as_ref(),
            Waiting::Arrival(arrival) => arrival.surety.as_ref(),
        }
    }
}

/// When a commit returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// When it is on the disk, and with it everything before it.
    Full,
    /// When it is in the log; a later sync takes it to the disk.
    Normal,
}

impl Sync {
    fn pragma(self) -> &'static str {
        match self {
            Sync::Full => "PRAGMA synchronous = FULL",
            Sync::Normal => "PRAGMA synchronous = NORMAL",
        }
    }
}

/// A commit that changes nothing writes nothing and syncs nothing. This changes something.
pub(super) const TOUCH: &str = "PRAGMA user_version = 1";

/// What others know of the writer: whether it works, and its end, asked for by the first who closes the index, waited
/// for by all who do.
#[derive(Debug, Clone, Default)]
pub(super) struct WriterState {
    asked: CancellationToken,
    reached: CancellationToken,
    is_failing: Arc<AtomicBool>,
}

impl WriterState {
    /// Returns when all that was queued is on the disk, or never will be there.
    pub(super) async fn reach(&self) {
        self.asked.cancel();
        self.reached.cancelled().await;
    }

    /// Whether it runs no more.
    pub(super) fn has_ended(&self) -> bool {
        self.reached.is_cancelled()
    }

    /// Whether the last transaction could not be committed, and none has been since.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    fn note(&self, outcome: &Result<(), Error>) {
        self.is_failing.store(outcome.is_err(), Ordering::Relaxed);
    }
}

/// Runs operations until all senders are gone or its end is asked for; what waits then is still run and synced.
pub(super) async fn run(
    connection: SqliteConnection,
    mut waiting: mpsc::Receiver<Waiting>,
    batch_limit: usize,
    limits: Limits,
    state: WriterState,
) {
    let _reached = state.reached.clone().drop_guard();
    let mut writer = Writer {
        tx: Tx::new(TxEngine::Sqlite(Box::new(connection))),
        inserter: Inserter::new(),
        // As the connection was opened.
        sync: Sync::Full,
        unsynced: Unsynced::new(limits),
        log_is_in_doubt: false,
        state: state.clone(),
    };
    let mut batch = Vec::with_capacity(batch_limit);
    loop {
        let is_closed = waiting.is_closed();
        let next = async {
            tokio::select! {
                biased;
                count = waiting.recv_many(&mut batch, batch_limit) => Some(count),
                () = state.asked.cancelled(), if !is_closed => None,
            }
        };
        let next = match writer.unsynced.patience() {
            None => next.await,
            Some(patience) => match tokio::time::timeout(patience, next).await {
                Ok(next) => next,
                Err(_) => {
                    writer.sync_waiting().await;
                    continue;
                }
            },
        };
        let Some(count) = next else {
            waiting.close();
            continue;
        };
        if count == 0 {
            break;
        }
        metrics::histogram!("yingku_index_batch_operations").record(batch.len() as f64);
        writer.run_group(batch.drain(..)).await;
    }
    if !writer.unsynced.is_empty() {
        writer.sync_waiting().await;
    }
    if let TxEngine::Sqlite(connection) = writer.tx.engine
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "the database's log stays, for the next start");
    }
}

struct Writer {
    tx: Tx,
    inserter: Inserter,
    sync: Sync,
    unsynced: Unsynced,
    /// A sync failed while commits waited for it: the disk may lack what is in their middle.
    log_is_in_doubt: bool,
    state: WriterState,
}

impl Writer {
    async fn run_group(&mut self, batch: impl ExactSizeIterator<Item = Waiting>) {
        let (count, batch) = (batch.len(), batch.collect::<Vec<_>>());
        let vouched = unsynced::bytes_of(batch.iter().map(Waiting::surety));
        let may_wait = vouched.is_some_and(|bytes| self.unsynced.has_room(count, bytes));
        let sync = if may_wait { Sync::Normal } else { Sync::Full };
        let (mut operations, mut arrivals) = (Vec::new(), Vec::new());
        for waiting in batch {
            match waiting {
                Waiting::Operation(operation, surety) => operations.push((operation, surety)),
                Waiting::Arrival(arrival) => arrivals.push(arrival),
            }
        }
        // One that has to sync what waits does so in a transaction that is sure to write.
        let at_once = operations.is_empty()
            && Inserter::fits(arrivals.len())
            && (sync == Sync::Normal || self.unsynced.is_empty());
        let (mut added, mut done, mut sureties) = (None, Vec::with_capacity(operations.len()), Vec::new());
        let outcome = async {
            self.prepare(sync).await?;
            if at_once {
                added = Some(self.inserter.add(&mut self.tx, arrivals).await);
                return Ok(());
            }
            if arrivals.is_empty() {
                self.tx.execute("BEGIN IMMEDIATE; SAVEPOINT operation", Vec::new()).await?;
            } else {
                self.tx.execute("BEGIN IMMEDIATE; SAVEPOINT arrivals", Vec::new()).await?;
                let those = added.insert(self.inserter.add(&mut self.tx, arrivals).await);
                // After some errors (no room, no memory, a failed read) the engine has undone the whole transaction:
                // then the savepoint is gone, and so is whatever was added before the error.
                if let Err(error) = self.tx.execute("RELEASE arrivals; SAVEPOINT operation", Vec::new()).await {
                    tracing::warn!(%error, "the database has undone what was added together");
                    those.undone();
                    self.tx.execute("BEGIN IMMEDIATE; SAVEPOINT operation", Vec::new()).await?;
                }
            }
            run_operations(&mut self.tx, operations, &mut done, &mut sureties).await?;
            if sync == Sync::Full && !self.unsynced.is_empty() {
                self.tx.pragma(TOUCH).await?;
            }
            self.tx.execute("COMMIT", Vec::new()).await.map(|_| ())
        };
        let outcome: Result<(), Error> = outcome.await;
        self.state.note(&outcome);
        if let Err(error) = &outcome {
            // The transaction may be open or already rolled back by the engine; either way it must be gone.
            self.tx.forget_posted();
            let _ = self.tx.execute("ROLLBACK", Vec::new()).await;
            self.doubt(error);
        }
        if let Some(added) = added {
            sureties.extend(added.deliver(&outcome));
        }
        // Of a failure those who wait are told, so that nothing has to be made again. But what was in the log when a sync
        // failed stays in force: it may be there or not.
        match (&outcome, sync) {
            (Ok(()), Sync::Normal) => self.unsynced.add(sureties),
            (Ok(()), Sync::Full) => {
                self.unsynced.release();
                sureties.into_iter().for_each(Surety::release);
            }
            (Err(_), _) if self.log_is_in_doubt => {}
            (Err(_), _) => sureties.into_iter().for_each(Surety::release),
        }
        for (Done { deliver, .. }, sent) in done {
            deliver(sent.and_then(|()| outcome.clone()));
        }
    }

    /// Has the next commit return when it should.
    async fn prepare(&mut self, sync: Sync) -> Result<(), Error> {
        if self.log_is_in_doubt {
            self.empty_log().await?;
        }
        if self.sync != sync {
            self.tx.pragma(sync.pragma()).await?;
            self.sync = sync;
        }
        Ok(())
    }

    /// Takes to the disk what waits for it.
    async fn sync_waiting(&mut self) {
        let synced = async {
            self.prepare(Sync::Full).await?;
            self.tx.execute("BEGIN IMMEDIATE", Vec::new()).await?;
            self.tx.pragma(TOUCH).await?;
            self.tx.execute("COMMIT", Vec::new()).await.map(|_| ())
        };
        let synced = synced.await;
        self.state.note(&synced);
        match synced {
            Ok(()) => self.unsynced.release(),
            Err(error) => {
                let _ = self.tx.execute("ROLLBACK", Vec::new()).await;
                tracing::warn!(%error, "the database's log could not be synced; segments bring back what it lacks");
                self.doubt(&error);
                self.unsynced.put_off();
            }
        }
    }

    /// After a failed sync a system may take pages for written that never were, and a later sync says nothing of them.
    fn doubt(&mut self, error: &Error) {
        if error.is_failed_sync() && !self.unsynced.is_empty() {
            self.unsynced.abandon();
            self.log_is_in_doubt = true;
        }
    }

    /// Writes all that is in the log to where it belongs, so that nothing more depends on what the disk has of the log.
    async fn empty_log(&mut self) -> Result<(), Error> {
        let rows = self.tx.query("PRAGMA wal_checkpoint(TRUNCATE)", Vec::new()).await?;
        let is_empty = rows.first().is_some_and(|row| row.int("busy").is_ok_and(|busy| busy == 0));
        if !is_empty {
            return Err(Error::LogInDoubt);
        }
        self.log_is_in_doubt = false;
        Ok(())
    }
}

/// Runs operations, each behind the savepoint that stands already; the commit releases the last one.
async fn run_operations(
    tx: &mut Tx,
    operations: Vec<(Operation, Option<Surety>)>,
    done: &mut Vec<(Done, Result<(), Error>)>,
    sureties: &mut Vec<Surety>,
) -> Result<(), Error> {
    let mut left = operations.len();
    for (operation, surety) in operations {
        left -= 1;
        sureties.extend(surety);
        // What was posted, the end of this operation and the beginning of the next are one round trip to the engine.
        let next = if left > 0 { "RELEASE operation; SAVEPOINT operation" } else { "" };
        let result = AssertUnwindSafe(operation(tx)).catch_unwind().await;
        let keep = result.as_ref().is_ok_and(|result| result.keep);
        let sent = if keep { tx.send_and(next).await } else { Ok(()) };
        if !keep || sent.is_err() {
            tx.forget_posted();
            tx.execute("ROLLBACK TO operation", Vec::new()).await?;
            tx.send_and(next).await?;
        }
        // Of a panic its caller sees its channel closed; the panic itself has been reported by the hook.
        done.extend(result.ok().map(|result| (result, sent)));
    }
    Ok(())
}
