//! PostgreSQL chooses its plans by what the tables hold: among tens of thousands of studies with statistics, queries and
//! lists still walk indexes, and what has the order of its index is not sorted.

use std::time::Duration;

use yingku::domain::criteria::Span;
use yingku::domain::query::NameMatching;
use yingku::domain::scope::{Order as ListOrder, Paging, SortBy};
use yingku::index::find::Confidentiality;
use yingku::index::registrations::{self, ImageKeys, ReportKeys};
use yingku::index::report_changes::Subject;
use yingku::index::{Error, Index, exam_pages, statistics};
use yingku::params;

use super::find_plans::{CASES, Order, explained, query};
use super::{exam_lists, kept_reports};
use crate::harness::{TestDatabase, eventually};

/// Two hospitals, the first with twice as many studies, of five years; each study has two series of four instances, and a
/// report. One of twenty patients is called Wang, and no number belongs to many.
const FILL: &[&str] = &[
    "CREATE TEMPORARY TABLE n AS SELECT i, CASE WHEN i <= 20000 THEN 'ORG-T01' ELSE 'ORG-T02' END AS org, \
     CASE WHEN i % 20 = 0 THEN 'wang' ELSE 'family' || (i % 20) END || '^' || \
     CASE WHEN i % 100 = 0 THEN 'xiaoming' ELSE 'given' || (i % 700) END AS name, \
     'L' || LPAD((i / 2)::TEXT, 4, '0') AS patient, 'A' || LPAD(i::TEXT, 4, '0') AS accession, \
     TO_CHAR(DATE '2020-01-01' + (i * 7919 % 1826), 'YYYYMMDD') AS day, \
     TO_CHAR(DATE '2020-01-01' + (i * 7919 % 1826), 'YYYY-MM-DD') || ' 10:30:00' AS at, \
     (ARRAY['CT', 'MR', 'DX', 'US'])[i % 4 + 1] AS modality FROM GENERATE_SERIES(1, 30000) AS i",
    "INSERT INTO patient (id, org_code, patient_id, issuer, name, sex, birth_date, created_at, updated_at, keyed) \
     SELECT i, org, patient, i::TEXT, name, 'F', '19700101', 0, 0, 2 FROM n",
    "INSERT INTO study (id, patient_pk, org_code, study_instance_uid, study_id, accession_number, study_date, \
     study_time, study_description, referring_physician, institution_name, patient_id, issuer, patient_name, \
     patient_sex, patient_birth_date, patient_age, observation_uid, created_at, updated_at, keyed) \
     SELECT i, i, org, '2.25.' || i, (i / 50)::TEXT, accession, CASE WHEN i % 500 = 0 THEN '' ELSE day END, '1030', \
     'SYNTHETIC', '', '', patient, i::TEXT, name, 'F', '19700101', '', 'study-' || i, 0, 0, 2 FROM n",
    "INSERT INTO patient_key (org_code, kind, search_key, patient_pk) \
     SELECT org, 1, CONVERT_TO(name, 'UTF8'), i FROM n UNION ALL \
     SELECT org, 4, CONVERT_TO(SPLIT_PART(name, '^', 2), 'UTF8'), i FROM n UNION ALL \
     SELECT org, 2, CONVERT_TO(patient, 'UTF8'), i FROM n",
    "INSERT INTO study_key (org_code, kind, search_key, study_pk) \
     SELECT org_code, kind, search_key, patient_pk FROM patient_key UNION ALL \
     SELECT org, 3, CONVERT_TO(accession, 'UTF8'), i FROM n",
    "INSERT INTO series (id, study_pk, series_instance_uid, modality, kind, series_number, series_description, \
     body_part_examined, laterality, protocol_name, series_date, series_time, station_name, manufacturer, \
     model_name, created_at, updated_at) \
     SELECT i * 2 + j, i, '2.25.' || i || '.' || j, modality, 'image', j, '', '', '', '', '', '', '', '', '', 0, 0 \
     FROM n CROSS JOIN GENERATE_SERIES(0, 1) AS j",
    "INSERT INTO study_modality (org_code, modality, study_date, study_pk) \
     SELECT DISTINCT study.org_code, series.modality, study.study_date, study.id FROM study \
     JOIN series ON series.study_pk = study.id",
    "INSERT INTO instance (id, series_pk, org_code, sop_instance_uid, sop_class_uid, transfer_syntax_uid, \
     instance_number, number_of_frames, content_hash, object_key, object_offset, object_length, dataset_offset, \
     header_state, calling_ae_title, received_at) \
     SELECT series.id * 4 + j, series.id, study.org_code, series.series_instance_uid || '.' || j, \
     '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', j, 1, '', 'o/' || series.id || '/' || j, 0, 0, 0, \
     'complete', '', 0 \
     FROM series JOIN study ON study.id = series.study_pk CROSS JOIN GENERATE_SERIES(1, 4) AS j",
    "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, restricted, \
     withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, updated_at, org_code, \
     report_form_no, patient_id, event_type, event_no, patient_local_id, pacs_id, study_instance_uid, id_no, card_no, \
     apply_form_no, order_id, class_code, name, state) \
     SELECT i, 'exam-' || i, 1, '', 'ris', 1, (i % 1000 = 2)::INT, (i % 500 = 3)::INT, (i % 300 = 4)::INT, 0, \
     modality, at, at, 0, i * 60000, org, 'R' || i, 'M' || patient, '1', 'E' || i, patient, accession, '2.25.' || i, \
     'N' || i, 'C' || i, 'F' || i, 'O' || i, CASE i % 3 WHEN 0 THEN modality WHEN 1 THEN 'G001' END, name, '3' FROM n",
    "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) SELECT i, i, 'x', 0 FROM n WHERE i % 10 <> 0",
    "INSERT INTO lab_report (id, observation_uid, version, content_hash, sender, withdrawn, identity_conflict, \
     retrieve_at, observed_at, received_at, updated_at, org_code, report_form_no, patient_id, event_type, event_no, \
     id_no, card_no, apply_form_no, order_id, specimen_id, class_code, name) \
     SELECT i, 'lab-' || i, 1, '', 'lis', 0, 0, at, at, 0, i * 60000, org, 'R' || i, 'M' || patient, '1', 'E' || i, 'N' || i, \
     'C' || i, 'F' || i, 'O' || i, 'S' || i, 'G00' || (i % 4), name FROM n",
    "INSERT INTO person (id, master_id, created_at, updated_at) SELECT i, 'person-' || i, 0, 0 FROM n",
    "INSERT INTO patient_record (id, org_code, origin, patient_id, issuer, name, card_no, stamp, contradictions, \
     revision, settled, by_hand, person_pk, created_at, updated_at) \
     SELECT i, org, 'report', 'M' || i, '', name, 'C' || i, '', '', 1, 1, 0, i, 0, 0 FROM n",
];

