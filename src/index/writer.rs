//! The one writer of an embedded database: a task that runs waiting operations in one transaction.
//!
//! SQLite allows one writer at a time, and each commit costs a sync of the disk. So operations queue here, and
//! all that wait are run in one transaction, each behind a savepoint of its own: an operation that fails is undone
//! alone, the others are kept, and one sync serves them all. While it runs, the next ones gather (group commit
//! without a timer). An operation's caller gets its result only after the commit.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use std::panic::AssertUnwindSafe;
use tokio::sync::mpsc;

use super::Error;
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

/// Runs operations until all senders are gone.
pub(super) async fn run(connection: SqliteConnection, mut waiting: mpsc::Receiver<Operation>, batch_limit: usize) {
    let mut tx = Tx { engine: TxEngine::Sqlite(Box::new(connection)) };
    let mut batch = Vec::with_capacity(batch_limit);
    while waiting.recv_many(&mut batch, batch_limit).await > 0 {
        metrics::histogram!("yingku_index_batch_operations").record(batch.len() as f64);
        let mut done = Vec::with_capacity(batch.len());
        let outcome = run_batch(&mut tx, &mut batch, &mut done).await;
        batch.clear();
        if outcome.is_err() {
            // The transaction may be open or already rolled back by the engine; either way it must be gone.
            let _ = tx.execute("ROLLBACK", Vec::new()).await;
        }
        for Done { deliver, .. } in done {
            deliver(outcome.clone());
        }
    }
}

async fn run_batch(tx: &mut Tx, batch: &mut Vec<Operation>, done: &mut Vec<Done>) -> Result<(), Error> {
    tx.execute("BEGIN IMMEDIATE", Vec::new()).await?;
    for operation in batch.drain(..) {
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
