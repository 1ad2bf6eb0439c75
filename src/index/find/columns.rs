//! Where the stored attributes are.

use std::collections::BTreeMap;

use super::{Candidate, Error, has_study};
use crate::domain::query::Query;
use crate::domain::query::attribute::{Level, tag};
use crate::index::Row;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Number,
}

/// The column of an attribute.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) tag: u32,
    /// The table and column.
    pub(super) sql: &'static str,
    /// The same where only the patient's row is read.
    of_patient: &'static str,
    pub(super) holds: Holds,
}

impl Column {
    /// The column's name in a statement of this level.
    pub(super) fn sql(&self, level: Level) -> &'static str {
        if has_study(level) { self.sql } else { self.of_patient }
    }

    fn name(&self, level: Level) -> &'static str {
        let sql = self.sql(level);
        sql.split_once('.').map_or(sql, |(_, name)| name)
    }
}

/// The column with this tag.
pub(super) fn of_tag(tag: u32) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.tag == tag)
}

/// The columns that a query reads: for its answer and for its conditions.
pub(super) fn of(query: &Query) -> Vec<&'static Column> {
    let asked = |tag| query.returned().contains(&tag) || query.condition(tag).is_some();
    COLUMNS.iter().filter(|column| asked(column.tag)).collect()
}

/// The columns that decide whether a row fits.
pub(super) fn of_conditions(query: &Query) -> Vec<&'static Column> {
    COLUMNS.iter().filter(|column| query.condition(column.tag).is_some()).collect()
}

/// Reads a row.
pub(super) fn read(row: &Row, query: &Query, columns: &[&'static Column]) -> Result<Candidate, Error> {
    let level = query.level();
    let mut values = BTreeMap::new();
    for column in columns {
        let name = column.name(level);
        let value = match column.holds {
            Holds::Text => row.text(name)?,
            Holds::Number => row.get::<Option<i64>>(name)?.map(|number| number.to_string()).unwrap_or_default(),
        };
        values.insert(column.tag, vec![value]);
    }
    Ok(Candidate {
        patient_pk: row.int("patient_pk")?,
        study_pk: if has_study(level) { row.int("study_id_of_row")? } else { 0 },
        series_pk: if level >= Level::Series { row.int("series_id_of_row")? } else { 0 },
        instance_pk: if level == Level::Instance { row.int("instance_id_of_row")? } else { 0 },
        values,
    })
}

const fn text(tag: u32, sql: &'static str) -> Column {
    Column { tag, sql, of_patient: sql, holds: Holds::Text }
}

const fn patient(tag: u32, sql: &'static str, of_patient: &'static str) -> Column {
    Column { tag, sql, of_patient, holds: Holds::Text }
}

const fn number(tag: u32, sql: &'static str) -> Column {
    Column { tag, sql, of_patient: sql, holds: Holds::Number }
}

static COLUMNS: &[Column] = &[
    patient(tag::PATIENT_NAME, "study.patient_name", "patient.name"),
    patient(tag::PATIENT_ID, "study.patient_id", "patient.patient_id"),
    patient(tag::ISSUER_OF_PATIENT_ID, "study.issuer", "patient.issuer"),
    patient(tag::PATIENT_BIRTH_DATE, "study.patient_birth_date", "patient.birth_date"),
    patient(tag::PATIENT_SEX, "study.patient_sex", "patient.sex"),
    text(tag::PATIENT_AGE, "study.patient_age"),
    text(tag::STUDY_INSTANCE_UID, "study.study_instance_uid"),
    text(tag::STUDY_ID, "study.study_id"),
    text(tag::STUDY_DATE, "study.study_date"),
    text(tag::STUDY_TIME, "study.study_time"),
    text(tag::ACCESSION_NUMBER, "study.accession_number"),
    text(tag::STUDY_DESCRIPTION, "study.study_description"),
    text(tag::REFERRING_PHYSICIAN_NAME, "study.referring_physician"),
    text(tag::INSTITUTION_NAME, "study.institution_name"),
    text(tag::SERIES_INSTANCE_UID, "series.series_instance_uid"),
    text(tag::MODALITY, "series.modality"),
    number(tag::SERIES_NUMBER, "series.series_number"),
    text(tag::SERIES_DESCRIPTION, "series.series_description"),
    text(tag::BODY_PART_EXAMINED, "series.body_part_examined"),
    text(tag::LATERALITY, "series.laterality"),
    text(tag::PROTOCOL_NAME, "series.protocol_name"),
    text(tag::SERIES_DATE, "series.series_date"),
    text(tag::SERIES_TIME, "series.series_time"),
    text(tag::PERFORMED_PROCEDURE_STEP_START_DATE, "series.performed_date"),
    text(tag::PERFORMED_PROCEDURE_STEP_START_TIME, "series.performed_time"),
    text(tag::STATION_NAME, "series.station_name"),
    text(tag::MANUFACTURER, "series.manufacturer"),
    text(tag::MANUFACTURER_MODEL_NAME, "series.model_name"),
    text(tag::SOP_INSTANCE_UID, "instance.sop_instance_uid"),
    text(tag::SOP_CLASS_UID, "instance.sop_class_uid"),
    text(tag::AVAILABLE_TRANSFER_SYNTAX_UID, "instance.transfer_syntax_uid"),
    number(tag::INSTANCE_NUMBER, "instance.instance_number"),
    number(tag::NUMBER_OF_FRAMES, "instance.number_of_frames"),
    number(tag::ROWS, "instance.pixel_rows"),
    number(tag::COLUMNS, "instance.pixel_columns"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::query::attribute::{Attribute, Kind};

    #[test]
    fn every_stored_attribute_has_a_column() {
        for attribute in Attribute::all() {
            assert_eq!(of_tag(attribute.tag).is_some(), attribute.kind == Kind::Stored, "{}", attribute.keyword);
        }
    }
}
