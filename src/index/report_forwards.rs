//! Which reports are to be told to which upstream archive (D-I19, ADR 6).
//!
//! What changes is known from the change feed. Each upstream has a cursor in it; [`take_in`] walks on from there and has one
//! row of `report_forward` for each report that changed wait. A row names the position of the change that it is about, so that
//! another change which comes while the report is on its way is not taken for told; and the hashes of what the upstream took
//! last, so that a change which is none for the upstream (a file stamped anew) is not told at all.

use super::record_columns::record_of;
use super::report_changes::Subject;
use super::{Error, Index, Row, Select, Tx, Value};
use crate::domain::exam_report::ExamReport;
use crate::domain::lab_report::{LabItem, LabReport};
use crate::params;

/// Positions of the feed that are walked in one transaction.
const WALK: i64 = 2000;

/// What an upstream knows of a report: hashes, empty for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Of the record.
    pub record: String,
    /// Of the file.
    pub file: String,
}

/// A report that an upstream may not have as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportForward {
    /// Its row.
    pub report_pk: i64,
    /// Its table.
    pub subject: Subject,
    /// Its newest change when it was looked at.
    pub position: i64,
    /// Failed attempts so far.
    pub attempts: i64,
    /// What the upstream took last.
    pub told: Told,
}

/// What became of a report on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportForwardEnd {
    /// The upstream has it: this.
    Taken(Told),
    /// It is sent again.
    Later {
        /// When, milliseconds since 1970 UTC.
        due_at: i64,
        /// Failed attempts so far.
        attempts: i64,
        /// Why it did not work out.
        reason: String,
    },
    /// The upstream does not take it; an operator has to look.
    Parked {
        /// Failed attempts so far.
        attempts: i64,
        /// Why.
        reason: String,
    },
}

/// A report that an upstream does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedReport {
    /// Its table.
    pub subject: Subject,
    /// Whose it is.
    pub org_code: String,
    /// Its number.
    pub report_form_no: String,
    /// Why.
    pub reason: String,
}

/// Whether an upstream follows the feed already.
pub async fn has_begun(index: &Index, upstream: &str) -> Result<bool, Error> {
    let sql = "SELECT position FROM report_forward_cursor WHERE upstream = $1";
    Ok(index.query_opt(sql, params![upstream]).await?.is_some())
}

/// Lets an upstream follow the feed from a position on; one that follows it already stays where it is.
pub async fn begin(index: &Index, upstream: &str, position: i64) -> Result<(), Error> {
    let sql =
        "INSERT INTO report_forward_cursor (upstream, position) VALUES ($1, $2) ON CONFLICT (upstream) DO NOTHING";
    let values = params![upstream, position];
    index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await.map(|_| ()) })).await
}

/// Lets an upstream follow the feed from its beginning, as if it had been told nothing.
pub async fn begin_anew(index: &Index, upstream: &str) -> Result<(), Error> {
    let sql = "UPDATE report_forward SET told_record = '', told_file = '' \
               WHERE report_pk > $1 AND report_pk <= $2 AND upstream = $3";
    walk(index, upstream, sql).await?;
    let sql = "INSERT INTO report_forward_cursor (upstream, position) VALUES ($1, 0) \
               ON CONFLICT (upstream) DO UPDATE SET position = 0";
    let values = params![upstream];
    index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await.map(|_| ()) })).await
}

/// Whether the feed has positions beyond the upstream's cursor.
pub async fn is_behind(index: &Index, upstream: &str) -> Result<bool, Error> {
    let sql = "SELECT c.position FROM report_forward_cursor c JOIN report_feed f ON f.id = 1 \
               WHERE c.upstream = $1 AND c.position < f.position";
    Ok(index.query_opt(sql, params![upstream]).await?.is_some())
}

/// Walks on through the feed, a part of it, and notes the reports whose content or file has changed.
pub async fn take_in(
    index: &Index,
    upstream: &str,
    organizations: &[String],
    now: i64,
    due_at: i64,
) -> Result<(), Error> {
    let (upstream, organizations) = (upstream.to_owned(), organizations.to_vec());
    index.write(move |tx| Box::pin(async move { take_in_part(tx, &upstream, &organizations, now, due_at).await })).await
}

