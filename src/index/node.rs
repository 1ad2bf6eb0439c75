//! Ids that need no round trip: 41 bits of milliseconds, 10 bits of node, 12 bits of counter.
//!
//! Each process leases a node number from the database, so that two processes never make the same id.
//! The lease is renewed while the process lives and ends by itself [`LEASE`] after the last renewal, or at once when
//! its holder ran on this host and is gone. A process that lost its lease takes another number.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Error, Index, Tx};
use crate::params;

/// 2024-01-01T00:00:00Z; 41 bits of milliseconds from here last until 2093.
const EPOCH_MS: i64 = 1_704_067_200_000;
const NODES: i64 = 1024;
/// How long a lease outlives the process that held it.
pub const LEASE: Duration = Duration::from_secs(300);
/// How often a lease is renewed.
pub const RENEW: Duration = Duration::from_secs(60);
/// A renewal may come late by so much.
const SLACK_MS: i64 = 10_000;

/// Makes ids that are unique over all processes of one database and grow with time.
#[derive(Debug, Clone)]
pub struct Ids {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    holder: Holder,
    node: AtomicI64,
    last: AtomicI64,
    crashed: Option<std::ops::Range<i64>>,
}

impl Ids {
    /// By how much ids of two moments differ for each millisecond between them.
    pub const PER_MS: i64 = 1 << 22;

    /// Leases the smallest free node number for this process.
    pub async fn lease(index: &Index) -> Result<Self, Error> {
        let holder = Holder::here();
        let crashed = crashed(index, &holder).await?;
        let node = take_number(index, holder.clone()).await?;
        let (node, last) = (AtomicI64::new(node), AtomicI64::new(0));
        Ok(Self { shared: Arc::new(Shared { holder, node, last, crashed }) })
    }

    /// When processes that ended without giving their number back can have written anything, in milliseconds since 1970
    /// UTC; `None` when all have ended in order.
    pub fn crashed(&self) -> Option<std::ops::Range<i64>> {
        self.shared.crashed.clone()
    }

    /// The end of [`Ids::crashed`].
    pub fn crashed_before(&self) -> Option<i64> {
        self.shared.crashed.as_ref().map(|lived| lived.end)
    }

