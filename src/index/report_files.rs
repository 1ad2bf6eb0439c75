//! The report files of exam reports: one row for each different content, one of them current (D-I11, D-I13).

use super::{Error, Index, Row, Select, Tx};
use crate::domain::place::Place;
use crate::params;

/// Whether a report file carries a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampState {
    /// There is a stamped copy.
    Stamped,
    /// The file's kind is not stamped, or stamping is switched off.
    NotApplicable,
    /// The file could not be stamped; the reason is kept.
    Unstampable,
}

impl StampState {
    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            StampState::Stamped => "stamped",
            StampState::NotApplicable => "not_applicable",
            StampState::Unstampable => "unstampable",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [StampState::Stamped, StampState::NotApplicable, StampState::Unstampable]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// The copy that carries the QR code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedCopy {
    /// Where it is.
    pub place: Place,
    /// SHA-256, hex.
    pub hash: String,
}

/// One content of a report file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// The row's id.
    pub id: i64,
    /// The exam report it belongs to.
    pub exam_report_pk: i64,
    /// 1, 2, … one for each different content.
    pub revision: i64,
    /// The address it came from, without user info.
    pub source: String,
    /// `application/pdf`, `image/jpeg`, `image/png` or `image/tiff`.
    pub media_type: String,
    /// Where the hospital's own bytes are.
    pub original: Place,
    /// SHA-256 of the original, hex.
    pub original_hash: String,
    /// Whether it is stamped.
    pub stamp_state: StampState,
    /// Why it is not, e.g. `encrypted`; empty when it is.
    pub stamp_reason: String,
    /// The stamped copy.
    pub stamped: Option<StampedCopy>,
    /// Pages, when they could be counted.
    pub page_count: Option<i64>,
    /// When it was fetched, milliseconds since 1970 UTC.
    pub fetched_at: i64,
}

impl ReportFile {
    /// Whether the hospital's own bytes, or the copy that is shown, are a PDF: a picture's stamped copy is one.
    pub fn is_pdf(&self, copy_is_stamped: bool) -> bool {
        self.media_type == "application/pdf" || (copy_is_stamped && self.stamped.is_some())
    }
}

const CURRENT: &str = "SELECT id, exam_report_pk, revision, source, media_type, original_key, original_length, \
                       original_hash, stamp_state, stamp_reason, stamped_key, stamped_length, stamped_hash, page_count, \
                       fetched_at FROM report_file WHERE exam_report_pk = $1 AND is_current = 1";
const HISTORY: &str = "SELECT id, exam_report_pk, revision, source, media_type, original_key, original_length, \
                       original_hash, stamp_state, stamp_reason, stamped_key, stamped_length, stamped_hash, page_count, \
                       fetched_at FROM report_file WHERE exam_report_pk = $1 ORDER BY revision DESC";

/// The current file of an exam report.
pub async fn current(index: &Index, exam_report_pk: i64) -> Result<Option<ReportFile>, Error> {
    index.query_opt(CURRENT, params![exam_report_pk]).await?.as_ref().map(file_from).transpose()
}

/// All files an exam report ever had, newest first.
pub async fn history(index: &Index, exam_report_pk: i64) -> Result<Vec<ReportFile>, Error> {
    index.query(HISTORY, params![exam_report_pk]).await?.iter().map(file_from).collect()
}

/// Adds a content and makes it the current one; gives its revision. `file.revision` is not read; `policy` is the digest of
/// what the stamped copy was made with.
pub async fn add(tx: &mut Tx, file: &ReportFile, policy: &str) -> Result<i64, Error> {
    let sql = "UPDATE report_file SET is_current = 0 WHERE exam_report_pk = $1";
    tx.execute(sql, params![file.exam_report_pk]).await?;
    let sql = "SELECT COALESCE(MAX(revision), 0) AS newest FROM report_file WHERE exam_report_pk = $1";
    let newest = tx.query_opt(sql, params![file.exam_report_pk]).await?.map_or(Ok(0), |row| row.int("newest"))?;
    let sql = "INSERT INTO report_file (id, exam_report_pk, revision, is_current, source, media_type, original_key, \
               original_length, original_hash, stamp_state, stamp_reason, stamped_key, stamped_length, stamped_hash, \
               page_count, fetched_at, stamp_policy) \
               VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    let stamped = file.stamped.as_ref();
    let values = params![
        file.id,
        file.exam_report_pk,
        newest + 1,
        &file.source,
        &file.media_type,
        &file.original.key,
        file.original.length as i64,
        &file.original_hash,
        file.stamp_state.as_str(),
        &file.stamp_reason,
        stamped.map(|copy| copy.place.key.clone()),
        stamped.map(|copy| copy.place.length as i64),
        stamped.map(|copy| copy.hash.clone()),
        file.page_count,
        file.fetched_at,
        policy,
    ];
    tx.execute(sql, values).await?;
    Ok(newest + 1)
}

