//! Takes the rows of images away: instances with what hangs on them, then series, study and patient that are left empty.
//!
//! The place of each object comes from the statement that deletes its row, so that a compaction that moves the object in the
//! same moment is either seen or finds it dead. What the rows of other rooms say of a study (links, conflicts, jobs) is the
//! caller's business.

use super::deletions::{ImageLevel, Target};
use super::{Error, Row, Select, Tx, Value, search_keys, study_texts};
use crate::domain::place::Place;
use crate::params;

/// What there is to delete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Series that lose instances.
    pub series: i64,
    /// Instances.
    pub instances: i64,
    /// Other contents under their UIDs.
    pub versions: i64,
    /// Bytes of both that are here.
    pub bytes: i64,
    /// When the last of them came.
    pub last_received: i64,
    /// Instances that an upstream archive is to have and has not confirmed.
    pub unconfirmed: i64,
    /// Exam reports that the study is linked to.
    pub exams: i64,
}

/// What a transaction has deleted.
#[derive(Debug, Default)]
pub struct Removed {
    /// Rows of the instances.
    pub instances: Vec<i64>,
    /// How many other contents went with them.
    pub versions: i64,
    /// Where their bytes are.
    pub places: Vec<Place>,
}

/// The row of the study that is meant, or that holds what is meant.
pub async fn study_of(tx: &mut Tx, target: &Target) -> Result<Option<i64>, Error> {
    let sql = "SELECT id FROM study WHERE org_code = $1 AND study_instance_uid = $2";
    let row = tx.query_opt(sql, params![&target.org_code, &target.study_instance_uid]).await?;
    row.map(|row| row.int("id")).transpose()
}

/// Ends a statement about `instance i JOIN series r` with what is meant.
fn narrow(select: &mut Select, study_pk: i64, target: &Target) {
    select.push(" WHERE r.study_pk = ?", params![study_pk]);
    if target.level() != ImageLevel::Study {
        select.push(" AND r.series_instance_uid = ?", params![&target.series_instance_uid]);
    }
    if target.level() == ImageLevel::Instance {
        select.push(" AND i.sop_instance_uid = ?", params![&target.sop_instance_uid]);
    }
}

/// How much there is of what is meant.
pub async fn extent(tx: &mut Tx, study_pk: i64, target: &Target) -> Result<Extent, Error> {
    let mut extent = Extent::default();
    let mut select = Select::new(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT i.series_pk) AS series, CAST(COALESCE(SUM(CASE WHEN i.offline_at IS NULL \
         THEN i.object_length ELSE 0 END), 0) AS BIGINT) AS bytes, COALESCE(MAX(i.received_at), 0) AS last \
         FROM instance i JOIN series r ON r.id = i.series_pk",
    );
    narrow(&mut select, study_pk, target);
    if let Some(row) = tx.query_opt(select.sql(), select.values()).await? {
        (extent.instances, extent.series) = (row.int("n")?, row.int("series")?);
        (extent.bytes, extent.last_received) = (row.int("bytes")?, row.int("last")?);
    }
    let mut select = Select::new(
        "SELECT COUNT(*) AS n, CAST(COALESCE(SUM(v.object_length), 0) AS BIGINT) AS bytes, \
         COALESCE(MAX(v.received_at), 0) AS last FROM instance_version v JOIN instance i ON i.id = v.instance_pk \
         JOIN series r ON r.id = i.series_pk",
    );
    narrow(&mut select, study_pk, target);
    if let Some(row) = tx.query_opt(select.sql(), select.values()).await? {
        extent.versions = row.int("n")?;
        extent.bytes += row.int("bytes")?;
        extent.last_received = extent.last_received.max(row.int("last")?);
    }
    // Neither confirmed nor purged.
    let mut select = Select::new(
        "SELECT COUNT(DISTINCT f.instance_pk) AS n FROM instance i JOIN series r ON r.id = i.series_pk \
         JOIN forward f ON f.instance_pk = i.id AND f.state NOT IN (2, 4)",
    );
    narrow(&mut select, study_pk, target);
    extent.unconfirmed = count(tx, &select).await?;
    let mut select = Select::new("SELECT COUNT(*) AS n FROM exam_study");
    select.push(" WHERE study_pk = ?", params![study_pk]);
    extent.exams = count(tx, &select).await?;
    Ok(extent)
}

