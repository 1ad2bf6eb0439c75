//! What of a study can be retrieved here, for those that are notified of it.

use super::{Error, Index, Tx};
use crate::domain::availability::{InstanceAvailability, StudyAvailability};
use crate::params;

/// The organisation of a study.
pub async fn organization_of(tx: &mut Tx, study_pk: i64) -> Result<String, Error> {
    let row = tx.query_opt("SELECT org_code FROM study WHERE id = $1", params![study_pk]).await?;
    row.ok_or(Error::Damaged("instance.study"))?.text("org_code")
}

/// A study with its instances, series by series, if it exists.
pub async fn of_study(index: &Index, study_pk: i64) -> Result<Option<StudyAvailability>, Error> {
    let sql = "SELECT org_code, study_instance_uid FROM study WHERE id = $1";
    let Some(study) = index.query_opt(sql, params![study_pk]).await? else { return Ok(None) };
    let sql = "SELECT series.series_instance_uid, instance.sop_class_uid, instance.sop_instance_uid, \
               instance.offline_at FROM series JOIN instance ON instance.series_pk = series.id \
               WHERE series.study_pk = $1 ORDER BY series.id, instance.id";
    let rows = index.query(sql, params![study_pk]).await?;
    let instances = rows.iter().map(|row| {
        Ok::<_, Error>(InstanceAvailability {
            series_instance_uid: row.text("series_instance_uid")?,
            sop_class_uid: row.text("sop_class_uid")?,
            sop_instance_uid: row.text("sop_instance_uid")?,
            is_offline: row.get::<Option<i64>>("offline_at")?.is_some(),
        })
    });
    Ok(Some(StudyAvailability {
        org_code: study.text("org_code")?,
        study_instance_uid: study.text("study_instance_uid")?,
        instances: instances.collect::<Result<_, _>>()?,
    }))
}
