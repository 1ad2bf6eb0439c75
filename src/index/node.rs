//! Ids that need no round trip: 41 bits of milliseconds, 10 bits of node, 12 bits of counter.
//!
//! Each process leases a node number from the database, so that two processes never make the same id.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Error, Index};
use crate::params;

/// 2024-01-01T00:00:00Z; 41 bits of milliseconds from here last until 2093.
const EPOCH_MS: i64 = 1_704_067_200_000;
const NODES: i64 = 1024;
/// How long a lease outlives the process that held it.
pub(crate) const LEASE: Duration = Duration::from_secs(300);

/// Makes ids that are unique over all processes of one database and grow with time.
#[derive(Debug, Clone)]
pub struct Ids {
    node: i64,
    last: Arc<AtomicI64>,
}

impl Ids {
    /// Leases the smallest free node number for `holder` (host and process, for the operator's eyes).
    ///
    /// The lease is renewed by [`Ids::renew`] and ends by itself [`LEASE`] after the last renewal.
    pub async fn lease(index: &Index, holder: String) -> Result<Self, Error> {
        let now = now_ms();
        let until = now + LEASE.as_millis() as i64;
        let node = index
            .write(move |tx| {
                Box::pin(async move {
                    let taken = tx.query("SELECT id, lease_until FROM node ORDER BY id", Vec::new()).await?;
                    let mut held = Vec::with_capacity(taken.len());
                    for row in taken {
                        if row.int("lease_until")? > now {
                            held.push(row.int("id")?);
                        }
                    }
                    for node in (0..NODES).filter(|n| !held.contains(n)) {
                        // The condition keeps out another process that took the number since the read.
                        let sql = "INSERT INTO node (id, holder, lease_until) VALUES ($1, $2, $3) \
                                   ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, \
                                   lease_until = excluded.lease_until WHERE node.lease_until <= $4";
                        if tx.execute(sql, params![node, &holder, until, now]).await? == 1 {
                            return Ok(node);
                        }
                    }
                    Err(Error::NoFreeNode)
                })
            })
            .await?;
        Ok(Self { node, last: Arc::new(AtomicI64::new(0)) })
    }

    /// Keeps the lease for another [`LEASE`].
    pub async fn renew(&self, index: &Index) -> Result<(), Error> {
        self.set_lease(index, now_ms() + LEASE.as_millis() as i64).await
    }

    /// Gives the node number back.
    pub async fn release(&self, index: &Index) -> Result<(), Error> {
        self.set_lease(index, 0).await
    }

    async fn set_lease(&self, index: &Index, until: i64) -> Result<(), Error> {
        let node = self.node;
        index
            .write(move |tx| {
                Box::pin(async move {
                    tx.execute("UPDATE node SET lease_until = $1 WHERE id = $2", params![until, node]).await.map(|_| ())
                })
            })
            .await
    }

    /// The next id. Never goes back, also when the clock does.
    pub fn next(&self) -> i64 {
        let fresh = (now_ms() - EPOCH_MS) << 12;
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let tick = fresh.max(last + 1);
            match self.last.compare_exchange_weak(last, tick, Ordering::Relaxed, Ordering::Relaxed) {
                // A tick is milliseconds and counter; a counter that overflows borrows from the next millisecond.
                Ok(_) => return (tick >> 12) << 22 | self.node << 12 | (tick & 0xFFF),
                Err(seen) => last = seen,
            }
        }
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}
