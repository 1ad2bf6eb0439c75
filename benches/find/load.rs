//! Fills an index with studies of two series and ten instances each, nine of ten with an exam report, in large
//! transactions.

use std::time::Instant;

use yingku::domain::query::{search_keys, search_words};
use yingku::index::{Error, Index, Select, Tx};
use yingku::params;

use super::{Engine, names};

/// Studies of one transaction.
const BATCH: u64 = 20_000;
/// Rows of one statement; SQLite binds at most 32766 values.
const ROWS: usize = 500;

/// Loads what is missing up to so many studies.
pub async fn load(engine: Engine, index: &Index, studies: u64) {
    let last = index.query_opt("SELECT MAX(id) AS last FROM study", Vec::new()).await.unwrap().unwrap();
    let mut from = last.get::<Option<i64>>("last").unwrap().map_or(0, |id| id as u64);
    let begun = Instant::now();
    let first = from;
    if first < studies && engine == Engine::Sqlite {
        // Room for the pages of indexes that every transaction touches, in KiB.
        write(index, "PRAGMA cache_size = -600000").await;
    }
    while from < studies {
        let to = (from + BATCH).min(studies);
        index
            .write(move |tx| {
                Box::pin(async move {
                    patients_and_studies(tx, from, to, studies).await?;
                    keys(tx, from, to).await?;
                    series_and_instances(tx, from, to).await?;
                    exam_reports(tx, from, to).await
                })
            })
            .await
            .unwrap_or_else(|error: Error| panic!("loading: {error}"));
        from = to;
        if from % 100_000 == 0 {
            eprintln!("loaded {from} of {studies} studies in {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    if first < studies {
        // What PostgreSQL does by itself after a while; SQLite is asked without statistics, as in service.
        let finish = match engine {
            Engine::Sqlite => "PRAGMA cache_size = -2000",
            Engine::Postgres => "ANALYZE",
        };
        write(index, finish).await;
        eprintln!("loaded {} studies in {:.0} s", studies - first, begun.elapsed().as_secs_f64());
    }
}

async fn write(index: &Index, sql: &'static str) {
    index
        .write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await.map(|_| ()) }))
        .await
        .unwrap_or_else(|error: Error| panic!("{sql}: {error}"));
}

async fn patients_and_studies(tx: &mut Tx, from: u64, to: u64, studies: u64) -> Result<(), Error> {
    let numbers: Vec<u64> = (from..to).collect();
    let patients: Vec<u64> = numbers.iter().copied().filter(|study| study % 2 == 0).collect();
    for chunk in patients.chunks(ROWS) {
        let mut insert = Select::new(
            "INSERT INTO patient (id, org_code, patient_id, issuer, name, sex, birth_date, created_at, updated_at, \
             keyed) VALUES ",
        );
        for (i, study) in chunk.iter().enumerate() {
            insert.push(if i == 0 { "(" } else { ", (" }, vec![]);
            insert.push(
                "?, ?, ?, ?, ?, 'F', '19700101', 0, 0, 2)",
                params![
                    *study as i64 / 2 + 1,
                    names::ORGANIZATION,
                    names::patient_id(*study),
                    study.to_string(),
                    names::name(*study)
                ],
            );
        }
        tx.execute(insert.sql(), insert.values()).await?;
    }
    for chunk in numbers.chunks(ROWS) {
        let mut insert = Select::new(
            "INSERT INTO study (id, patient_pk, org_code, study_instance_uid, study_id, accession_number, study_date, \
             study_time, study_description, referring_physician, institution_name, patient_id, issuer, patient_name, \
             patient_sex, patient_birth_date, patient_age, observation_uid, created_at, updated_at, keyed) VALUES ",
        );
        for (i, study) in chunk.iter().enumerate() {
            insert.push(if i == 0 { "(" } else { ", (" }, vec![]);
            insert.push(
                "?, ?, ?, ?, ?, ?, ?, '103000', 'SYNTHETIC STUDY', 'Ceshi^Jia', '示例医院', ?, ?, ?, 'F', \
                 '19700101', '050Y', ?, 0, 0, 2)",
                params![
                    *study as i64 + 1,
                    *study as i64 / 2 + 1,
                    names::ORGANIZATION,
                    names::study_uid(*study),
                    format!("S{study}"),
                    names::accession_number(*study),
                    names::date(*study, studies),
                    names::patient_id(*study),
                    (study / 2 * 2).to_string(),
                    names::name(*study),
                    names::observation_uid(*study),
                ],
            );
        }
        tx.execute(insert.sql(), insert.values()).await?;
    }
    Ok(())
}

async fn keys(tx: &mut Tx, from: u64, to: u64) -> Result<(), Error> {
    let mut rows: [Vec<(i64, String, i64)>; 2] = [Vec::new(), Vec::new()];
    for study in from..to {
        for key in search_keys(&names::name(study)) {
            rows[0].push((1, key.clone(), study as i64 + 1));
            if study % 2 == 0 {
                rows[1].push((1, key, study as i64 / 2 + 1));
            }
        }
        for word in search_words(&names::name(study)) {
            rows[0].push((4, word.clone(), study as i64 + 1));
            if study % 2 == 0 {
                rows[1].push((4, word, study as i64 / 2 + 1));
            }
        }
        rows[0].push((2, names::patient_id(study), study as i64 + 1));
        rows[0].push((3, names::accession_number(study), study as i64 + 1));
        if study % 2 == 0 {
            rows[1].push((2, names::patient_id(study), study as i64 / 2 + 1));
        }
    }
    let tables = [
        "INSERT INTO study_key (org_code, kind, search_key, study_pk) VALUES ",
        "INSERT INTO patient_key (org_code, kind, search_key, patient_pk) VALUES ",
    ];
    for (table, rows) in tables.into_iter().zip(rows) {
        for chunk in rows.chunks(ROWS * 4) {
            let mut insert = Select::new(table);
            for (i, (kind, key, id)) in chunk.iter().enumerate() {
                insert.push(if i == 0 { "(" } else { ", (" }, vec![]);
                insert.push("?, ?, ?, ?)", params![names::ORGANIZATION, *kind, key.as_bytes(), *id]);
            }
            tx.execute(insert.sql(), insert.values()).await?;
        }
    }
    Ok(())
}

