//! What is to be forwarded to which upstream archive, and how far each instance is (D-I19, RD-4, RD-8).
//!
//! One small row for each instance and upstream, written in the transaction that indexes the instance. Only rows that
//! wait for something are in an index, so work is found at once among millions of rows that are done.

use super::{Error, Index, Row, Select, Tx};
use crate::domain::place::Place;
use crate::params;

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardState {
    /// It has to be sent.
    Waiting,
    /// The upstream has answered with success; that is no promise to keep it.
    Sent,
    /// The upstream has confirmed that it keeps it.
    Confirmed,
    /// The upstream does not take it; an operator has to look.
    Parked,
    /// Confirmed, and its bytes have been removed here.
    Purged,
}

impl ForwardState {
    /// Every state.
    pub const ALL: [ForwardState; 5] = [
        ForwardState::Waiting,
        ForwardState::Sent,
        ForwardState::Confirmed,
        ForwardState::Parked,
        ForwardState::Purged,
    ];

    /// The number kept in the table.
    fn code(self) -> i64 {
        match self {
            ForwardState::Waiting => 0,
            ForwardState::Sent => 1,
            ForwardState::Confirmed => 2,
            ForwardState::Parked => 3,
            ForwardState::Purged => 4,
        }
    }

    /// A word for operators and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            ForwardState::Waiting => "waiting",
            ForwardState::Sent => "sent",
            ForwardState::Confirmed => "confirmed",
            ForwardState::Parked => "parked",
            ForwardState::Purged => "purged",
        }
    }
}

/// What can be taken from the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Instances to send.
    Send,
    /// Instances to ask about.
    Confirm,
}

/// An instance on its way upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardInstance {
    /// Its row.
    pub instance_pk: i64,
    /// SOP class.
    pub sop_class_uid: String,
    /// SOP instance.
    pub sop_instance_uid: String,
    /// How its data set is encoded.
    pub transfer_syntax_uid: String,
    /// The Part 10 file.
    pub place: Place,
    /// Where the data set begins in it.
    pub dataset_offset: u64,
    /// Failed attempts so far.
    pub attempts: i64,
    /// When its place in the queue changed last, milliseconds since 1970 UTC.
    pub changed_at: i64,
}

/// Instances of one study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardBatch {
    /// The study's row.
    pub study_pk: i64,
    /// Its UID.
    pub study_instance_uid: String,
    /// The instances, oldest first.
    pub instances: Vec<ForwardInstance>,
}

/// What became of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardResult {
    /// Its row.
    pub instance_pk: i64,
    /// Where it stands now.
    pub state: ForwardState,
    /// When the next step may be taken, milliseconds since 1970 UTC.
    pub due_at: i64,
    /// Failed attempts so far.
    pub attempts: i64,
    /// Why it is not further; empty when all is well.
    pub reason: String,
    /// [`ForwardInstance::changed_at`] of what it became of: when the content has been replaced since, the result is of no use.
    pub taken_from: i64,
}

/// An instance that the upstream does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The upstream.
    pub upstream: String,
    /// SOP instance.
    pub sop_instance_uid: String,
    /// Why.
    pub reason: String,
}

/// An instance whose bytes may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purgeable {
    /// Its row.
    pub instance_pk: i64,
    /// Its study's row.
    pub study_pk: i64,
    /// Where its bytes are.
    pub place: Place,
}

/// Puts an instance in the queue; again changes nothing.
pub async fn enqueue(
    tx: &mut Tx,
    upstream: &str,
    instance_pk: i64,
    study_pk: i64,
    now: i64,
    due_at: i64,
) -> Result<(), Error> {
    let sql = "INSERT INTO forward (instance_pk, upstream, study_pk, state, attempts, due_at, changed_at, reason) \
               VALUES ($1, $2, $3, 0, 0, $4, $5, '') ON CONFLICT (instance_pk, upstream) DO NOTHING";
    tx.execute(sql, params![instance_pk, upstream, study_pk, due_at, now]).await.map(|_| ())
}

