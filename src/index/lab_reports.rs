//! Lab reports and their lines. A line may come before its report, or without it (D-R9, D-R10).

use std::sync::LazyLock;

use super::exam_reports::ReportSearch;
use super::record_columns::{insert_sql, keep_version, record_of, update_sql, values};
use super::{Error, Ids, Index, Row, Select, Tx, Value};
use crate::domain::lab_report::{self, LabField, LabItem, LabItemField, LabReport};
use crate::params;

/// What the archive has worked out about a report, beside its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabFacts {
    /// By which pages name it (D-P20).
    pub observation_uid: String,
    /// Of the fields.
    pub content_hash: String,
    /// Who sent it.
    pub sender: String,
    /// The message that brought it.
    pub message_pk: Option<i64>,
    /// D-R18.
    pub withdrawn: bool,
    /// D-R8.
    pub identity_conflict: bool,
    /// D-Q4.
    pub retrieve_at: String,
    /// D-P8.
    pub observed_at: String,
    /// Codes and fields of what was noted (D-R14).
    pub notes: String,
    /// Seconds from the report's own time to now; absent when it has none.
    pub delay_s: Option<i64>,
}

/// What the archive has worked out about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFacts {
    /// Of the fields.
    pub content_hash: String,
    /// Who sent it.
    pub sender: String,
    /// The message that brought it.
    pub message_pk: Option<i64>,
    /// D-R18.
    pub withdrawn: bool,
    /// Codes and fields of what was noted (D-R14).
    pub notes: String,
}

/// What decides whether a stored line is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownItem {
    /// Its id.
    pub id: i64,
    /// Its number within the report.
    pub serial_no: String,
    /// Of the fields.
    pub content_hash: String,
    /// Its stamp.
    pub last_update_dtime: String,
    /// Whether it is withdrawn.
    pub withdrawn: bool,
    /// Where it is.
    pub place: ItemPlace,
    /// The message that last changed it.
    pub message_pk: Option<i64>,
}

/// The owner of lines that are kept aside; ids are positive.
const ASIDE: i64 = -1;

/// The report a line is shown with, and whether that may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemPlace {
    /// Its report has not come (D-R10).
    Waiting,
    /// The head it came with was rejected: no other head is its own until it is sent again (D-R9).
    Aside,
    /// It came without a head while several could be its own (D-R9).
    Guessed(i64),
    /// It came with this head, or no other could be its own.
    Certain(i64),
}

impl ItemPlace {
    /// The report it is shown with.
    pub fn report(self) -> Option<i64> {
        match self {
            ItemPlace::Waiting | ItemPlace::Aside => None,
            ItemPlace::Guessed(id) | ItemPlace::Certain(id) => Some(id),
        }
    }

    fn owner(self) -> i64 {
        match self {
            ItemPlace::Waiting | ItemPlace::Guessed(_) => 0,
            ItemPlace::Aside => ASIDE,
            ItemPlace::Certain(id) => id,
        }
    }

    fn of(row: &Row) -> Result<Self, Error> {
        let owner = row.int("owner")?;
        Ok(match row.get::<Option<i64>>("lab_report_pk")? {
            None if owner == ASIDE => ItemPlace::Aside,
            None => ItemPlace::Waiting,
            Some(id) if id == owner => ItemPlace::Certain(id),
            Some(id) => ItemPlace::Guessed(id),
        })
    }
}

const OWN: [&str; 11] = [
    "version",
    "updated_at",
    "observation_uid",
    "content_hash",
    "sender",
    "message_pk",
    "withdrawn",
    "retrieve_at",
    "observed_at",
    "notes",
    "delay_s",
];
const ITEM_OWN: [&str; 7] = ["version", "updated_at", "content_hash", "sender", "message_pk", "withdrawn", "notes"];

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let own: Vec<&str> = OWN.into_iter().chain(["identity_conflict", "id", "received_at"]).collect();
    insert_sql::<LabField>("lab_report", &own)
});
static UPDATE: LazyLock<String> = LazyLock::new(|| update_sql::<LabField>("lab_report", &OWN));
static INSERT_ITEM: LazyLock<String> = LazyLock::new(|| {
    let own: Vec<&str> = ITEM_OWN.into_iter().chain(["lab_report_pk", "owner", "id", "received_at"]).collect();
    insert_sql::<LabItemField>("lab_item", &own)
});
static UPDATE_ITEM: LazyLock<String> = LazyLock::new(|| update_sql::<LabItemField>("lab_item", &ITEM_OWN));

