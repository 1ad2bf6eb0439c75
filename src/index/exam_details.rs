//! What the page of one exam shows: the report's fields, its series and instances, lab results.
//!
//! Callers have checked with [`super::exam_pages::get`] that the session may see the exam.

use super::exam_pages::{Entry, EntryKind};
use super::lab_reports::number_order;
use super::qr_links::LinkedReport;
use super::record_columns::record_of;
use super::{Error, Index, Row, Select};
use crate::domain::lab_report::{self, LabItemField};
use crate::domain::place::Place;
use crate::domain::record::Participant;
use crate::params;

/// Key Object Selection Document Storage.
const KEY_OBJECT_SELECTION: &str = "1.2.840.10008.5.1.4.1.1.88.59";

/// The transfer syntaxes of MPEG-2, H.264 and H.265, 100 to 108, which end in .1 when they may be fragmented.
macro_rules! is_stream {
    ($instance:literal) => {
        concat!($instance, ".transfer_syntax_uid LIKE '1.2.840.10008.1.2.4.10_%'")
    };
}

/// The texts of a report; absent ones are empty. The participant is taken apart (D-R26).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields carry the names of the registration interface")]
pub struct ReportText {
    pub report_form_no: String,
    pub apply_form_no: String,
    pub order_id: String,
    pub event_no: String,
    pub id_no: String,
    pub card_no: String,
    pub sex_name: String,
    pub participant_dept: String,
    pub participant_name: String,
    pub participant_id: String,
    pub participant_dtime: String,
    pub performer_dept_name: String,
    pub performer_doctor: String,
    pub performer_dtime: String,
    pub author_name: String,
    pub author_dtime: String,
    pub authenticator_name: String,
    pub authenticator_dtime: String,
    pub playing_device: String,
    pub outpat_diag_name: String,
    pub patient_condition_descr: String,
    pub exam_purpose: String,
    pub image_descr: String,
    pub conclusion: String,
    pub specimen_name: String,
    pub recognition: String,
    pub item_names: Vec<String>,
}

/// One series, with what its strip shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRow {
    /// Its row.
    pub pk: i64,
    /// (0020,000D) of its study.
    pub study_instance_uid: String,
    /// (0020,000E).
    pub series_instance_uid: String,
    /// Series Number.
    pub number: Option<i64>,
    /// Modality.
    pub modality: String,
    /// SOP class of its instances; of several the first by name.
    pub sop_class_uid: String,
    /// image, film, waveform, document, video, presentation, other.
    pub kind: String,
    /// Series Description, or the protocol's name.
    pub description: String,
    /// Number of instances; a video's bit stream, which is no picture, counts nowhere here.
    pub instances: i64,
    /// Those that have pixels.
    pub pictures: i64,
    /// Those whose bytes only an upstream archive has.
    pub offline: i64,
    /// Number of frames over all instances.
    pub frames: i64,
    /// The instance that stands for the series.
    pub first_instance: i64,
}

impl SeriesRow {
    /// Whether it is shown as images: videos whose pictures are no bit stream, such as endoscopy in JPEG, are too.
    pub fn is_shown_as_images(&self) -> bool {
        matches!(self.kind.as_str(), "image" | "video") && self.instances > 0
    }
}

/// One instance of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its row.
    pub pk: i64,
    /// Number of frames, at least 1.
    pub frames: i64,
    /// Whether it has pixels.
    pub is_picture: bool,
}

/// Where an instance's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceBytes {
    /// Its row.
    pub pk: i64,
    /// The file.
    pub place: Place,
    /// Hash of the data set.
    pub content_hash: String,
    /// Where (7FE0,0010) begins in the file, when there is one.
    pub pixel_data_offset: Option<u64>,
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// Modality of its series.
    pub modality: String,
    /// What its series is: image, film, document, …
    pub kind: String,
}

/// One result of a lab report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields carry the names of the registration interface")]
pub struct LabItem {
    pub name: String,
    pub result_value: String,
    pub result_unit: String,
    pub norm_lower_limit: String,
    pub norm_upper_limit: String,
    pub norm_value_notes: String,
    pub result_interpre: String,
    pub result_interpre_descr: String,
    pub examine_way: String,
    pub recognition: String,
    pub names: Vec<String>,
}

