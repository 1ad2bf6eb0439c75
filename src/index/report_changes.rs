//! The change feed: every change of a report has a position, and positions become visible in their order.
//!
//! A change is written twice. [`record`] puts it among the waiting ones, in the transaction that makes it: a plain insert
//! that waits for nobody. [`sequence`] takes waiting changes that have been committed and gives them the next positions,
//! holding the one row of `report_feed` until its commit: so no position ever appears below one that a follower has
//! seen. Each aspect of a report has one entry, which moves up when it changes again, so the feed is bounded by the
//! number of reports.

use std::collections::HashMap;

use super::lab_reports::vip_patient;
use super::{Error, Ids, Index, Row, Select, Tx, Value};
use crate::domain::sharing::Sharing;
use crate::params;

/// Which table a report is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// An exam report.
    Exam,
    /// A lab report.
    Lab,
}

impl Subject {
    /// Both.
    pub const ALL: [Subject; 2] = [Subject::Exam, Subject::Lab];

    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Subject::Exam => "exam",
            Subject::Lab => "lab",
        }
    }
}

/// What of a report has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aspect {
    /// Its content, lines included, or whether it is withdrawn.
    Report,
    /// Its file.
    File,
    /// Which images are linked to it.
    Images,
    /// Which attachments belong to it.
    Attachments,
    /// Whether others recognised its images and data.
    Recognition,
    /// Which person its patient is.
    Person,
    /// What a newer server beside this one calls so.
    Other(String),
}

impl Aspect {
    const ALL: [Aspect; 6] =
        [Aspect::Report, Aspect::File, Aspect::Images, Aspect::Attachments, Aspect::Recognition, Aspect::Person];

    /// The word kept in the table.
    pub fn as_str(&self) -> &str {
        match self {
            Aspect::Report => "report",
            Aspect::File => "file",
            Aspect::Images => "images",
            Aspect::Attachments => "attachments",
            Aspect::Recognition => "recognition",
            Aspect::Person => "person",
            Aspect::Other(word) => word,
        }
    }

    fn read(word: String) -> Self {
        Self::ALL.into_iter().find(|aspect| aspect.as_str() == word).unwrap_or(Aspect::Other(word))
    }
}

/// One change, in the transaction that makes it.
#[derive(Debug, Clone)]
pub struct Change<'c> {
    /// The report's row.
    pub report_pk: i64,
    /// Its table.
    pub subject: Subject,
    /// What of it.
    pub aspect: Aspect,
    /// Whose it is.
    pub org_code: &'c str,
    /// With whom the report is shared from now on; of no meaning for files and images.
    pub sharing: Sharing,
}

/// Notes a change; followers see it after the transaction's commit.
pub async fn record(tx: &mut Tx, ids: &Ids, now: i64, change: Change<'_>) -> Result<(), Error> {
    let sql = "INSERT INTO report_change_waiting (id, report_pk, subject, aspect, org_code, sharing, changed_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Change { report_pk, subject, aspect, org_code, sharing } = change;
    let values = params![ids.next(), report_pk, subject.as_str(), aspect.as_str(), org_code, sharing.number(), now];
    tx.post(sql, values).await
}

/// Notes that a lab report or one of its lines has changed.
pub async fn lab_changed(tx: &mut Tx, ids: &Ids, now: i64, lab_report_pk: i64) -> Result<(), Error> {
    let sql = concat!(
        "INSERT INTO report_change_waiting (id, report_pk, subject, aspect, org_code, sharing, changed_at) \
         SELECT $1, id, 'lab', 'report', org_code, CASE WHEN withdrawn = 1 THEN 0 WHEN ",
        vip_patient!("lab_report"),
        " THEN 1 ELSE 2 END, $2 FROM lab_report WHERE id = $3"
    );
    tx.execute(sql, params![ids.next(), now, lab_report_pk]).await.map(|_| ())
}

/// Notes that a patient has become a VIP or is none any more, which decides with whom the lab reports are shared (D-R22).
pub async fn vip_changed(tx: &mut Tx, ids: &Ids, now: i64, org_code: &str, patient_id: &str) -> Result<(), Error> {
    let sql = concat!(
        "SELECT id, CAST(CASE WHEN ",
        vip_patient!("lab_report"),
        " THEN 1 ELSE 0 END AS BIGINT) AS vip FROM lab_report WHERE org_code = $1 AND patient_id = $2 AND withdrawn = 0"
    );
    for row in tx.query(sql, params![org_code, patient_id]).await? {
        let sharing = if row.flag("vip")? { Sharing::Privileged } else { Sharing::Everyone };
        let (report_pk, subject, aspect) = (row.int("id")?, Subject::Lab, Aspect::Report);
        record(tx, ids, now, Change { report_pk, subject, aspect, org_code, sharing }).await?;
    }
    Ok(())
}

/// Notes that other images are linked to an exam report.
pub async fn images_linked(tx: &mut Tx, ids: &Ids, now: i64, org_code: &str, exam_report_pk: i64) -> Result<(), Error> {
    let sharing = Sharing::Nobody;
    let (subject, aspect) = (Subject::Exam, Aspect::Images);
    record(tx, ids, now, Change { report_pk: exam_report_pk, subject, aspect, org_code, sharing }).await
}

