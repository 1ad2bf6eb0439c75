//! Gives nine of ten exams a study, and makes as many studies again as every tenth exam that nobody has reported.

use std::time::Instant;

use yingku::index::{Error, Index};

use super::load::Engine;

/// What is made, one statement each, from the exam reports that are there.
const STATEMENTS: [&str; 6] = [
    "INSERT INTO patient (id, org_code, patient_id, issuer, name, sex, birth_date, created_at, updated_at, keyed) \
     SELECT id, org_code, patient_id, '', name, 'M', '', 0, 0, 2 FROM patient_record",
    // The report of every tenth is left away again below.
    "INSERT INTO study (id, patient_pk, org_code, study_instance_uid, study_id, accession_number, study_date, study_time, \
     study_description, referring_physician, institution_name, patient_id, issuer, patient_name, patient_sex, \
     patient_birth_date, patient_age, observation_uid, created_at, updated_at, keyed) \
     SELECT e.id, p.id, e.org_code, e.study_instance_uid, '', e.pacs_id, \
     SUBSTR(e.observed_at, 1, 4) || SUBSTR(e.observed_at, 6, 2) || SUBSTR(e.observed_at, 9, 2), '093000', '胸部平扫', '', \
     '', p.patient_id, '', e.name, 'M', '', '', '1' || SUBSTR(e.observation_uid, 2), 0, 0, 2 \
     FROM exam_report e JOIN patient_record p ON p.org_code = e.org_code AND p.patient_id = e.patient_id",
    "INSERT INTO series (id, study_pk, series_instance_uid, modality, kind, series_number, series_description, \
     body_part_examined, laterality, protocol_name, series_date, series_time, station_name, manufacturer, model_name, \
     created_at, updated_at) SELECT id, id, study_instance_uid || '.1', 'CT', 'image', 1, 'AXIAL', 'CHEST', '', '', '', \
     '', '', 'SYNTHETIC', '', 0, 0 FROM study",
    "INSERT INTO study_modality (org_code, modality, study_date, study_pk) SELECT org_code, 'CT', study_date, id FROM study",
    "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
     SELECT id, id, 'study_instance_uid', 0 FROM study WHERE id % 10 <> 0",
    "CREATE TABLE bench_studies (studies BIGINT NOT NULL)",
];

/// Adds them to an index that holds reports only.
pub async fn load(engine: Engine, index: &Index, exams: u64) {
    let began = Instant::now();
    if engine == Engine::Sqlite {
        run(index, "PRAGMA cache_size = -600000").await;
    }
    for sql in STATEMENTS {
        run(index, sql).await;
        eprintln!("{}… after {:.0} s", &sql[..30], began.elapsed().as_secs_f64());
    }
    run(index, "INSERT INTO bench_studies (studies) SELECT COUNT(*) FROM study").await;
    match engine {
        Engine::Sqlite => run(index, "PRAGMA cache_size = -16384").await,
        Engine::Postgres => run(index, "ANALYZE").await,
    }
    eprintln!("studies of {exams} exams in {:.0} s", began.elapsed().as_secs_f64());
}

async fn run(index: &Index, sql: &'static str) {
    let write = index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await.map(|_| ()) }));
    write.await.unwrap_or_else(|error: Error| panic!("{sql}: {error}"));
}