async fn count(tx: &mut Tx, select: &Select) -> Result<i64, Error> {
    tx.query_opt(select.sql(), select.values()).await?.map_or(Ok(0), |row| row.int("n"))
}

/// Deletes at most `limit` of the instances that are meant and came until then, with other contents under their UIDs. One
/// with a content that came later stays.
pub async fn remove_some(
    tx: &mut Tx,
    study_pk: i64,
    target: &Target,
    received_until: i64,
    limit: u32,
) -> Result<Removed, Error> {
    let mut select = Select::new("SELECT i.id FROM instance i JOIN series r ON r.id = i.series_pk");
    narrow(&mut select, study_pk, target);
    select.push(" AND i.received_at <= ? AND NOT EXISTS (SELECT 1 FROM instance_version v", params![received_until]);
    select.push(" WHERE v.instance_pk = i.id AND v.received_at > ?) ORDER BY i.id", params![received_until]);
    select.push(" LIMIT ?", params![limit]);
    let rows = tx.query(select.sql(), select.values()).await?;
    let found: Vec<i64> = rows.iter().map(|row| row.int("id")).collect::<Result<_, _>>()?;
    let mut removed = Removed::default();
    if found.is_empty() {
        return Ok(removed);
    }
    let ids = || found.iter().copied().map(Value::from).collect::<Vec<_>>();
    let mut forwards = Select::new("");
    forwards.push_in("DELETE FROM forward WHERE instance_pk", ids());
    tx.execute(forwards.sql(), forwards.values()).await?;
    let mut versions = Select::new("");
    versions.push_in("DELETE FROM instance_version WHERE instance_pk", ids());
    versions.push(" RETURNING id, object_key, object_offset, object_length", params![]);
    let versions = tx.query(versions.sql(), versions.values()).await?;
    let mut instances = Select::new("");
    instances.push_in("DELETE FROM instance WHERE id", ids());
    instances.push(" RETURNING id, object_key, object_offset, object_length", params![]);
    let mut marked = Vec::new();
    for row in tx.query(instances.sql(), instances.values()).await? {
        let id = row.int("id")?;
        marked.push(format!("instance:{id}"));
        removed.instances.push(id);
        // The bytes of one that only an upstream has are gone already.
        removed.places.extend(place_from(&row)?);
    }
    for row in &versions {
        marked.push(format!("instance_version:{}", row.int("id")?));
        removed.versions += 1;
        removed.places.extend(place_from(row)?);
    }
    let mut damages = Select::new("");
    damages.push_in("DELETE FROM object_damage WHERE subject", marked.iter().map(Value::from).collect());
    tx.execute(damages.sql(), damages.values()).await?;
    Ok(removed)
}

fn place_from(row: &Row) -> Result<Option<Place>, Error> {
    let key = row.text("object_key")?;
    let number = |column| u64::try_from(row.int(column)?).map_err(|_| Error::Damaged("instance.object"));
    let place = Place { key, offset: number("object_offset")?, length: number("object_length")? };
    Ok((!place.key.is_empty()).then_some(place))
}

/// What is left of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StudyLeft {
    /// Some of its images.
    Some,
    /// None: [`remove_study`] may take its row away.
    Nothing,
}

/// Deletes the series of a study that have no instance left, and makes what queries look up fit the rest.
pub async fn remove_empty_series(tx: &mut Tx, study_pk: i64, now: i64) -> Result<StudyLeft, Error> {
    search_keys::remove_study(tx, study_pk).await?;
    let sql = "DELETE FROM series WHERE study_pk = $1 \
               AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.series_pk = series.id)";
    tx.execute(sql, params![study_pk]).await?;
    if tx.query_opt("SELECT id FROM series WHERE study_pk = $1 LIMIT 1", params![study_pk]).await?.is_none() {
        return Ok(StudyLeft::Nothing);
    }
    search_keys::add_study_of_rows(tx, study_pk).await?;
    tx.execute("UPDATE study SET updated_at = $1 WHERE id = $2", params![now, study_pk]).await?;
    Ok(StudyLeft::Some)
}

/// Deletes the row of a study that has no series and no link any more, and its patient's when that was the last study.
pub async fn remove_study(tx: &mut Tx, study_pk: i64) -> Result<(), Error> {
    let sql = "DELETE FROM study WHERE id = $1 RETURNING patient_pk";
    let Some(row) = tx.query_opt(sql, params![study_pk]).await? else { return Ok(()) };
    study_texts::remove_patient_without_studies(tx, row.int("patient_pk")?).await
}
