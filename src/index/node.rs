//! Ids that need no round trip: 41 bits of milliseconds, 10 bits of node, 12 bits of counter.
//!
//! Each process leases a node number from the database, so that two processes never make the same id.

use std::sync::{Arc, OnceLock};
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
    /// Leases the smallest free node number for this process.
    ///
    /// The lease is renewed by [`Ids::renew`] and ends by itself [`LEASE`] after the last renewal, or at once when
    /// its holder ran on this host and is gone.
    pub async fn lease(index: &Index) -> Result<Self, Error> {
        let (host, process) = (host_name(), std::process::id());
        let holder = format!("{host}/{process}/{}", start_mark());
        let now = now_ms();
        let until = now + LEASE.as_millis() as i64;
        let node = index
            .write(move |tx| {
                Box::pin(async move {
                    let taken = tx.query("SELECT id, holder, lease_until FROM node ORDER BY id", Vec::new()).await?;
                    let mut held = Vec::with_capacity(taken.len());
                    for row in taken {
                        let id = row.int("id")?;
                        if row.int("lease_until")? <= now {
                            continue;
                        }
                        if is_gone(&row.text("holder")?, &host, process) {
                            tx.execute("UPDATE node SET lease_until = 0 WHERE id = $1", params![id]).await?;
                        } else {
                            held.push(id);
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

    /// Whether no other process holds a lease on this database.
    pub async fn is_alone(&self, index: &Index) -> Result<bool, Error> {
        let sql = "SELECT COUNT(*) AS others FROM node WHERE id <> $1 AND lease_until > $2";
        let row = index.query_opt(sql, params![self.node, now_ms()]).await?.ok_or(Error::Damaged("node"))?;
        Ok(row.int("others")? == 0)
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

/// Tells this start of the program from an earlier one with the same process number.
fn start_mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| uuid::Uuid::new_v4().simple().to_string())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("COMPUTERNAME"));
    name.map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// Whether the holder of a lease was a process of this host that has ended. What cannot be told counts as alive.
fn is_gone(holder: &str, host: &str, this_process: u32) -> bool {
    let mut parts = holder.rsplitn(3, '/');
    let (Some(mark), Some(process), Some(held_by)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let Ok(process) = process.parse::<u32>() else { return false };
    let processes = std::path::Path::new("/proc");
    // Our number with another mark: an earlier start of a container, where process numbers begin anew.
    let earlier_self = process == this_process && mark != start_mark();
    held_by == host && processes.is_dir() && (earlier_self || !processes.join(process.to_string()).exists())
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}