    /// Keeps the lease for another [`LEASE`]; call it every [`RENEW`].
    pub async fn renew(&self, index: &Index) -> Result<(), Error> {
        if !self.set_lease(index, now_ms() + LEASE.as_millis() as i64).await? {
            let node = take_number(index, self.shared.holder.clone()).await?;
            self.shared.node.store(node, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Gives the node number back.
    pub async fn release(&self, index: &Index) -> Result<(), Error> {
        self.set_lease(index, 0).await.map(|_| ())
    }

    /// Whether no other process holds a lease on this database.
    pub async fn is_alone(&self, index: &Index) -> Result<bool, Error> {
        let node = self.shared.node.load(Ordering::Relaxed);
        let sql = "SELECT COUNT(*) AS others FROM node WHERE id <> $1 AND lease_until > $2";
        let row = index.query_opt(sql, params![node, now_ms()]).await?.ok_or(Error::Damaged("node"))?;
        Ok(row.int("others")? == 0)
    }

    /// `false` when the number is no longer ours.
    async fn set_lease(&self, index: &Index, until: i64) -> Result<bool, Error> {
        let node = self.shared.node.load(Ordering::Relaxed);
        let holder = self.shared.holder.text();
        index
            .write(move |tx| {
                Box::pin(async move {
                    let sql = "UPDATE node SET lease_until = $1 WHERE id = $2 AND holder = $3";
                    Ok(tx.execute(sql, params![until, node, holder]).await? == 1)
                })
            })
            .await
    }

    /// The next id. Never goes back, also when the clock does.
    pub fn next(&self) -> i64 {
        let fresh = (now_ms() - EPOCH_MS) << 12;
        let mut last = self.shared.last.load(Ordering::Relaxed);
        loop {
            let tick = fresh.max(last + 1);
            match self.shared.last.compare_exchange_weak(last, tick, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    // A tick is milliseconds and counter; a counter that overflows borrows from the next millisecond.
                    let node = self.shared.node.load(Ordering::Relaxed);
                    return ((tick >> 12) << 22) | (node << 12) | (tick & 0xFFF);
                }
                Err(seen) => last = seen,
            }
        }
    }
}

/// A process renews every [`RENEW`], so it has died before the renewal that is missing.
async fn crashed(index: &Index, holder: &Holder) -> Result<Option<std::ops::Range<i64>>, Error> {
    let sql = "SELECT holder, lease_until, leased_at FROM node WHERE lease_until > 0";
    let mut lived: Option<std::ops::Range<i64>> = None;
    for row in index.query(sql, Vec::new()).await? {
        let until = row.int("lease_until")?;
        if until <= now_ms() || holder.knows_gone(&row.text("holder")?) {
            let died_before = until - LEASE.as_millis() as i64 + RENEW.as_millis() as i64 + SLACK_MS;
            // Whatever comes from now on is our own, also when that process died a moment ago.
            let end = died_before.min(now_ms());
            let start = row.int("leased_at")?;
            lived = Some(lived.map_or(start..end, |other| other.start.min(start)..other.end.max(end)));
        }
    }
    Ok(lived)
}

async fn take_number(index: &Index, holder: Holder) -> Result<i64, Error> {
    let now = now_ms();
    let until = now + LEASE.as_millis() as i64;
    index
        .write(move |tx| {
            Box::pin(async move {
                let held = held_numbers(tx, &holder, now).await?;
                for node in (0..NODES).filter(|n| !held.contains(n)) {
                    // The condition keeps out another process that took the number since the read.
                    let sql = "INSERT INTO node (id, holder, lease_until, leased_at) VALUES ($1, $2, $3, $4) \
                               ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, leased_at = excluded.leased_at, \
                               lease_until = excluded.lease_until WHERE node.lease_until <= $5";
                    if tx.execute(sql, params![node, holder.text(), until, now, now]).await? == 1 {
                        return Ok(node);
                    }
                }
                Err(Error::NoFreeNode)
            })
        })
        .await
}

async fn held_numbers(tx: &mut Tx, holder: &Holder, now: i64) -> Result<Vec<i64>, Error> {
    let taken = tx.query("SELECT id, holder, lease_until FROM node ORDER BY id", Vec::new()).await?;
    let mut held = Vec::with_capacity(taken.len());
    for row in taken {
        let id = row.int("id")?;
        if row.int("lease_until")? <= now {
            continue;
        }
        if holder.knows_gone(&row.text("holder")?) {
            tx.execute("UPDATE node SET lease_until = 0 WHERE id = $1", params![id]).await?;
        } else {
            held.push(id);
        }
    }
    Ok(held)
}

/// Who holds a lease: host, process, and a mark of this start and this lease.
#[derive(Debug, Clone)]
struct Holder {
    host: String,
    process: u32,
    lease: String,
}

impl Holder {
    fn here() -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("COMPUTERNAME"));
        let host = name.map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned());
        Self { host, process: std::process::id(), lease: uuid::Uuid::new_v4().simple().to_string() }
    }

    fn text(&self) -> String {
        format!("{}/{}/{}/{}", self.host, self.process, start_mark(), self.lease)
    }

    /// Whether another holder was a process of this host that has ended. What cannot be told counts as alive.
    fn knows_gone(&self, other: &str) -> bool {
        let mut parts = other.rsplitn(4, '/');
        let (Some(_lease), Some(mark), Some(process), Some(host)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        let Ok(process) = process.parse::<u32>() else { return false };
        let processes = Path::new("/proc");
        // Our number with another mark: an earlier start of a container, where process numbers begin anew.
        let earlier_self = process == self.process && mark != start_mark();
        host == self.host && processes.is_dir() && (earlier_self || !processes.join(process.to_string()).exists())
    }
}

/// Tells this start of the program from an earlier one with the same process number.
fn start_mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| uuid::Uuid::new_v4().simple().to_string())
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}
