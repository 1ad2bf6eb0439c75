//! Which of several contents under one SOP Instance UID is the current one (D-I15).

use super::instances::InstanceRow;
use super::{Error, Index, Row, Tx, forwards};
use crate::domain::place::Place;
use crate::params;

/// Another content under a UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its row.
    pub id: i64,
    /// The instance whose UID it has.
    pub instance_pk: i64,
    /// The study's row.
    pub study_pk: i64,
    /// The organisation.
    pub org_code: String,
    /// The series of the current content.
    pub series_instance_uid: String,
    /// The study of the current content.
    pub study_instance_uid: String,
    /// Where the Part 10 file is.
    pub place: Place,
    /// Hash of the data set's bytes, with its algorithm (`dicom/content_hash.rs`).
    pub content_hash: String,
    /// When it came.
    pub received_at: i64,
}

/// One version with what it is a version of.
pub async fn get(index: &Index, id: i64) -> Result<Option<Version>, Error> {
    let sql = "SELECT v.id, v.instance_pk, r.study_pk, i.org_code, r.series_instance_uid, s.study_instance_uid, \
               v.object_key, v.object_offset, v.object_length, v.content_hash, v.received_at FROM instance_version v \
               JOIN instance i ON i.id = v.instance_pk JOIN series r ON r.id = i.series_pk \
               JOIN study s ON s.id = r.study_pk WHERE v.id = $1";
    index.query_opt(sql, params![id]).await?.as_ref().map(version_from).transpose()
}

/// The hashes of all contents under a UID, the current one and versions.
pub async fn hashes(index: &Index, org_code: &str, sop_instance_uid: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT content_hash FROM instance WHERE org_code = $1 AND sop_instance_uid = $2 UNION ALL \
               SELECT v.content_hash FROM instance_version v JOIN instance i ON i.id = v.instance_pk \
               WHERE i.org_code = $3 AND i.sop_instance_uid = $4";
    let rows = index.query(sql, params![org_code, sop_instance_uid, org_code, sop_instance_uid]).await?;
    rows.iter().map(|row| row.text("content_hash")).collect()
}

/// Whether this content is kept as a version.
pub async fn is_kept(tx: &mut Tx, instance_pk: i64, content_hash: &str) -> Result<bool, Error> {
    let sql = "SELECT id FROM instance_version WHERE instance_pk = $1 AND content_hash = $2";
    Ok(tx.query_opt(sql, params![instance_pk, content_hash]).await?.is_some())
}

/// Takes a version's row away and gives the place of its bytes, which compaction may have moved since it was read.
pub async fn take(tx: &mut Tx, id: i64) -> Result<Option<Place>, Error> {
    let sql = "DELETE FROM instance_version WHERE id = $1 RETURNING object_key, object_offset, object_length";
    tx.query_opt(sql, params![id]).await?.as_ref().map(place_from).transpose()
}

/// Makes `content` the current one under its UID; what was current becomes a version with the row id `version_id`, unless
/// its bytes are at an upstream archive only. Upstream archives have to get the new one.
///
/// The caller has seen to it that both are of the same series, and that `content` has no row of its own.
pub async fn make_current(
    tx: &mut Tx,
    version_id: i64,
    instance_pk: i64,
    content: &InstanceRow,
    received_at: i64,
    now: i64,
) -> Result<(), Error> {
    // First of all, so that no purge can take the bytes of what is about to become a version.
    let sql = "UPDATE instance SET offline_at = NULL WHERE id = $1";
    tx.execute(sql, params![instance_pk]).await?;
    let sql = "INSERT INTO instance_version (id, instance_pk, content_hash, transfer_syntax_uid, object_key, \
               object_offset, object_length, dataset_offset, calling_ae_title, received_at) \
               SELECT CAST($1 AS BIGINT), id, content_hash, transfer_syntax_uid, object_key, object_offset, \
               object_length, dataset_offset, calling_ae_title, received_at FROM instance WHERE id = $2 \
               AND object_key <> ''";
    tx.execute(sql, params![version_id, instance_pk]).await?;
    let sql = "UPDATE instance SET sop_class_uid = $1, transfer_syntax_uid = $2, instance_number = $3, \
               number_of_frames = $4, pixel_rows = $5, pixel_columns = $6, content_hash = $7, object_key = $8, \
               object_offset = $9, object_length = $10, dataset_offset = $11, pixel_data_offset = $12, \
               header_state = $13, calling_ae_title = $14, received_at = $15 WHERE id = $16";
    let values = params![
        &content.sop_class_uid,
        &content.transfer_syntax_uid,
        content.instance_number,
        content.number_of_frames,
        content.rows,
        content.columns,
        &content.content_hash,
        &content.place.key,
        content.place.offset as i64,
        content.place.length as i64,
        content.dataset_offset,
        content.pixel_data_offset,
        content.header_state,
        &content.calling_ae_title,
        received_at,
        instance_pk,
    ];
    match tx.execute(sql, values).await? {
        1 => forwards::renew(tx, instance_pk, now).await,
        _ => Err(Error::Damaged("instance")),
    }
}

fn version_from(row: &Row) -> Result<Version, Error> {
    Ok(Version {
        id: row.int("id")?,
        instance_pk: row.int("instance_pk")?,
        study_pk: row.int("study_pk")?,
        org_code: row.text("org_code")?,
        series_instance_uid: row.text("series_instance_uid")?,
        study_instance_uid: row.text("study_instance_uid")?,
        place: place_from(row)?,
        content_hash: row.text("content_hash")?,
        received_at: row.int("received_at")?,
    })
}

fn place_from(row: &Row) -> Result<Place, Error> {
    Ok(Place {
        key: row.text("object_key")?,
        offset: row.int("object_offset")? as u64,
        length: row.int("object_length")? as u64,
    })
}