async fn take_in_part(
    tx: &mut Tx,
    upstream: &str,
    organizations: &[String],
    now: i64,
    due_at: i64,
) -> Result<(), Error> {
    // Changing the row locks it: of two processes the second one goes on where the first one was.
    let sql = "UPDATE report_forward_cursor SET position = position WHERE upstream = $1 RETURNING position";
    let Some(cursor) = tx.query_opt(sql, params![upstream]).await? else { return Ok(()) };
    let from = cursor.int("position")?;
    // Read before the entries: all positions up to it can be seen (ADR 4).
    let feed = tx.query_opt("SELECT position FROM report_feed WHERE id = 1", Vec::new()).await?;
    let head = feed.ok_or(Error::Damaged("report_feed"))?.int("position")?;
    let to = head.min(from.saturating_add(WALK));
    if to <= from {
        return Ok(());
    }
    let mut insert = Select::new(
        "INSERT INTO report_forward (report_pk, upstream, subject, position, state, attempts, due_at, changed_at, reason, \
         told_record, told_file) ",
    );
    insert.push(
        "SELECT report_pk, ?, subject, MAX(position), 0, 0, ?, ?, '', '', '' FROM report_change \
         WHERE position > ? AND position <= ? AND aspect IN ('report', 'file')",
        params![upstream, due_at, now, from, to],
    );
    if !organizations.is_empty() {
        insert.push_in(" AND org_code", organizations.iter().map(Value::from).collect());
    }
    // What was parked is tried again: a change is how a hospital mends it.
    insert.push(
        " GROUP BY report_pk, subject ON CONFLICT (report_pk, upstream) DO UPDATE SET position = excluded.position, \
         state = 0, attempts = 0, due_at = excluded.due_at, changed_at = excluded.changed_at, reason = ''",
        Vec::new(),
    );
    tx.execute(insert.sql(), insert.values()).await?;
    let sql = "UPDATE report_forward_cursor SET position = $1 WHERE upstream = $2";
    tx.execute(sql, params![to, upstream]).await.map(|_| ())
}

/// Reports that may be sent now, in the order of their changes.
pub async fn next(index: &Index, upstream: &str, now: i64, limit: u32) -> Result<Vec<ReportForward>, Error> {
    let sql = "SELECT report_pk, subject, position, attempts, told_record, told_file FROM report_forward \
               WHERE state = 0 AND upstream = $1 AND due_at <= $2 ORDER BY position LIMIT $3";
    let rows = index.query(sql, params![upstream, now, limit]).await?;
    let forward = |row: &Row| {
        Ok(ReportForward {
            report_pk: row.int("report_pk")?,
            subject: subject_of(row)?,
            position: row.int("position")?,
            attempts: row.int("attempts")?,
            told: Told { record: row.text("told_record")?, file: row.text("told_file")? },
        })
    };
    rows.iter().map(forward).collect()
}

/// Writes down what became of a report, unless it has changed since it was looked at.
pub async fn settle(
    index: &Index,
    upstream: &str,
    now: i64,
    one: &ReportForward,
    end: ReportForwardEnd,
) -> Result<(), Error> {
    let update = "UPDATE report_forward SET state = $1, due_at = $2, attempts = $3, reason = $4, changed_at = $5 \
                  WHERE report_pk = $6 AND upstream = $7 AND position = $8";
    let (report_pk, position) = (one.report_pk, one.position);
    let (sql, values) = match end {
        ReportForwardEnd::Taken(Told { record, file }) => (
            "UPDATE report_forward SET state = 1, due_at = 0, attempts = 0, reason = '', changed_at = $1, told_record = $2, \
             told_file = $3 WHERE report_pk = $4 AND upstream = $5 AND position = $6",
            params![now, record, file, report_pk, upstream, position],
        ),
        ReportForwardEnd::Later { due_at, attempts, reason } => {
            (update, params![0_i64, due_at, attempts, reason, now, report_pk, upstream, position])
        }
        ReportForwardEnd::Parked { attempts, reason } => {
            (update, params![3_i64, 0_i64, attempts, reason, now, report_pk, upstream, position])
        }
    };
    index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await.map(|_| ()) })).await
}

/// How many reports wait for an upstream.
pub async fn count_waiting(index: &Index, upstream: &str) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) AS n FROM report_forward WHERE state = 0 AND upstream = $1";
    index.query_opt(sql, params![upstream]).await?.map_or(Ok(0), |row| row.int("n"))
}

/// How many reports an upstream does not take.
pub async fn count_parked(index: &Index, upstream: &str) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) AS n FROM report_forward WHERE state = 3 AND upstream = $1";
    index.query_opt(sql, params![upstream]).await?.map_or(Ok(0), |row| row.int("n"))
}