/// The texts of an entry's report.
pub async fn report_text(index: &Index, entry: &Entry) -> Result<ReportText, Error> {
    let sql = match entry.kind {
        EntryKind::Exam => "SELECT *, '' AS specimen_name FROM exam_report WHERE id = $1",
        EntryKind::Lab => {
            "SELECT *, COALESCE(specimen_determiner_name, specimen_class_code) AS specimen_name, \
             '' AS outpat_diag_name, '' AS patient_condition_descr, '' AS exam_purpose, '' AS image_descr, \
             '' AS conclusion FROM lab_report WHERE id = $1"
        }
        EntryKind::Study => return Ok(ReportText::default()),
    };
    let Some(row) = index.query_opt(sql, params![entry.pk]).await? else { return Ok(ReportText::default()) };
    let text = |column: &str| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    let item_columns: &[&str] = match entry.kind {
        EntryKind::Lab => &["class_code", "class_name", "class_local_name"],
        EntryKind::Exam | EntryKind::Study => &["exam_item_code", "exam_item_name"],
    };
    let (name, id) = (text("participant_name")?, text("participant_id")?);
    let participant = Participant::of(&name, &id);
    Ok(ReportText {
        item_names: item_columns.iter().map(|column| text(column)).collect::<Result<_, _>>()?,
        report_form_no: text("report_form_no")?,
        apply_form_no: text("apply_form_no")?,
        order_id: text("order_id")?,
        recognition: text("recognition")?,
        event_no: text("event_no")?,
        id_no: text("id_no")?,
        card_no: text("card_no")?,
        sex_name: text("sex_name")?,
        participant_dept: text("participant_dept")?,
        participant_name: participant.name.to_owned(),
        participant_id: participant.id.to_owned(),
        participant_dtime: text("participant_dtime")?,
        performer_dept_name: text("performer_dept_name")?,
        performer_doctor: text("performer_doctor")?,
        performer_dtime: text("performer_dtime")?,
        author_name: text("author_name")?,
        author_dtime: text("author_dtime")?,
        authenticator_name: text("authenticator_name")?,
        authenticator_dtime: text("authenticator_dtime")?,
        playing_device: text("playing_device")?,
        outpat_diag_name: text("outpat_diag_name")?,
        patient_condition_descr: text("patient_condition_descr")?,
        exam_purpose: text("exam_purpose")?,
        image_descr: text("image_descr")?,
        conclusion: text("conclusion")?,
        specimen_name: text("specimen_name")?,
    })
}

/// The series of an entry's studies, in the order of their numbers.
pub async fn series_of(index: &Index, entry: &Entry, limit: i64) -> Result<Vec<SeriesRow>, Error> {
    let mut select = Select::new(concat!(
        "SELECT r.id AS pk, s.study_instance_uid, r.series_instance_uid, r.series_number, r.modality, r.kind, \
         CASE WHEN r.series_description = '' THEN r.protocol_name ELSE r.series_description END AS description, \
         COUNT(CASE WHEN ",
        is_stream!("i"),
        " THEN NULL ELSE i.id END) AS instances, COUNT(CASE WHEN ",
        is_stream!("i"),
        " THEN NULL ELSE COALESCE(i.pixel_rows, i.pixel_data_offset) END) AS pictures, COUNT(CASE WHEN ",
        is_stream!("i"),
        " THEN NULL ELSE i.offline_at END) AS offline, CAST(SUM(CASE WHEN ",
        is_stream!("i"),
        " THEN 0 WHEN i.number_of_frames > 2147483647 THEN 2147483647 ELSE i.number_of_frames END) AS BIGINT) AS frames, \
         MIN(i.id) AS any_instance, MIN(i.sop_class_uid) AS sop_class_uid, \
         (SELECT f.id FROM instance f WHERE f.series_pk = r.id AND NOT ",
        is_stream!("f"),
        " ORDER BY f.instance_number NULLS LAST, f.id LIMIT 1) AS first_instance \
         FROM series r JOIN study s ON s.id = r.study_pk JOIN instance i ON i.series_pk = r.id WHERE ",
    ));
    push_studies(&mut select, entry);
    select.push(
        " GROUP BY r.id, s.study_instance_uid, r.series_instance_uid, r.series_number, r.modality, r.kind, r.series_description, r.protocol_name \
         ORDER BY COALESCE(r.series_number, 999999), r.id LIMIT ?",
        params![limit],
    );
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(SeriesRow {
                pk: row.int("pk")?,
                study_instance_uid: row.text("study_instance_uid")?,
                series_instance_uid: row.text("series_instance_uid")?,
                number: row.get("series_number")?,
                modality: row.text("modality")?,
                sop_class_uid: row.text("sop_class_uid")?,
                kind: row.text("kind")?,
                description: row.text("description")?,
                instances: row.int("instances")?,
                pictures: row.int("pictures")?,
                offline: row.int("offline")?,
                frames: row.int("frames")?,
                first_instance: row.get::<Option<i64>>("first_instance")?.unwrap_or(row.int("any_instance")?),
            })
        })
        .collect()
}