async fn series_and_instances(tx: &mut Tx, from: u64, to: u64) -> Result<(), Error> {
    let numbers: Vec<u64> = (from..to).collect();
    for chunk in numbers.chunks(ROWS) {
        let mut insert = Select::new(
            "INSERT INTO series (id, study_pk, series_instance_uid, modality, kind, series_number, \
             series_description, body_part_examined, laterality, protocol_name, series_date, series_time, \
             station_name, manufacturer, model_name, created_at, updated_at) VALUES ",
        );
        for (i, study) in chunk.iter().enumerate() {
            for series in 1..=2_i64 {
                let modality = if series == 1 { names::modality(*study) } else { "SR" };
                insert.push(if i == 0 && series == 1 { "(" } else { ", (" }, vec![]);
                insert.push(
                    "?, ?, ?, ?, 'image', ?, 'AXIAL', 'CHEST', '', '', '', '', '', 'SYNTHETIC', '', 0, 0)",
                    params![
                        *study as i64 * 2 + series,
                        *study as i64 + 1,
                        format!("{}.{series}", names::study_uid(*study)),
                        modality,
                        series
                    ],
                );
            }
        }
        tx.execute(insert.sql(), insert.values()).await?;
    }
    let modalities = "INSERT INTO study_modality (org_code, modality, study_date, study_pk) \
                      SELECT study.org_code, series.modality, study.study_date, study.id FROM study CROSS JOIN series \
                      WHERE series.study_pk = study.id AND study.id > $1 AND study.id <= $2";
    tx.execute(modalities, params![from as i64, to as i64]).await?;
    // Nine instances in the first series, one in the second.
    let instances = "INSERT INTO instance (id, series_pk, org_code, sop_instance_uid, sop_class_uid, \
                     transfer_syntax_uid, instance_number, number_of_frames, pixel_rows, pixel_columns, content_hash, \
                     object_key, object_offset, object_length, dataset_offset, header_state, calling_ae_title, \
                     received_at) \
                     SELECT series.id * 10 + number.i, series.id, $3, \
                     series.series_instance_uid || '.' || CAST(number.i AS TEXT), '1.2.840.10008.5.1.4.1.1.2', \
                     '1.2.840.10008.1.2.1', number.i, 1, 512, 512, \
                     '0000000000000000000000000000000000000000000000000000000000000000', \
                     'instances/' || CAST(series.id * 10 + number.i AS TEXT), 0, 526336, 352, 'complete', 'BENCH', 0 \
                     FROM series CROSS JOIN (SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) \
                     number WHERE series.study_pk > $1 AND series.study_pk <= $2 \
                     AND (series.series_number = 1 OR number.i = 1)";
    tx.execute(instances, params![from as i64, to as i64, names::ORGANIZATION]).await.map(|_| ())
}

/// Nine of ten studies have been reported; some reports are of VIPs, restricted, withdrawn or not reviewed yet.
async fn exam_reports(tx: &mut Tx, from: u64, to: u64) -> Result<(), Error> {
    let reports = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, \
                   restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, \
                   updated_at, org_code, state, report_form_no, patient_id, event_type, event_no, patient_local_id, \
                   pacs_id, study_instance_uid, id_no, card_no, class_code, class_name, body_part_name, \
                   exam_item_name, report_title, name, sex_code, birth_date, image_descr, conclusion) \
                   SELECT study.id, '0' || SUBSTR(study.observation_uid, 2), 1, \
                   '0000000000000000000000000000000000000000000000000000000000000000', 'BENCH', \
                   CASE WHEN study.id % 50 = 1 THEN 0 ELSE 1 END, CASE WHEN study.id % 1000 = 2 THEN 1 ELSE 0 END, \
                   CASE WHEN study.id % 500 = 3 THEN 1 ELSE 0 END, CASE WHEN study.id % 300 = 4 THEN 1 ELSE 0 END, 0, \
                   'CT', at.observed_at, at.observed_at, 0, 0, study.org_code, '3', 'R' || study.accession_number, \
                   'M' || study.patient_id, '1', 'E' || study.accession_number, study.patient_id, \
                   study.accession_number, study.study_instance_uid, 'N' || study.patient_id, \
                   'C' || study.patient_id, 'CT', 'CT', '胸部', '胸部平扫', '检查报告', study.patient_name, '2', \
                   '1970-01-01 00:00:00', \
                   '两肺纹理清晰，未见明显实变影。气管及主要支气管通畅。纵隔未见明显肿大淋巴结。心影大小形态正常。', \
                   '胸部平扫未见明显异常。' \
                   FROM study JOIN (SELECT id, SUBSTR(study_date, 1, 4) || '-' || SUBSTR(study_date, 5, 2) || '-' || \
                   SUBSTR(study_date, 7, 2) || ' 10:30:00' AS observed_at FROM study WHERE id > $1 AND id <= $2) at \
                   ON at.id = study.id WHERE study.id % 10 <> 0";
    tx.execute(reports, params![from as i64, to as i64]).await?;
    let links = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
                 SELECT id, id, 'study_instance_uid', 0 FROM exam_report WHERE id > $1 AND id <= $2";
    tx.execute(links, params![from as i64, to as i64]).await.map(|_| ())
}