/// The parked reports, those that were parked last first.
pub async fn parked(index: &Index, upstream: &str, limit: u32) -> Result<Vec<ParkedReport>, Error> {
    let sql = "SELECT f.subject, f.reason, COALESCE(e.org_code, l.org_code, '') AS org_code, \
               COALESCE(e.report_form_no, l.report_form_no, '') AS report_form_no FROM report_forward f \
               LEFT JOIN exam_report e ON e.id = f.report_pk AND f.subject = 'exam' \
               LEFT JOIN lab_report l ON l.id = f.report_pk AND f.subject = 'lab' \
               WHERE f.state = 3 AND f.upstream = $1 ORDER BY f.changed_at DESC, f.position DESC LIMIT $2";
    let rows = index.query(sql, params![upstream, limit]).await?;
    let parked = |row: &Row| {
        Ok(ParkedReport {
            subject: subject_of(row)?,
            org_code: row.text("org_code")?,
            report_form_no: row.text("report_form_no")?,
            reason: row.text("reason")?,
        })
    };
    rows.iter().map(parked).collect()
}

/// Lets parked reports wait again with fresh attempts, and those that wait for their next attempt go at once.
pub async fn retry(index: &Index, upstream: &str, now: i64) -> Result<u64, Error> {
    let mut all = 0;
    // In parts, because nobody else writes to an embedded database meanwhile.
    for sql in [
        "UPDATE report_forward SET state = 0, attempts = 0, due_at = $1, changed_at = $2 WHERE upstream = $3 AND report_pk IN \
         (SELECT report_pk FROM report_forward WHERE state = 3 AND upstream = $4 AND due_at < $5 LIMIT 2000)",
        "UPDATE report_forward SET attempts = 0, due_at = $1, changed_at = $2 WHERE upstream = $3 AND report_pk IN \
         (SELECT report_pk FROM report_forward WHERE state = 0 AND upstream = $4 AND due_at > $5 LIMIT 2000)",
    ] {
        loop {
            let values = params![now, now, upstream, upstream, now];
            let changed: Result<u64, Error> =
                index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await })).await;
            match changed? {
                0 => break,
                some => all += some,
            }
        }
    }
    Ok(all)
}

/// Forgets an upstream: its cursor, and how reports stand with it; gives how many had not been taken.
pub async fn forget(index: &Index, upstream: &str) -> Result<i64, Error> {
    let left = count_waiting(index, upstream).await? + count_parked(index, upstream).await?;
    let (sql, values) = ("DELETE FROM report_forward_cursor WHERE upstream = $1", params![upstream]);
    let forgotten: Result<u64, Error> =
        index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await })).await;
    forgotten?;
    walk(index, upstream, "DELETE FROM report_forward WHERE report_pk > $1 AND report_pk <= $2 AND upstream = $3")
        .await?;
    Ok(left)
}

/// Runs a statement over all rows in parts: from a report to another one, of one upstream.
async fn walk(index: &Index, upstream: &str, sql: &'static str) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let next = "SELECT report_pk FROM report_forward WHERE report_pk > $1 ORDER BY report_pk LIMIT 2000";
        let rows = index.query(next, params![after]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        let last = last.int("report_pk")?;
        let values = params![after, last, upstream];
        let done: Result<u64, Error> =
            index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await })).await;
        done?;
        after = last;
    }
}

/// An exam report as it stands.
pub async fn exam(index: &Index, report_pk: i64) -> Result<Option<ExamReport>, Error> {
    let row = index.query_opt("SELECT * FROM exam_report WHERE id = $1", params![report_pk]).await?;
    row.as_ref().map(record_of).transpose()
}

/// A lab report as it stands, with all its lines: the withdrawn ones say so themselves.
pub async fn lab(index: &Index, report_pk: i64) -> Result<Option<(LabReport, Vec<LabItem>)>, Error> {
    let row = index.query_opt("SELECT * FROM lab_report WHERE id = $1", params![report_pk]).await?;
    let Some(row) = row else { return Ok(None) };
    let lines = index.query("SELECT * FROM lab_item WHERE lab_report_pk = $1 ORDER BY id", params![report_pk]).await?;
    let items = lines.iter().map(record_of).collect::<Result<Vec<LabItem>, Error>>()?;
    Ok(Some((record_of(&row)?, items)))
}

fn subject_of(row: &Row) -> Result<Subject, Error> {
    let subject = row.text("subject")?;
    Subject::ALL.into_iter().find(|known| known.as_str() == subject).ok_or(Error::Damaged("report_forward"))
}