/// Notes that the current content was found again, perhaps under another address.
pub async fn found_again(tx: &mut Tx, id: i64, source: &str) -> Result<(), Error> {
    tx.execute("UPDATE report_file SET source = $1 WHERE id = $2", params![source, id]).await.map(|_| ())
}

/// What fetching needs to know of an exam report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSource {
    /// The organisation it belongs to.
    pub org_code: String,
    /// `ReportFilePath` as registered, if any.
    pub address: Option<String>,
    /// Words for its class: code, name, modality.
    pub classes: Vec<String>,
    /// The hash of its content.
    pub content_hash: String,
    /// What a file that is fetched now belongs to.
    pub basis: Basis,
}

/// The state of an exam report that a file belongs to: one that took its time to come must not hide a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    version: i64,
    current: Option<i64>,
}

impl Basis {
    fn of(row: &Row) -> Result<Self, Error> {
        Ok(Self { version: row.int("version")?, current: row.get("current_file")? })
    }

    /// Whether the report and its current file are still what they were, held so until the transaction's end.
    pub async fn stands(self, tx: &mut Tx, exam_report_pk: i64) -> Result<bool, Error> {
        // Changing the row locks it: on PostgreSQL another file, or another content, waits here for our commit.
        let sql = "UPDATE exam_report SET version = version WHERE id = $1 AND version = $2 AND withdrawn = 0";
        if tx.execute(sql, params![exam_report_pk, self.version]).await? == 0 {
            return Ok(false);
        }
        let sql = "SELECT id FROM report_file WHERE exam_report_pk = $1 AND is_current = 1";
        let current = tx.query_opt(sql, params![exam_report_pk]).await?.map(|row| row.int("id")).transpose()?;
        Ok(current == self.current)
    }
}

/// Where the report file of an exam report is to be fetched; `None` when there is none, or it is withdrawn (D-R18).
pub async fn source(index: &Index, exam_report_pk: i64) -> Result<Option<ReportSource>, Error> {
    let sql = "SELECT e.org_code, e.reportfilepath, e.class_code, e.class_name, e.modality, e.content_hash, e.version, \
               f.id AS current_file FROM exam_report e \
               LEFT JOIN report_file f ON f.exam_report_pk = e.id AND f.is_current = 1 \
               WHERE e.id = $1 AND e.withdrawn = 0";
    let Some(row) = index.query_opt(sql, params![exam_report_pk]).await? else { return Ok(None) };
    let address = row.get::<Option<String>>("reportfilepath")?.filter(|address| !address.trim().is_empty());
    Ok(Some(source_from(&row, address)?))
}

fn source_from(row: &Row, address: Option<String>) -> Result<ReportSource, Error> {
    let (org_code, content_hash) = (row.text("org_code")?, row.text("content_hash")?);
    Ok(ReportSource { org_code, address, classes: classes_of(row)?, content_hash, basis: Basis::of(row)? })
}

fn classes_of(row: &Row) -> Result<Vec<String>, Error> {
    let words = ["class_code", "class_name", "modality"].map(|column| row.get::<Option<String>>(column));
    Ok(words.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().filter(|w| !w.is_empty()).collect())
}

/// A current file with what decides how it is stamped.
#[derive(Debug, Clone)]
pub struct StampedFile {
    /// The file.
    pub file: ReportFile,
    /// Digest of what its stamped copy was made with.
    pub policy: String,
    /// Its exam report.
    pub source: ReportSource,
}

