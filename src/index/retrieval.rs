//! Which instances a retrieval means, and where their bytes are.

use super::find::{Readable, push_seen_by};
use super::{Error, Index, Row, Select, Value};
use crate::domain::place::Place;
use crate::params;

/// Values of one statement.
const UIDS_AT_ONCE: usize = 400;

/// What a retrieval names; what is empty does not restrict. At least one is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetrieveKeys {
    /// (0010,0020).
    pub patient_id: Option<String>,
    /// (0020,000D).
    pub study_instance_uids: Vec<String>,
    /// (0020,000E).
    pub series_instance_uids: Vec<String>,
    /// (0008,0018).
    pub sop_instance_uids: Vec<String>,
}

/// An instance with what sending it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInstance {
    /// Whose it is.
    pub org_code: String,
    /// Row of its study.
    pub study_pk: i64,
    /// (0008,0016).
    pub sop_class_uid: String,
    /// (0008,0018).
    pub sop_instance_uid: String,
    /// How its data set is encoded.
    pub transfer_syntax_uid: String,
    /// Where the Part 10 file is.
    pub place: Place,
    /// Where the data set begins in it.
    pub dataset_offset: u64,
}

impl StoredInstance {
    /// Whether its bytes are at an upstream archive only (RD-8).
    pub fn is_offline(&self) -> bool {
        self.place.key.is_empty()
    }
}

/// The instances of one organisation that the keys name, in the order of series and instances, without a number
/// last; at most `limit`.
pub async fn find(
    index: &Index,
    readable: &Readable,
    keys: &RetrieveKeys,
    limit: usize,
) -> Result<Vec<StoredInstance>, Error> {
    let RetrieveKeys { patient_id, study_instance_uids, series_instance_uids, sop_instance_uids } = keys;
    // The longest list is walked in parts; the others are short, or one statement is no use.
    let lists = [study_instance_uids, series_instance_uids, sop_instance_uids];
    let longest = (0..3).max_by_key(|list| lists[*list].len()).unwrap_or(0);
    let parts: Vec<&[String]> =
        if lists[longest].is_empty() { vec![&[]] } else { lists[longest].chunks(UIDS_AT_ONCE).collect() };
    let mut found = Vec::new();
    for part in parts {
        let list = |place: usize| if place == longest { part } else { lists[place].as_slice() };
        let mut select = Select::new(
            "SELECT instance.org_code, study.id AS study_pk, instance.sop_class_uid, instance.sop_instance_uid, \
             instance.transfer_syntax_uid, instance.object_key, instance.object_offset, instance.object_length, \
             instance.dataset_offset FROM instance JOIN series ON series.id = instance.series_pk \
             JOIN study ON study.id = series.study_pk",
        );
        select.push(" WHERE study.org_code = ?", params![&readable.org_code]);
        if let Some(patient_id) = patient_id {
            select.push(" AND study.patient_id = ?", params![patient_id]);
        }
        if !list(0).is_empty() {
            select.push_in(" AND study.study_instance_uid", values(list(0)));
        }
        if !list(1).is_empty() {
            select.push_in(" AND series.series_instance_uid", values(list(1)));
        }
        if !list(2).is_empty() {
            select.push(" AND instance.org_code = ?", params![&readable.org_code]);
            select.push_in(" AND instance.sop_instance_uid", values(list(2)));
        }
        push_seen_by(&mut select, readable.confidentiality);
        let room = limit.saturating_sub(found.len());
        // The engines differ in where they put what has no number.
        let order = " ORDER BY study.id, series.series_number NULLS LAST, series.id, \
                     instance.instance_number NULLS LAST, instance.id LIMIT ?";
        select.push(order, params![room as i64]);
        for row in index.query(select.sql(), select.values()).await? {
            found.push(stored_instance(&row)?);
        }
    }
    Ok(found)
}

fn values(uids: &[String]) -> Vec<Value> {
    uids.iter().map(Value::from).collect()
}

fn stored_instance(row: &Row) -> Result<StoredInstance, Error> {
    Ok(StoredInstance {
        org_code: row.text("org_code")?,
        study_pk: row.int("study_pk")?,
        sop_class_uid: row.text("sop_class_uid")?,
        sop_instance_uid: row.text("sop_instance_uid")?,
        transfer_syntax_uid: row.text("transfer_syntax_uid")?,
        place: Place {
            key: row.text("object_key")?,
            offset: row.int("object_offset")? as u64,
            length: row.int("object_length")? as u64,
        },
        dataset_offset: row.int("dataset_offset")? as u64,
    })
}