/// Has an instance wait again for all its upstreams, because another content is the current one under its UID: what was
/// sent or confirmed was the former.
pub async fn renew(tx: &mut Tx, instance_pk: i64, now: i64) -> Result<(), Error> {
    // Never the time that stands there: results of the former content are known by it.
    let sql = "UPDATE forward SET state = 0, attempts = 0, due_at = $1, reason = '', \
               changed_at = CASE WHEN changed_at < $2 THEN CAST($3 AS BIGINT) ELSE changed_at + 1 END WHERE instance_pk = $4";
    tx.execute(sql, params![now, now, now, instance_pk]).await.map(|_| ())
}

/// Puts instances that are there already in the queue, those after a row id; gives the last one's id, 0 at the end.
pub async fn enqueue_existing(
    index: &Index,
    upstream: &str,
    organizations: &[String],
    after: i64,
    now: i64,
) -> Result<(i64, u64), Error> {
    const AT_ONCE: i64 = 1000;
    let sql = "SELECT i.id, i.org_code, s.study_pk FROM instance i JOIN series s ON s.id = i.series_pk \
               WHERE i.id > $1 AND i.offline_at IS NULL ORDER BY i.id LIMIT $2";
    let rows = index.query(sql, params![after, AT_ONCE]).await?;
    let mut last = 0;
    let mut chosen = Vec::new();
    for row in rows {
        last = row.int("id")?;
        let org_code = row.text("org_code")?;
        if organizations.is_empty() || organizations.contains(&org_code) {
            chosen.push((last, row.int("study_pk")?));
        }
    }
    let (upstream, count) = (upstream.to_owned(), chosen.len() as u64);
    index
        .write(move |tx| {
            Box::pin(async move {
                for (instance_pk, study_pk) in chosen {
                    enqueue(tx, &upstream, instance_pk, study_pk, now, now).await?;
                }
                Ok::<_, Error>(())
            })
        })
        .await?;
    Ok((last, count))
}

/// The study that has waited longest for a step, without those in `besides`, with up to `limit` of its instances.
pub async fn next(
    index: &Index,
    upstream: &str,
    step: Step,
    now: i64,
    besides: &[i64],
    limit: u32,
) -> Result<Option<ForwardBatch>, Error> {
    let mut select = Select::new("SELECT study_pk FROM forward WHERE");
    // The states are written out, because only then the small indexes serve.
    match step {
        Step::Send => select.push(" state = 0 AND upstream = ? AND due_at <= ?", params![upstream, now]),
        Step::Confirm => select.push(" state = 1 AND upstream = ? AND due_at <= ?", params![upstream, now]),
    };
    if !besides.is_empty() {
        select.push_in(" AND study_pk NOT", besides.iter().flat_map(|pk| params![*pk]).collect());
    }
    select.push(" ORDER BY due_at LIMIT 1", params![]);
    let Some(row) = index.query_opt(select.sql(), select.values()).await? else { return Ok(None) };
    let study_pk = row.int("study_pk")?;
    let mut select = Select::new(
        "SELECT f.instance_pk, f.attempts, f.changed_at, i.sop_class_uid, i.sop_instance_uid, i.transfer_syntax_uid, i.object_key, \
         i.object_offset, i.object_length, i.dataset_offset, t.study_instance_uid FROM forward f \
         JOIN instance i ON i.id = f.instance_pk JOIN study t ON t.id = f.study_pk WHERE",
    );
    let key = params![upstream, study_pk, now];
    match step {
        Step::Send => select.push(" f.state = 0 AND f.upstream = ? AND f.study_pk = ? AND f.due_at <= ?", key),
        Step::Confirm => select.push(" f.state = 1 AND f.upstream = ? AND f.study_pk = ? AND f.due_at <= ?", key),
    };
    select.push(" ORDER BY f.instance_pk LIMIT ?", params![limit]);
    let rows = index.query(select.sql(), select.values()).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let study_instance_uid = first.text("study_instance_uid")?;
    let instances = rows.iter().map(instance_from).collect::<Result<_, _>>()?;
    Ok(Some(ForwardBatch { study_pk, study_instance_uid, instances }))
}

