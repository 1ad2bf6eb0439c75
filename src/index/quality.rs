//! How good the registered data is, counted from the rows themselves (D-R14): what is filled, what was noted, how late.
//!
//! Nothing is counted while reports are registered but what rejects them; asking costs a walk over the reports of the time
//! asked for. Withdrawn reports are left out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Error, Index, Row, Select, Value};
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField};
use crate::domain::record::Field;
use crate::params;

/// Which reports are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityScope {
    /// Registered not before, milliseconds since 1970 UTC.
    pub from: i64,
    /// Registered before.
    pub to: i64,
    /// Only these organisations; all when `None`.
    pub organizations: Option<Vec<String>>,
}

/// The tables of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QualityTable {
    /// Exam reports.
    Exam,
    /// Heads of lab reports.
    Lab,
    /// Lines of lab reports that have a head.
    LabItem,
}

impl QualityTable {
    fn from(self) -> &'static str {
        match self {
            QualityTable::Exam => " FROM exam_report r WHERE r.withdrawn = 0",
            QualityTable::Lab => " FROM lab_report r WHERE r.withdrawn = 0",
            QualityTable::LabItem => {
                " FROM lab_report h JOIN lab_item r ON r.lab_report_pk = h.id WHERE h.withdrawn = 0 AND r.withdrawn = 0"
            }
        }
    }

    fn narrow(self, select: &mut Select, scope: &QualityScope) {
        select.push(self.from(), Vec::new());
        let time = match self {
            QualityTable::LabItem => " AND h.received_at >= ? AND h.received_at < ?",
            _ => " AND r.received_at >= ? AND r.received_at < ?",
        };
        select.push(time, params![scope.from, scope.to]);
        if let Some(organizations) = &scope.organizations {
            select.push_in(" AND r.org_code", organizations.iter().map(Value::from).collect());
        }
    }
}

/// How many records an organisation has, and how many of them have each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// The organisation.
    pub org_code: String,
    /// Records.
    pub records: i64,
    /// For each field, in the order of the table.
    pub fields: Vec<i64>,
}

static EXAM: LazyLock<String> = LazyLock::new(counts::<ExamField>);
static LAB: LazyLock<String> = LazyLock::new(counts::<LabField>);
static ITEM: LazyLock<String> = LazyLock::new(counts::<LabItemField>);

fn counts<F: Field>() -> String {
    let each = F::ALL.iter().map(|field| format!("COUNT(r.{0}) AS n_{0}", field.spec().column));
    format!("SELECT r.org_code, COUNT(*) AS records, {}", each.collect::<Vec<_>>().join(", "))
}

/// Counts filled fields.
pub async fn filled(index: &Index, table: QualityTable, scope: &QualityScope) -> Result<Vec<Filled>, Error> {
    match table {
        QualityTable::Exam => filled_of::<ExamField>(index, &EXAM, table, scope).await,
        QualityTable::Lab => filled_of::<LabField>(index, &LAB, table, scope).await,
        QualityTable::LabItem => filled_of::<LabItemField>(index, &ITEM, table, scope).await,
    }
}

async fn filled_of<F: Field>(
    index: &Index,
    counts: &'static LazyLock<String>,
    table: QualityTable,
    scope: &QualityScope,
) -> Result<Vec<Filled>, Error> {
    let mut select = Select::new(counts.as_str());
    table.narrow(&mut select, scope);
    select.push(" GROUP BY r.org_code ORDER BY r.org_code", Vec::new());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            let count = |field: &F| row.int(&format!("n_{}", field.spec().column));
            let fields = F::ALL.iter().map(count).collect::<Result<_, _>>()?;
            Ok(Filled { org_code: row.text("org_code")?, records: row.int("records")?, fields })
        })
        .collect()
}

/// What was noted with how many records: organisation, notes as they are kept, records.
pub async fn noted(
    index: &Index,
    table: QualityTable,
    scope: &QualityScope,
) -> Result<Vec<(String, String, i64)>, Error> {
    let mut select = Select::new("SELECT r.org_code, r.notes, COUNT(*) AS records");
    table.narrow(&mut select, scope);
    select.push(" AND r.notes <> '' GROUP BY r.org_code, r.notes", Vec::new());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(|row| Ok((row.text("org_code")?, row.text("notes")?, row.int("records")?))).collect()
}