/// Number of Frames within what an IS can say; rows of earlier versions of the program may say more.
pub(super) fn frames_of(row: &Row) -> Result<i64, Error> {
    Ok(row.int("number_of_frames")?.clamp(1, i64::from(i32::MAX)))
}

/// The instances of a series in the order of their numbers, without video streams.
pub async fn instances_of(index: &Index, series_pk: i64, limit: i64) -> Result<Vec<InstanceRow>, Error> {
    let sql = concat!(
        "SELECT i.id, i.number_of_frames, COALESCE(i.pixel_rows, i.pixel_data_offset) AS pixels FROM instance i \
         WHERE i.series_pk = $1 AND NOT ",
        is_stream!("i"),
        " ORDER BY COALESCE(i.instance_number, 2147483647), i.id LIMIT $2"
    );
    let rows = index.query(sql, params![series_pk, limit]).await?;
    let read = |row: &Row| {
        let is_picture = row.get::<Option<i64>>("pixels")?.is_some();
        Ok(InstanceRow { pk: row.int("id")?, frames: frames_of(row)?, is_picture })
    };
    rows.iter().map(read).collect()
}

/// An instance, when it belongs to one of the entry's studies.
pub async fn instance_of(index: &Index, entry: &Entry, instance_pk: i64) -> Result<Option<InstanceBytes>, Error> {
    let mut select = Select::new(
        "SELECT i.id, i.object_key, i.object_offset, i.object_length, i.content_hash, i.pixel_data_offset, \
         i.sop_class_uid, r.modality, r.kind FROM instance i JOIN series r ON r.id = i.series_pk WHERE ",
    );
    push_studies(&mut select, entry);
    select.push(" AND i.id = ?", params![instance_pk]);
    let row = index.query_opt(select.sql(), select.values()).await?;
    row.as_ref().map(instance_from).transpose()
}

/// One video of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoRow {
    /// The instance's row.
    pub pk: i64,
    /// The series' row.
    pub series_pk: i64,
    /// Series Description, or the protocol's name.
    pub description: String,
    /// Number of frames.
    pub frames: i64,
    /// Whether only an upstream archive has its bytes.
    pub offline: bool,
}

/// The videos of an entry's studies, whatever SOP class they have: how their pixels are encoded makes them one.
pub async fn videos_of(index: &Index, entry: &Entry, limit: i64) -> Result<Vec<VideoRow>, Error> {
    let mut select = Select::new(
        "SELECT i.id, i.series_pk, i.number_of_frames, i.offline_at, \
         CASE WHEN r.series_description = '' THEN r.protocol_name ELSE r.series_description END AS description \
         FROM series r JOIN instance i ON i.series_pk = r.id WHERE ",
    );
    push_studies(&mut select, entry);
    select.push(concat!(" AND ", is_stream!("i")), params![]);
    select.push(
        " ORDER BY COALESCE(r.series_number, 999999), r.id, COALESCE(i.instance_number, 2147483647), i.id LIMIT ?",
        params![limit],
    );
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter()
        .map(|row| {
            Ok(VideoRow {
                pk: row.int("id")?,
                series_pk: row.int("series_pk")?,
                description: row.text("description")?,
                frames: frames_of(row)?,
                offline: row.get::<Option<i64>>("offline_at")?.is_some(),
            })
        })
        .collect()
}

/// The instances of an entry's studies that have these SOP Instance UIDs.
pub async fn instances_by_uid(index: &Index, entry: &Entry, uids: Vec<String>) -> Result<Vec<(String, i64)>, Error> {
    if uids.is_empty() {
        return Ok(Vec::new());
    }
    let mut select =
        Select::new("SELECT i.id, i.sop_instance_uid FROM instance i JOIN series r ON r.id = i.series_pk WHERE ");
    push_studies(&mut select, entry);
    select.push_in(" AND i.sop_instance_uid", uids.into_iter().map(crate::index::Value::from).collect());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(|row| Ok((row.text("sop_instance_uid")?, row.int("id")?))).collect()
}

/// SOP Instance UID and Series Instance UID of those instances of an entry's studies that have these SOP Instance UIDs.
pub async fn series_by_instance(
    index: &Index,
    entry: &Entry,
    uids: Vec<String>,
) -> Result<Vec<(String, String)>, Error> {
    if uids.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = Select::new(
        "SELECT i.sop_instance_uid, r.series_instance_uid FROM instance i JOIN series r ON r.id = i.series_pk WHERE ",
    );
    push_studies(&mut select, entry);
    select.push_in(" AND i.sop_instance_uid", uids.into_iter().map(crate::index::Value::from).collect());
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(|row| Ok((row.text("sop_instance_uid")?, row.text("series_instance_uid")?))).collect()
}