/// Notes that an exam report has got or lost an attachment.
pub async fn attachments_linked(
    tx: &mut Tx,
    ids: &Ids,
    now: i64,
    org_code: &str,
    exam_report_pk: i64,
) -> Result<(), Error> {
    let (subject, aspect, sharing) = (Subject::Exam, Aspect::Attachments, Sharing::Nobody);
    record(tx, ids, now, Change { report_pk: exam_report_pk, subject, aspect, org_code, sharing }).await
}

/// Notes that a report has another file: an exam report's that was fetched or stamped anew, a lab report's that was composed.
pub async fn file_stored(
    tx: &mut Tx,
    id: i64,
    now: i64,
    org_code: &str,
    (subject, report_pk): (Subject, i64),
) -> Result<(), Error> {
    let sql = "INSERT INTO report_change_waiting (id, report_pk, subject, aspect, org_code, sharing, changed_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = params![id, report_pk, subject.as_str(), "file", org_code, 0, now];
    tx.post(sql, values).await
}

/// Notes that an organisation's patient is another person now, for all reports of that patient.
pub async fn person_changed(tx: &mut Tx, ids: &Ids, now: i64, org_code: &str, patient_id: &str) -> Result<(), Error> {
    for (subject, sql) in [
        (Subject::Exam, "SELECT id FROM exam_report WHERE org_code = $1 AND patient_id = $2 AND withdrawn = 0"),
        (Subject::Lab, "SELECT id FROM lab_report WHERE org_code = $1 AND patient_id = $2 AND withdrawn = 0"),
    ] {
        for row in tx.query(sql, params![org_code, patient_id]).await? {
            let (aspect, sharing) = (Aspect::Person, Sharing::Nobody);
            record(tx, ids, now, Change { report_pk: row.int("id")?, subject, aspect, org_code, sharing }).await?;
        }
    }
    Ok(())
}

/// One entry of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: i64,
    /// The report's row.
    pub report_pk: i64,
    /// Its table.
    pub subject: Subject,
    /// What of it has changed.
    pub aspect: Aspect,
    /// Whose it is.
    pub org_code: String,
    /// The widest sharing that the report ever had.
    pub widest: Sharing,
    /// When it changed.
    pub changed_at: i64,
}

/// Whether changes wait for their positions.
pub async fn is_waiting(index: &Index) -> Result<bool, Error> {
    Ok(index.query_opt("SELECT id FROM report_change_waiting LIMIT 1", Vec::new()).await?.is_some())
}

/// Gives up to `limit` waiting changes their positions, and tells how many it took.
pub async fn sequence(index: &Index, limit: u32) -> Result<usize, Error> {
    index.write(move |tx| Box::pin(sequence_in(tx, limit))).await
}

/// The last position that was given, which nobody moves before our commit: changing the row locks it, and on PostgreSQL
/// whoever comes next waits here.
async fn locked_head(tx: &mut Tx) -> Result<i64, Error> {
    let sql = "UPDATE report_feed SET position = position WHERE id = 1 RETURNING position";
    tx.query_opt(sql, Vec::new()).await?.ok_or(Error::Damaged("report_feed"))?.int("position")
}

/// A waiting change in the words of whoever wrote it: a newer server beside this one may have some that are not known here,
/// and its changes get their positions all the same.
struct Waiting {
    report_pk: i64,
    subject: String,
    aspect: String,
    org_code: String,
    sharing: i64,
    changed_at: i64,
}

impl Waiting {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            report_pk: row.int("report_pk")?,
            subject: row.text("subject")?,
            aspect: row.text("aspect")?,
            org_code: row.text("org_code")?,
            sharing: row.int("sharing")?,
            changed_at: row.int("changed_at")?,
        })
    }
}