/// How late reports came: organisation to minutes to reports. -1 stands for reports from the future; beyond a day minutes
/// are rounded down to hours. `table` has heads.
pub async fn delays(
    index: &Index,
    table: QualityTable,
    scope: &QualityScope,
) -> Result<BTreeMap<String, BTreeMap<i64, i64>>, Error> {
    // Rounded, so that there are not as many groups as reports.
    let mut select = Select::new(
        "SELECT r.org_code, CASE WHEN r.delay_s < 0 THEN -1 WHEN r.delay_s < 86400 THEN r.delay_s / 60 \
         ELSE r.delay_s / 3600 * 60 END AS minutes, COUNT(*) AS reports",
    );
    table.narrow(&mut select, scope);
    select.push(" AND r.delay_s IS NOT NULL GROUP BY 1, 2", Vec::new());
    let mut delays: BTreeMap<String, BTreeMap<i64, i64>> = BTreeMap::new();
    for row in index.query(select.sql(), select.values()).await? {
        let reports = row.int("reports")?;
        *delays.entry(row.text("org_code")?).or_default().entry(whole(&row, "minutes")?).or_default() += reports;
    }
    Ok(delays)
}

/// Reports whose number came for another patient or event as well (D-R8), by organisation.
pub async fn identity_conflicts(
    index: &Index,
    table: QualityTable,
    scope: &QualityScope,
) -> Result<BTreeMap<String, i64>, Error> {
    let mut select = Select::new("SELECT r.org_code, COUNT(*) AS reports");
    table.narrow(&mut select, scope);
    select.push(" AND r.identity_conflict = 1 GROUP BY r.org_code", Vec::new());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(|row| Ok((row.text("org_code")?, row.int("reports")?))).collect()
}

/// Exam reports whose current file takes no QR code (D-I9): organisation, reason, reports.
pub async fn unstamped(index: &Index, scope: &QualityScope) -> Result<Vec<(String, String, i64)>, Error> {
    let mut select = Select::new(
        "SELECT r.org_code, f.stamp_reason, COUNT(*) AS reports FROM exam_report r \
         JOIN report_file f ON f.exam_report_pk = r.id \
         WHERE r.withdrawn = 0 AND f.is_current = 1 AND f.stamp_state = 'unstampable'",
    );
    select.push(" AND r.received_at >= ? AND r.received_at < ?", params![scope.from, scope.to]);
    if let Some(organizations) = &scope.organizations {
        select.push_in(" AND r.org_code", organizations.iter().map(Value::from).collect());
    }
    select.push(" GROUP BY r.org_code, f.stamp_reason", Vec::new());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(|row| Ok((row.text("org_code")?, row.text("stamp_reason")?, row.int("reports")?))).collect()
}

/// Lines of an organisation that are not shown with any report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLines {
    /// The organisation.
    pub org_code: String,
    /// Lines whose head has not come (D-R10).
    pub waiting: i64,
    /// Lines whose head was rejected (D-R9).
    pub aside: i64,
    /// When the oldest of them came.
    pub oldest_at: i64,
}

/// All lines that wait, whenever they came.
pub async fn pending_lines(index: &Index, organizations: Option<&[String]>) -> Result<Vec<PendingLines>, Error> {
    let mut select = Select::new(
        "SELECT org_code, COUNT(CASE WHEN owner = 0 THEN 1 END) AS waiting, \
         COUNT(CASE WHEN owner <> 0 THEN 1 END) AS aside, MIN(received_at) AS oldest_at \
         FROM lab_item WHERE lab_report_pk IS NULL AND withdrawn = 0",
    );
    if let Some(organizations) = organizations {
        select.push_in(" AND org_code", organizations.iter().map(Value::from).collect());
    }
    select.push(" GROUP BY org_code ORDER BY org_code", Vec::new());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(PendingLines {
                org_code: row.text("org_code")?,
                waiting: row.int("waiting")?,
                aside: row.int("aside")?,
                oldest_at: row.int("oldest_at")?,
            })
        })
        .collect()
}

/// A whole number that PostgreSQL may give with four bytes, because it was made of literals.
fn whole(row: &Row, column: &str) -> Result<i64, Error> {
    row.int(column).or_else(|_| row.get::<i32>(column).map(i64::from))
}