/// The next current files after a row, of one organisation or of all (`""`); withdrawn reports are left out.
pub async fn current_after(
    index: &Index,
    after_id: i64,
    org_code: &str,
    limit: u32,
) -> Result<Vec<StampedFile>, Error> {
    let mut select = Select::new(STAMPED);
    select.push(" AND f.id > ?", params![after_id]);
    if !org_code.is_empty() {
        select.push(" AND e.org_code = ?", params![org_code]);
    }
    select.push(" ORDER BY f.id LIMIT ?", params![i64::from(limit)]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(stamped_from).collect()
}

/// The current file of a report with its copy; `None` when it has none or is withdrawn.
pub async fn current_stamped(index: &Index, exam_report_pk: i64) -> Result<Option<StampedFile>, Error> {
    let mut select = Select::new(STAMPED);
    select.push(" AND f.exam_report_pk = ?", params![exam_report_pk]);
    index.query_opt(select.sql(), select.values()).await?.as_ref().map(stamped_from).transpose()
}

const STAMPED: &str = "SELECT f.id, f.exam_report_pk, f.revision, f.source, f.media_type, f.original_key, f.original_length, \
     f.original_hash, f.stamp_state, f.stamp_reason, f.stamped_key, f.stamped_length, f.stamped_hash, f.page_count, \
     f.fetched_at, f.stamp_policy, e.org_code, e.class_code, e.class_name, e.modality, e.content_hash, e.version, \
     f.id AS current_file \
     FROM report_file f JOIN exam_report e ON e.id = f.exam_report_pk WHERE f.is_current = 1 AND e.withdrawn = 0";

fn stamped_from(row: &Row) -> Result<StampedFile, Error> {
    Ok(StampedFile { file: file_from(row)?, policy: row.text("stamp_policy")?, source: source_from(row, None)? })
}

/// A current report file that takes no QR code (D-I9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnstampedFile {
    /// The exam report.
    pub exam_report_pk: i64,
    /// Its organisation.
    pub org_code: String,
    /// Its number.
    pub report_form_no: String,
    /// e.g. `application/pdf`.
    pub media_type: String,
    /// e.g. `encrypted`.
    pub reason: String,
    /// When the file was fetched, milliseconds since 1970 UTC.
    pub fetched_at: i64,
}

/// Current files that could not be stamped, the newest first; of one organisation or of all.
pub async fn unstamped(index: &Index, org_code: Option<&str>, limit: u32) -> Result<Vec<UnstampedFile>, Error> {
    let mut select = Select::new(
        "SELECT f.exam_report_pk, e.org_code, e.report_form_no, f.media_type, f.stamp_reason, f.fetched_at \
         FROM report_file f JOIN exam_report e ON e.id = f.exam_report_pk \
         WHERE f.is_current = 1 AND f.stamp_state = 'unstampable' AND e.withdrawn = 0",
    );
    if let Some(org_code) = org_code {
        select.push(" AND e.org_code = ?", params![org_code]);
    }
    select.push(" ORDER BY f.fetched_at DESC, f.id DESC LIMIT ?", params![i64::from(limit)]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(UnstampedFile {
                exam_report_pk: row.int("exam_report_pk")?,
                org_code: row.text("org_code")?,
                report_form_no: row.text("report_form_no")?,
                media_type: row.text("media_type")?,
                reason: row.text("stamp_reason")?,
                fetched_at: row.int("fetched_at")?,
            })
        })
        .collect()
}

/// Puts another stamped copy in the place of a current file's; `false` when the file is current no more.
pub async fn set_stamped(tx: &mut Tx, file: &ReportFile, policy: &str) -> Result<bool, Error> {
    let sql = "UPDATE report_file SET stamp_state = $1, stamp_reason = $2, stamped_key = $3, stamped_length = $4, \
               stamped_hash = $5, page_count = $6, stamp_policy = $7 WHERE id = $8 AND is_current = 1";
    let stamped = file.stamped.as_ref();
    let values = params![
        file.stamp_state.as_str(),
        &file.stamp_reason,
        stamped.map(|copy| copy.place.key.clone()),
        stamped.map(|copy| copy.place.length as i64),
        stamped.map(|copy| copy.hash.clone()),
        file.page_count,
        policy,
        file.id,
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

fn file_from(row: &Row) -> Result<ReportFile, Error> {
    let place = |key: String, length: i64| Place { key, offset: 0, length: length.unsigned_abs() };
    let key = row.get::<Option<String>>("stamped_key")?;
    let length = row.get::<Option<i64>>("stamped_length")?;
    let hash = row.get::<Option<String>>("stamped_hash")?;
    let stamped = match (key, length, hash) {
        (Some(key), Some(length), Some(hash)) => Some(StampedCopy { place: place(key, length), hash }),
        _ => None,
    };
    Ok(ReportFile {
        id: row.int("id")?,
        exam_report_pk: row.int("exam_report_pk")?,
        revision: row.int("revision")?,
        source: row.text("source")?,
        media_type: row.text("media_type")?,
        original: place(row.text("original_key")?, row.int("original_length")?),
        original_hash: row.text("original_hash")?,
        // A word of a newer version beside this one: nothing is said of a stamp.
        stamp_state: StampState::parse(&row.text("stamp_state")?).unwrap_or(StampState::NotApplicable),
        stamp_reason: row.text("stamp_reason")?,
        stamped,
        page_count: row.get("page_count")?,
        fetched_at: row.int("fetched_at")?,
    })
}