fn own_values(version: i64, now: i64, facts: &LabFacts) -> Vec<Value> {
    params![
        version,
        now,
        &facts.observation_uid,
        &facts.content_hash,
        &facts.sender,
        facts.message_pk,
        facts.withdrawn,
        &facts.retrieve_at,
        &facts.observed_at,
        &facts.notes,
        facts.delay_s,
    ]
}

fn item_values(version: i64, now: i64, facts: &ItemFacts) -> Vec<Value> {
    params![version, now, &facts.content_hash, &facts.sender, facts.message_pk, facts.withdrawn, &facts.notes]
}

/// Adds a report as version 1.
pub async fn insert(tx: &mut Tx, id: i64, now: i64, facts: &LabFacts, report: &LabReport) -> Result<(), Error> {
    let mut all = own_values(1, now, facts);
    all.extend(params![facts.identity_conflict, id, now]);
    all.extend(values(report));
    tx.post(INSERT.as_str(), all).await
}

/// Replaces a report, keeps its content so far as a version, and gives that content.
pub async fn replace(
    tx: &mut Tx,
    ids: &Ids,
    id: i64,
    now: i64,
    facts: &LabFacts,
    report: &mut LabReport,
) -> Result<LabReport, Error> {
    let row = tx.query_opt("SELECT * FROM lab_report WHERE id = $1", params![id]).await?;
    let row = row.ok_or(Error::Damaged("lab_report"))?;
    keep_version::<LabField>(tx, ids.next(), "lab", now, id, &row).await?;
    if let Some(created) = row.get::<Option<String>>("create_time")? {
        report.set(LabField::CreateTime, created);
    }
    let mut facts = facts.clone();
    // The delay is that of the first registration of what was reported at that time.
    let former: LabReport = record_of(&row)?;
    if lab_report::reported_at(&former) == lab_report::reported_at(report) {
        facts.delay_s = row.get("delay_s")?;
    }
    let mut all = own_values(row.int("version")? + 1, now, &facts);
    all.extend(values(report));
    all.push(Value::from(id));
    tx.execute(UPDATE.as_str(), all).await?;
    Ok(former)
}

/// Marks a report whose number came for another patient or event as well.
pub async fn mark_identity_conflict(tx: &mut Tx, id: i64) -> Result<(), Error> {
    tx.execute("UPDATE lab_report SET identity_conflict = 1 WHERE id = $1", params![id]).await.map(|_| ())
}

/// The newest report to which lines with these keys can belong, a withdrawn one only if there is no other (D-R9).
pub async fn place_of_items(
    tx: &mut Tx,
    org_code: &str,
    event_no: &str,
    report_form_no: &str,
) -> Result<ItemPlace, Error> {
    let sql = "SELECT id, withdrawn FROM lab_report WHERE org_code = $1 AND event_no = $2 AND report_form_no = $3 \
               ORDER BY withdrawn, updated_at DESC, id DESC LIMIT 2";
    let rows = tx.query(sql, params![org_code, event_no, report_form_no]).await?;
    Ok(match rows.as_slice() {
        [] => ItemPlace::Waiting,
        [first, second] if first.flag("withdrawn")? == second.flag("withdrawn")? => {
            ItemPlace::Guessed(first.int("id")?)
        }
        [first, ..] => ItemPlace::Certain(first.int("id")?),
    })
}

