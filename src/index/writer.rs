//! The one writer of an embedded database: a task that runs waiting operations in one transaction.
//!
//! SQLite allows one writer at a time, and each commit costs a sync of the disk. So operations queue here, and
//! all that wait are run in one transaction, each behind a savepoint of its own: an operation that fails is undone
//! alone, the others are kept, and one sync serves them all. While it runs, the next ones gather (group commit
//! without a timer). An operation's caller gets its result only after the commit. Instances that need no more than
//! their own row (`arrivals`) are added together by one statement.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use std::panic::AssertUnwindSafe;
use tokio::sync::mpsc;

use super::Error;
use super::arrivals::{Arrival, Inserter};
use super::tx::{Tx, TxEngine};

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
    /// Anything.
    Operation(Operation),
    /// An instance that may need no more than its own row.
    Arrival(Arrival),
}

/// Runs operations until all senders are gone.
pub(super) async fn run(connection: SqliteConnection, mut waiting: mpsc::Receiver<Waiting>, batch_limit: usize) {
    let mut tx = Tx { engine: TxEngine::Sqlite(Box::new(connection)) };
    let mut inserter = Inserter::new();
    let mut batch = Vec::with_capacity(batch_limit);
    while waiting.recv_many(&mut batch, batch_limit).await > 0 {
        metrics::histogram!("yingku_index_batch_operations").record(batch.len() as f64);
        let (mut operations, mut arrivals) = (Vec::new(), Vec::new());
        for waiting in batch.drain(..) {
            match waiting {
                Waiting::Operation(operation) => operations.push(operation),
                Waiting::Arrival(arrival) => arrivals.push(arrival),
            }
        }
        if operations.is_empty() && Inserter::fits(arrivals.len()) {
            inserter.add(&mut tx, arrivals).await.deliver(&Ok(()));
            continue;
        }
        let (mut added, mut done) = (None, Vec::with_capacity(operations.len()));
        let outcome = async {
            tx.execute("BEGIN IMMEDIATE", Vec::new()).await?;
            added = Some(inserter.add(&mut tx, arrivals).await);
            run_batch(&mut tx, operations, &mut done).await
        };
        let outcome = outcome.await;
        if outcome.is_err() {
            // The transaction may be open or already rolled back by the engine; either way it must be gone.
            let _ = tx.execute("ROLLBACK", Vec::new()).await;
        }
        if let Some(added) = added {
            added.deliver(&outcome);
        }
        for Done { deliver, .. } in done {
            deliver(outcome.clone());
        }
    }
}

async fn run_batch(tx: &mut Tx, operations: Vec<Operation>, done: &mut Vec<Done>) -> Result<(), Error> {
    for operation in operations {
        tx.execute("SAVEPOINT operation", Vec::new()).await?;
        match AssertUnwindSafe(operation(tx)).catch_unwind().await {
            Ok(result) => {
                let keep = result.keep;
                done.push(result);
                if !keep {
                    tx.execute("ROLLBACK TO operation", Vec::new()).await?;
                }
            }
            // Its caller sees its channel closed; the panic itself has been reported by the hook.
            Err(_panic) => {
                tx.execute("ROLLBACK TO operation", Vec::new()).await?;
            }
        }
        tx.execute("RELEASE operation", Vec::new()).await?;
    }
    tx.execute("COMMIT", Vec::new()).await?;
    Ok(())
}