/// Rows of a page, and of how many pages rows may be sorted where an index has the order: what a few pages hold is as well
/// found first and sorted then, and the planner knows how many there are.
const PAGE_ROWS: u32 = 50;
const SORTED_PAGES: u32 = 10;

async fn filled(database: &TestDatabase) -> Index {
    let (index, _ids) = database.open_with_ids().await;
    index
        .write(|tx| {
            Box::pin(async move {
                for sql in FILL {
                    tx.execute(*sql, params![]).await?;
                }
                Ok::<_, Error>(())
            })
        })
        .await
        .unwrap();
    // What the server does by itself after a while; the engine's counters may be a moment late.
    eventually(Duration::from_secs(120), "all tables that were filled are analysed", async || {
        statistics::keep_pace(&index).await.unwrap();
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS unknown FROM pg_class WHERE reltuples < 1 AND relname IN \
                   ('patient', 'study', 'series', 'instance', 'exam_report', 'lab_report', 'patient_record')";
        let unknown = index.query_opt(sql, params![]).await.unwrap().unwrap().int("unknown").unwrap();
        (unknown == 0).then_some(())
    })
    .await;
    assert_eq!(statistics::keep_pace(&index).await.unwrap(), 0, "nothing has grown since");
    index
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_decides_about_a_report_is_found_by_its_own_keys_once_tables_are_known() {
    let database = TestDatabase::postgres();
    let index = filled(&database).await;
    let keys = ReportKeys { org_code: "ORG-T01", report_form_no: "R77", patient_id: "ML0038" };
    let (accessions, study_instance_uids) = (["A0077".to_owned()], ["2.25.77".to_owned()]);
    let images = ImageKeys { accessions: &accessions, study_instance_uids: &study_instance_uids };
    let lines = registrations::explain(&index, keys, images).await.unwrap();
    let told = lines.join("\n");
    assert!(!lines.iter().any(|line| reads_all(line)), "{told}");
    // Of attachments there are none, and any plan is as good.
    let by_organisation_alone = lines.windows(2).any(|pair| {
        let condition = pair[1].split_once("Index Cond: ").map(|(_, condition)| condition);
        !pair[0].contains(" on attachment")
            && condition.is_some_and(|text| text.contains("org_code") && !text.contains(" AND "))
    });
    assert!(!by_organisation_alone, "{told}");
}

/// Whether a line of a plan reads one of the tables that grow from end to end.
fn reads_all(line: &str) -> bool {
    const LARGE: [&str; 11] = [
        "patient",
        "study",
        "series",
        "instance",
        "patient_key",
        "study_key",
        "study_modality",
        "exam_report",
        "exam_study",
        "lab_report",
        "patient_record",
    ];
    let table = line.split("Seq Scan on ").nth(1).and_then(|rest| rest.split_whitespace().next());
    table.is_some_and(|table| LARGE.contains(&table))
}

/// Whether a line sorts many rows; what is sorted only among equals of an index's order costs no more on a later page.
fn sorts(line: &str) -> bool {
    let node = line.trim_start().trim_start_matches("->").trim_start();
    let rows = node.split(" rows=").nth(1).and_then(|rest| rest.split(' ').next());
    node.starts_with("Sort  (") && rows.is_none_or(|rows| rows.parse::<u32>().unwrap() > PAGE_ROWS * SORTED_PAGES)
}

/// The first of several plans, without those of values that are computed for the rows of a page.
fn first_plan(lines: &[String]) -> &[String] {
    let is_next = |line: &String| !line.starts_with(' ');
    let end = lines.iter().skip(1).position(is_next).map_or(lines.len(), |at| at + 1);
    &lines[..end]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_walks_an_index_on_postgresql() {
    let database = TestDatabase::postgres();
    let index = filled(&database).await;
    let mut bad = Vec::new();
    for (level, keys, order) in CASES {
        for names in [NameMatching::Literal, NameMatching::Fuzzy] {
            let query = query(*level, keys, names);
            for confidentiality in
                [Confidentiality::Everything, Confidentiality::Privileged, Confidentiality::SharedOnly]
            {
                for lines in explained(&index, &query, confidentiality, PAGE_ROWS).await {
                    let is_bad = lines.iter().any(|line| reads_all(line))
                        || (*order == Order::OfIndex && first_plan(&lines).iter().any(|line| sorts(line)));
                    if is_bad {
                        bad.push(format!("{level:?} {keys:08X?} {names:?} {confidentiality:?}\n{}", lines.join("\n")));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} plans:\n{}", bad.len(), bad.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_walks_an_index_on_postgresql() {
    let database = TestDatabase::postgres();
    let index = filled(&database).await;
    let mut bad = Vec::new();
    for (name, scope, mut filter) in exam_lists::cases() {
        // Reports fill a part of such a list, and leave a few days to studies without a report.
        if ["everything", "typed", "written", "critical"].contains(&name.as_str()) {
            filter.observed = Span { from: "2022-03-01 00:00:00".to_owned(), to: "2022-03-05 23:59:59".to_owned() };
        }
        for order in [ListOrder::Newest, ListOrder::Oldest] {
            for after in [None, Some(("2022-03-02 10:00:00".to_owned(), "uid".to_owned()))] {
                let paging = Paging { by: SortBy::Observed, order, after: after.clone(), limit: 51 };
                let lines = exam_pages::explain(&index, &scope, &filter, &paging).await.unwrap();
                let told = lines.join("\n");
                let walks: &[&str] = match name.as_str() {
                    "written" | "critical" => &["exam_report_observed"],
                    "everything" => &["exam_report_observed", "lab_report_observed", "study_org_date"],
                    "typed" => {
                        &["exam_report_class", "exam_report_modality", "lab_report_class", "study_modality_pkey"]
                    }
                    _ => &[],
                };
                let misses = walks.iter().any(|index| !told.contains(index));
                if lines.iter().any(|line| reads_all(line)) || misses {
                    bad.push(format!("{name} {order:?} {after:?}\n{told}"));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} plans:\n{}", bad.len(), bad.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_changed_is_found_without_reading_all_reports_on_postgresql() {
    let database = TestDatabase::postgres();
    let index = filled(&database).await;
    let mut bad = Vec::new();
    for (subject, walk, table) in [
        (Subject::Exam, "exam_report_updated", "Seq Scan on exam_report"),
        (Subject::Lab, "lab_report_updated", "Seq Scan on lab_report"),
    ] {
        for (asked, lines) in kept_reports::of_changes(&index, subject).await {
            let told = lines.join("\n");
            if !told.contains(walk) || told.contains(table) || lines.iter().any(|line| sorts(line)) {
                bad.push(format!("{asked}\n{told}"));
            }
        }
    }
    assert!(bad.is_empty(), "{} plans:\n{}", bad.len(), bad.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_reports_are_found_without_reading_all_reports_on_postgresql() {
    let database = TestDatabase::postgres();
    let index = filled(&database).await;
    for (subject, table) in [(Subject::Exam, "Seq Scan on exam_report"), (Subject::Lab, "Seq Scan on lab_report")] {
        for (asked, lines) in kept_reports::of_person(&index, subject).await {
            let told = lines.join("\n");
            assert!(!told.contains(table), "{asked}\n{told}");
        }
    }
}