/// Gives lines that wait for a report to it, not those kept aside; the number of lines.
pub async fn adopt_orphans(
    tx: &mut Tx,
    report: i64,
    org_code: &str,
    event_no: &str,
    report_form_no: &str,
) -> Result<u64, Error> {
    // Line and head may have come at the same moment without seeing each other, so that the number is there twice.
    let sql = "UPDATE lab_item SET lab_report_pk = $1, owner = $1 WHERE org_code = $2 AND event_no = $3 \
               AND report_form_no = $4 AND lab_report_pk IS NULL AND owner = 0 AND NOT EXISTS (SELECT 1 FROM lab_item o \
               WHERE o.org_code = lab_item.org_code AND o.event_no = lab_item.event_no \
               AND o.report_form_no = lab_item.report_form_no AND o.serial_no = lab_item.serial_no AND o.owner = $1)";
    tx.execute(sql, params![report, org_code, event_no, report_form_no]).await
}

/// All stored lines with these keys.
pub async fn items(tx: &mut Tx, org_code: &str, event_no: &str, report_form_no: &str) -> Result<Vec<KnownItem>, Error> {
    let sql = "SELECT id, serial_no, content_hash, last_update_dtime, withdrawn, lab_report_pk, owner, message_pk \
               FROM lab_item \
               WHERE org_code = $1 AND event_no = $2 AND report_form_no = $3 ORDER BY id";
    let rows = tx.query(sql, params![org_code, event_no, report_form_no]).await?;
    rows.iter()
        .map(|row| {
            Ok(KnownItem {
                id: row.int("id")?,
                serial_no: row.text("serial_no")?,
                content_hash: row.text("content_hash")?,
                last_update_dtime: row.get::<Option<String>>("last_update_dtime")?.unwrap_or_default(),
                withdrawn: row.flag("withdrawn")?,
                place: ItemPlace::of(row)?,
                message_pk: row.get("message_pk")?,
            })
        })
        .collect()
}

/// Adds a line as version 1.
pub async fn insert_item(
    tx: &mut Tx,
    id: i64,
    place: ItemPlace,
    now: i64,
    facts: &ItemFacts,
    item: &LabItem,
) -> Result<(), Error> {
    let mut all = item_values(1, now, facts);
    all.extend(params![place.report(), place.owner(), id, now]);
    all.extend(values(item));
    tx.post(INSERT_ITEM.as_str(), all).await
}

/// Replaces a line and keeps its content so far as a version.
pub async fn replace_item(
    tx: &mut Tx,
    ids: &Ids,
    id: i64,
    now: i64,
    facts: &ItemFacts,
    item: &mut LabItem,
) -> Result<(), Error> {
    let row = tx.query_opt("SELECT * FROM lab_item WHERE id = $1", params![id]).await?;
    let row = row.ok_or(Error::Damaged("lab_item"))?;
    keep_version::<LabItemField>(tx, ids.next(), "item", now, id, &row).await?;
    if let Some(created) = row.get::<Option<String>>("create_time")? {
        item.set(LabItemField::CreateTime, created);
    }
    let mut all = item_values(row.int("version")? + 1, now, facts);
    all.extend(values(item));
    all.push(Value::from(id));
    tx.execute(UPDATE_ITEM.as_str(), all).await.map(|_| ())
}

/// Moves a line.
pub async fn place_item(tx: &mut Tx, id: i64, place: ItemPlace) -> Result<(), Error> {
    let sql = "UPDATE lab_item SET lab_report_pk = $1, owner = $2 WHERE id = $3";
    tx.execute(sql, params![place.report(), place.owner(), id]).await.map(|_| ())
}

/// How many lines are shown with a report.
pub async fn count_items(tx: &mut Tx, report: i64) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) AS lines FROM lab_item WHERE lab_report_pk = $1 AND withdrawn = 0";
    let row = tx.query_opt(sql, params![report]).await?;
    row.map_or(Ok(0), |row| row.int("lines"))
}