/// Where an instance's bytes are now; nothing when they have been removed here, or another content has taken their place,
/// which must not be read as if it were this one.
pub async fn place(index: &Index, instance: &ForwardInstance) -> Result<Option<Place>, Error> {
    let sql = "SELECT object_key, object_offset, object_length FROM instance WHERE id = $1 AND offline_at IS NULL \
               AND object_length = $2 AND dataset_offset = $3 AND transfer_syntax_uid = $4";
    let (length, offset) = (instance.place.length as i64, instance.dataset_offset as i64);
    let values = params![instance.instance_pk, length, offset, &instance.transfer_syntax_uid];
    index.query_opt(sql, values).await?.as_ref().map(place_from).transpose()
}

/// Writes down what became of instances.
pub async fn settle(tx: &mut Tx, upstream: &str, now: i64, results: &[ForwardResult]) -> Result<(), Error> {
    // A row that was purged or retried meanwhile stays as it is, and so does one whose content has been replaced.
    let sql = "UPDATE forward SET state = $1, due_at = $2, attempts = $3, reason = $4, changed_at = $5 \
               WHERE instance_pk = $6 AND upstream = $7 AND state < 2 AND changed_at = $8";
    for result in results {
        let values = params![
            result.state.code(),
            result.due_at,
            result.attempts,
            &result.reason,
            now,
            result.instance_pk,
            upstream,
            result.taken_from
        ];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

/// How many instances of an upstream are in a state. Purged ones are not in an index and are counted by walking.
pub async fn count(index: &Index, upstream: &str, state: ForwardState) -> Result<i64, Error> {
    let sql = match state {
        ForwardState::Waiting => "SELECT COUNT(*) AS n FROM forward WHERE state = 0 AND upstream = $1",
        ForwardState::Sent => "SELECT COUNT(*) AS n FROM forward WHERE state = 1 AND upstream = $1",
        ForwardState::Confirmed => "SELECT COUNT(*) AS n FROM forward WHERE state = 2 AND upstream = $1",
        ForwardState::Parked => "SELECT COUNT(*) AS n FROM forward WHERE state = 3 AND upstream = $1",
        ForwardState::Purged => "SELECT COUNT(*) AS n FROM forward WHERE state = 4 AND upstream = $1",
    };
    index.query_opt(sql, params![upstream]).await?.map_or(Ok(0), |row| row.int("n"))
}

/// The parked instances, those that were parked last first.
pub async fn parked(index: &Index, upstream: &str, limit: u32) -> Result<Vec<Parked>, Error> {
    let sql = "SELECT i.sop_instance_uid, f.reason FROM forward f JOIN instance i ON i.id = f.instance_pk \
               WHERE f.state = 3 AND f.upstream = $1 ORDER BY f.changed_at DESC LIMIT $2";
    let rows = index.query(sql, params![upstream, limit]).await?;
    let parked = |row: &Row| {
        Ok(Parked {
            upstream: upstream.to_owned(),
            sop_instance_uid: row.text("sop_instance_uid")?,
            reason: row.text("reason")?,
        })
    };
    rows.iter().map(parked).collect()
}

/// Lets parked instances wait again with fresh attempts, and those that wait for their next attempt go at once.
pub async fn retry(index: &Index, upstream: &str, now: i64) -> Result<u64, Error> {
    let mut all = 0;
    // In parts, because nobody else writes to an embedded database meanwhile.
    for sql in [
        "UPDATE forward SET state = 0, attempts = 0, due_at = $1, changed_at = $2 WHERE upstream = $3 AND instance_pk IN \
         (SELECT instance_pk FROM forward WHERE state = 3 AND upstream = $4 LIMIT 2000)",
        "UPDATE forward SET due_at = $1, changed_at = $2 WHERE upstream = $3 AND instance_pk IN \
         (SELECT instance_pk FROM forward WHERE state = 0 AND upstream = $4 AND due_at > $5 LIMIT 2000)",
    ] {
        loop {
            let mut values = params![now, now, upstream, upstream];
            if sql.contains("$5") {
                values.extend(params![now]);
            }
            let write = index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await }));
            match write.await? {
                0 => break,
                some => all += some,
            }
        }
    }
    Ok(all)
}