async fn sequence_in(tx: &mut Tx, limit: u32) -> Result<usize, Error> {
    let mut position = locked_head(tx).await?;
    let sql = "SELECT id, report_pk, subject, aspect, org_code, sharing, changed_at FROM report_change_waiting \
               ORDER BY id LIMIT $1";
    let waiting = tx.query(sql, params![limit]).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let mut ids = Vec::with_capacity(waiting.len());
    // A report that changed several times gets one position, the last one's.
    let mut newest: HashMap<(i64, String), (usize, Waiting)> = HashMap::with_capacity(waiting.len());
    for (at, row) in waiting.iter().enumerate() {
        ids.push(Value::from(row.int("id")?));
        let mut change = Waiting::read(row)?;
        let key = (change.report_pk, change.aspect.clone());
        if let Some((_, earlier)) = newest.get(&key) {
            change.sharing = change.sharing.max(earlier.sharing);
            change.changed_at = change.changed_at.max(earlier.changed_at);
        }
        newest.insert(key, (at, change));
    }
    let mut changes: Vec<(usize, Waiting)> = newest.into_values().collect();
    changes.sort_unstable_by_key(|(at, _)| *at);
    let mut insert = Select::new(
        "INSERT INTO report_change (report_pk, aspect, subject, org_code, position, sharing, changed_at) VALUES ",
    );
    for (n, (_, change)) in changes.iter().enumerate() {
        position += 1;
        let piece = if n == 0 { "(?, ?, ?, ?, ?, ?, ?)" } else { ", (?, ?, ?, ?, ?, ?, ?)" };
        let Waiting { report_pk, subject, aspect, org_code, sharing, changed_at } = change;
        insert.push(piece, params![*report_pk, aspect, subject, org_code, position, *sharing, *changed_at]);
    }
    insert.push(
        " ON CONFLICT (report_pk, aspect) DO UPDATE SET position = excluded.position, changed_at = excluded.changed_at, \
         sharing = CASE WHEN excluded.sharing > report_change.sharing THEN excluded.sharing \
         ELSE report_change.sharing END",
        Vec::new(),
    );
    tx.execute(insert.sql(), insert.values()).await?;
    // Exactly those that were read: others may have been committed meanwhile.
    let mut delete = Select::new("DELETE FROM report_change_waiting WHERE id");
    let taken = ids.len();
    delete.push_in("", ids);
    tx.execute(delete.sql(), delete.values()).await?;
    tx.execute("UPDATE report_feed SET position = $1 WHERE id = 1", params![position]).await?;
    Ok(taken)
}

/// The last position that was given.
pub async fn head(index: &Index) -> Result<i64, Error> {
    let row = index.query_opt("SELECT position FROM report_feed WHERE id = 1", Vec::new()).await?;
    row.ok_or(Error::Damaged("report_feed"))?.int("position")
}

/// A part of the feed's history: positions above `from` belong to it, up to where the next epoch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// A number that no other history has.
    pub id: i64,
    /// The last position before it.
    pub from: i64,
}

/// Epochs that are kept. A follower that has missed as many starts of servers begins anew.
const MOST_EPOCHS: i64 = 1000;

/// Begins another epoch at the newest position: nobody knows whether the database is a copy that was put back, but the
/// positions from here on are this copy's alone.
pub async fn begin_epoch(index: &Index, id: i64) -> Result<(), Error> {
    index.write(move |tx| Box::pin(begin_epoch_in(tx, id))).await
}

async fn begin_epoch_in(tx: &mut Tx, id: i64) -> Result<(), Error> {
    let head = locked_head(tx).await?;
    // Of an epoch that gave no position nobody has a cursor.
    tx.execute("DELETE FROM feed_epoch WHERE from_position >= $1", params![head]).await?;
    let sql = "DELETE FROM feed_epoch WHERE from_position < \
               (SELECT from_position FROM feed_epoch ORDER BY from_position DESC LIMIT 1 OFFSET $1)";
    tx.execute(sql, params![MOST_EPOCHS - 2]).await?;
    // Positions that were given before there were epochs belong to the first one.
    let sql = "INSERT INTO feed_epoch (from_position, epoch) \
               SELECT CASE WHEN EXISTS (SELECT 1 FROM feed_epoch) THEN $1 ELSE 0 END, $2";
    tx.execute(sql, params![head, id]).await.map(|_| ())
}

/// The epoch of a position and all that begin after it, in order; the first may be missing.
pub async fn epochs_from(index: &Index, position: i64) -> Result<Vec<Epoch>, Error> {
    let sql = "SELECT epoch, from_position FROM feed_epoch WHERE from_position >= \
               COALESCE((SELECT MAX(from_position) FROM feed_epoch WHERE from_position < $1), $2) \
               ORDER BY from_position";
    let rows = index.query(sql, params![position, position]).await?;
    rows.iter().map(|row| Ok(Epoch { id: row.int("epoch")?, from: row.int("from_position")? })).collect()
}

/// Entries above a position and not above `head`, in order.
pub async fn after(
    index: &Index,
    position: i64,
    head: i64,
    organizations: Option<&[String]>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let mut select = Select::new(
        "SELECT position, report_pk, subject, aspect, org_code, sharing, changed_at FROM report_change WHERE 1 = 1",
    );
    select.push(" AND position > ? AND position <= ?", params![position, head]);
    if let Some(organizations) = organizations {
        select.push_in(" AND org_code", organizations.iter().map(Value::from).collect());
    }
    select.push(" ORDER BY position LIMIT ?", params![limit]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(entry_of).collect()
}

fn entry_of(row: &Row) -> Result<Entry, Error> {
    let subject = row.text("subject")?;
    Ok(Entry {
        position: row.int("position")?,
        report_pk: row.int("report_pk")?,
        // Passing over a report of a kind that is not known here would lose it for the follower: better no answer.
        subject: Subject::ALL.into_iter().find(|s| s.as_str() == subject).ok_or(Error::Damaged("report_change"))?,
        aspect: Aspect::read(row.text("aspect")?),
        org_code: row.text("org_code")?,
        widest: Sharing::from_number(row.int("sharing")?),
        changed_at: row.int("changed_at")?,
    })
}