/// The key object selections of an entry's studies, the newest first.
pub async fn key_objects_of(index: &Index, entry: &Entry, limit: i64) -> Result<Vec<i64>, Error> {
    let mut select = Select::new("SELECT i.id FROM instance i JOIN series r ON r.id = i.series_pk WHERE ");
    push_studies(&mut select, entry);
    select.push(" AND i.sop_class_uid = ? ORDER BY i.id DESC LIMIT ?", params![KEY_OBJECT_SELECTION, limit]);
    let rows = index.query(select.sql(), select.values()).await?;
    rows.iter().map(|row| row.int("id")).collect()
}

/// The results of a lab report in the order of their numbers, then of their arrival (D-R36).
pub async fn lab_items(index: &Index, lab_report_pk: i64, limit: i64) -> Result<Vec<LabItem>, Error> {
    let sql = concat!(
        "SELECT * FROM lab_item WHERE lab_report_pk = $1 AND withdrawn = 0 ORDER BY ",
        number_order!(),
        " LIMIT $2"
    );
    let rows = index.query(sql, params![lab_report_pk, limit]).await?;
    rows.iter().map(|row| Ok(LabItem::from_record(&record_of(row)?))).collect()
}

impl LabItem {
    /// What a page shows of a line.
    pub(super) fn from_record(line: &lab_report::LabItem) -> Self {
        let text = |field: LabItemField| line.text(field).to_owned();
        let names = [LabItemField::ClassLocalName, LabItemField::ClassName, LabItemField::ClassCode].map(text);
        Self {
            name: names.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default(),
            names: names.to_vec(),
            result_value: text(LabItemField::ResultValue),
            result_unit: text(LabItemField::ResultUnit),
            norm_lower_limit: text(LabItemField::NormLowerLimit),
            norm_upper_limit: text(LabItemField::NormUpperLimit),
            norm_value_notes: text(LabItemField::NormValueNotes),
            result_interpre: text(LabItemField::ResultInterpre),
            result_interpre_descr: text(LabItemField::ResultInterpreDescr),
            examine_way: text(LabItemField::ExamineWay),
            recognition: text(LabItemField::Recognition),
        }
    }
}

/// Pages' name of the report behind a printed code, and the patient's identity number; `None` when it is withdrawn.
pub async fn report_of_link(index: &Index, report: LinkedReport) -> Result<Option<LinkedIdentity>, Error> {
    let (sql, pk) = match report {
        LinkedReport::Exam(pk) => {
            ("SELECT observation_uid, id_no, card_no, birth_date FROM exam_report WHERE id = $1 AND withdrawn = 0", pk)
        }
        LinkedReport::Lab(pk) => (
            "SELECT l.observation_uid, l.id_no, l.card_no, p.birth_date FROM lab_report l \
             LEFT JOIN patient_record p ON p.org_code = l.org_code AND p.patient_id = l.patient_id \
             AND p.origin = 'report' AND p.issuer = '' WHERE l.id = $1 AND l.withdrawn = 0",
            pk,
        ),
    };
    let Some(row) = index.query_opt(sql, params![pk]).await? else { return Ok(None) };
    let text = |column| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    Ok(Some(LinkedIdentity {
        observation_uid: row.text("observation_uid")?,
        id_no: text("id_no")?,
        card_no: text("card_no")?,
        birth_date: text("birth_date")?,
    }))
}

/// What the report behind a printed code says of its patient's identity; empty where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// By which pages name the report.
    pub observation_uid: String,
    /// Identity number.
    pub id_no: String,
    /// Card number.
    pub card_no: String,
    /// Date of birth, as it is kept.
    pub birth_date: String,
}

fn push_studies(select: &mut Select, entry: &Entry) {
    match entry.kind {
        EntryKind::Exam => select
            .push("r.study_pk IN (SELECT x.study_pk FROM exam_study x WHERE x.exam_report_pk = ?)", params![entry.pk]),
        EntryKind::Study => select.push("r.study_pk = ?", params![entry.pk]),
        EntryKind::Lab => select.push("1 = 0", params![]),
    };
}

fn instance_from(row: &Row) -> Result<InstanceBytes, Error> {
    let size = |column| row.int(column).and_then(|v| u64::try_from(v).map_err(|_| Error::Damaged("instance.object")));
    Ok(InstanceBytes {
        pk: row.int("id")?,
        place: Place { key: row.text("object_key")?, offset: size("object_offset")?, length: size("object_length")? },
        content_hash: row.text("content_hash")?,
        pixel_data_offset: row.get::<Option<i64>>("pixel_data_offset")?.and_then(|v| u64::try_from(v).ok()),
        sop_class_uid: row.text("sop_class_uid")?,
        modality: row.text("modality")?,
        kind: row.text("kind")?,
    })
}