/// Withdraws a line that a newer full set no longer has; its content so far is kept as a version (D-R11).
pub async fn withdraw_item(tx: &mut Tx, ids: &Ids, id: i64, now: i64, message_pk: i64) -> Result<(), Error> {
    let row = tx.query_opt("SELECT * FROM lab_item WHERE id = $1", params![id]).await?;
    let row = row.ok_or(Error::Damaged("lab_item"))?;
    keep_version::<LabItemField>(tx, ids.next(), "item", now, id, &row).await?;
    let sql = "UPDATE lab_item SET withdrawn = 1, data_status = '0', version = version + 1, updated_at = $1, \
               message_pk = $2 WHERE id = $3";
    tx.execute(sql, params![now, message_pk, id]).await.map(|_| ())
}

/// A report that was found, with its lines.
#[derive(Debug, Clone)]
pub struct FoundLab {
    /// Its id.
    pub id: i64,
    /// Its fields.
    pub report: LabReport,
    /// Its lines that are not withdrawn, by number, then by arrival (D-R36).
    pub items: Vec<LabItem>,
    /// The opaque link behind its QR code, if there is one that opens and it was asked for.
    pub link: Option<String>,
}

/// The condition that the patient of a lab report is a VIP. The report itself does not say so: exam reports of the same
/// patient in the same organisation do (D-R22), also one that is withdrawn, until a valid report says otherwise
/// (`exam_reports::lift_withdrawn_vips`). `$lab` is what the statement calls the table.
macro_rules! vip_patient {
    ($lab:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM exam_report v WHERE v.org_code = ",
            $lab,
            ".org_code AND v.patient_id = ",
            $lab,
            ".patient_id AND v.vip = 1)"
        )
    };
}
pub(super) use vip_patient;

/// Narrows a statement about `lab_report` to patients who are none.
pub(super) const NOT_OF_VIPS: &str = concat!(" AND NOT ", vip_patient!("lab_report"));

/// Finds reports that are not withdrawn, newest first.
pub async fn find(index: &Index, search: &ReportSearch) -> Result<Vec<FoundLab>, Error> {
    let mut select = Select::new(
        "SELECT lab_report.*, (SELECT qr_link.id FROM qr_link WHERE qr_link.lab_report_pk = lab_report.id \
         AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ",
    );
    select.push("?)) AS link FROM lab_report WHERE withdrawn = 0", params![search.asked_at]);
    search.narrow(&mut select);
    if !search.confidential {
        select.push(NOT_OF_VIPS, Vec::new());
    }
    search.order(&mut select);
    let rows = index.query(select.sql(), select.values()).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, link) = (row.int("id")?, row.get("link")?);
        found.push(FoundLab { id, report: record_of(row)?, items: Vec::new(), link });
    }
    // SQLite allows 32766 values in a statement; a page of reports asks for its lines in pieces.
    for reports in found.chunks_mut(500) {
        let mut select = Select::new("SELECT * FROM lab_item WHERE withdrawn = 0");
        select.push_in(" AND lab_report_pk", reports.iter().map(|r| Value::from(r.id)).collect());
        select.push(" ORDER BY id", Vec::new());
        for row in index.query(select.sql(), select.values()).await? {
            let owner = row.int("lab_report_pk")?;
            if let Some(report) = reports.iter_mut().find(|r| r.id == owner) {
                report.items.push(record_of(&row)?);
            }
        }
        for report in reports {
            report.items.sort_by_key(|item| by_number(item.text(LabItemField::SerialNo)));
        }
    }
    Ok(found)
}

/// The same order for a statement that cuts its rows: for `ORDER BY`.
macro_rules! number_order {
    () => {
        "CASE WHEN serial_no <> '' AND TRIM(serial_no, '0123456789') = '' THEN LENGTH(serial_no) ELSE 1000000 END, \
         CASE WHEN TRIM(serial_no, '0123456789') = '' THEN serial_no ELSE '' END, id"
    };
}
pub(super) use number_order;

/// Numbers first, by value; the rest keeps its order of arrival (D-R36).
pub(super) fn by_number(serial_no: &str) -> u64 {
    serial_no.trim().parse().unwrap_or(u64::MAX)
}