/// Takes everything that has not been purged out of the queue of an upstream.
pub async fn forget(index: &Index, upstream: &str) -> Result<u64, Error> {
    let (mut all, mut after) = (0, 0);
    loop {
        let next = "SELECT instance_pk FROM forward WHERE instance_pk > $1 ORDER BY instance_pk LIMIT 2000";
        let rows = index.query(next, params![after]).await?;
        let Some(last) = rows.last() else { return Ok(all) };
        let last = last.int("instance_pk")?;
        let sql = "DELETE FROM forward WHERE instance_pk > $1 AND instance_pk <= $2 AND upstream = $3 AND state < 4";
        let values = params![after, last, upstream];
        let write = index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await }));
        let deleted: u64 = write.await?;
        (all, after) = (all + deleted, last);
    }
}

/// Instances confirmed before a time by one upstream, with no other upstream that still has to confirm them. What
/// the scrub has marked as damaged stays: what was sent may have been damaged too.
pub async fn purgeable(index: &Index, confirmed_before: i64, limit: u32) -> Result<Vec<Purgeable>, Error> {
    let sql = "SELECT f.instance_pk, f.study_pk, i.object_key, i.object_offset, i.object_length FROM forward f \
               JOIN instance i ON i.id = f.instance_pk \
               WHERE f.state = 2 AND f.changed_at <= $1 AND i.offline_at IS NULL AND NOT EXISTS \
               (SELECT 1 FROM forward o WHERE o.instance_pk = f.instance_pk \
               AND (o.state <> 2 OR o.changed_at > $2)) AND NOT EXISTS \
               (SELECT 1 FROM object_damage d WHERE d.subject = 'instance:' || CAST(i.id AS TEXT)) ORDER BY f.changed_at, f.instance_pk LIMIT $3";
    let rows = index.query(sql, params![confirmed_before, confirmed_before, limit]).await?;
    let mut found: Vec<Purgeable> = Vec::with_capacity(rows.len());
    for row in &rows {
        let instance_pk = row.int("instance_pk")?;
        // Two upstreams name the same instance twice.
        if found.iter().any(|one| one.instance_pk == instance_pk) {
            continue;
        }
        found.push(Purgeable { instance_pk, study_pk: row.int("study_pk")?, place: place_from(row)? });
    }
    Ok(found)
}

/// Takes the place out of an instance's row, when it is still the one that was found and every upstream has confirmed.
pub async fn purge(tx: &mut Tx, one: &Purgeable, now: i64) -> Result<bool, Error> {
    let sql = "UPDATE instance SET object_key = '', offline_at = $1 WHERE id = $2 AND object_key = $3 \
               AND object_offset = $4 AND offline_at IS NULL AND NOT EXISTS \
               (SELECT 1 FROM forward o WHERE o.instance_pk = instance.id AND o.state <> 2)";
    let values = params![now, one.instance_pk, &one.place.key, one.place.offset as i64];
    if tx.execute(sql, values).await? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE forward SET state = 4, changed_at = $1 WHERE instance_pk = $2 AND state = 2";
    tx.execute(sql, params![now, one.instance_pk]).await?;
    Ok(true)
}

fn instance_from(row: &Row) -> Result<ForwardInstance, Error> {
    Ok(ForwardInstance {
        instance_pk: row.int("instance_pk")?,
        sop_class_uid: row.text("sop_class_uid")?,
        sop_instance_uid: row.text("sop_instance_uid")?,
        transfer_syntax_uid: row.text("transfer_syntax_uid")?,
        place: place_from(row)?,
        dataset_offset: size(row, "dataset_offset")?,
        attempts: row.int("attempts")?,
        changed_at: row.int("changed_at")?,
    })
}

fn place_from(row: &Row) -> Result<Place, Error> {
    let key = row.text("object_key")?;
    Ok(Place { key, offset: size(row, "object_offset")?, length: size(row, "object_length")? })
}

fn size(row: &Row, column: &'static str) -> Result<u64, Error> {
    u64::try_from(row.int(column)?).map_err(|_| Error::Damaged("instance.object"))
}
