//! Fills an index with reports in large transactions, in the order in which they would have come. Indexes are taken away
//! meanwhile and made again at the end, which is ten times as fast and gives the same.

use std::time::Instant;

use yingku::index::{Error, Index, Select, Tx};
use yingku::params;

use super::people::{self, RECORDS_OF_ONE, REPORTS_OF_ONE};

/// Reports of one transaction.
const BATCH: u64 = 50_000;
/// Rows of one statement; SQLite binds at most 32766 values.
const ROWS: usize = 1000;
/// Days over which the reports are spread, up to yesterday.
pub const DAYS: u64 = 730;

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Loads an empty index.
pub async fn load(engine: Engine, index: &Index, reports: u64) {
    let began = Instant::now();
    let people = (reports / REPORTS_OF_ONE).max(1);
    let indexes = indexes(engine, index).await;
    for (name, _) in &indexes {
        run(index, leaked(format!("DROP INDEX {name}"))).await;
    }
    if engine == Engine::Sqlite {
        // Room for the pages that are written, and for sorting; in KiB.
        run(index, "PRAGMA cache_size = -600000").await;
    }
    run(index, "CREATE TABLE bench_day (n BIGINT PRIMARY KEY, day TEXT NOT NULL, ms BIGINT NOT NULL)").await;
    run(index, "CREATE TABLE bench_number (n BIGINT PRIMARY KEY)").await;
    index.write(|tx| Box::pin(days_and_numbers(tx))).await.unwrap_or_else(|error: Error| panic!("days: {error}"));
    for from in (0..people).step_by(BATCH as usize) {
        let to = (from + BATCH).min(people);
        let write = index.write(move |tx| Box::pin(persons(tx, from, to)));
        write.await.unwrap_or_else(|error: Error| panic!("people: {error}"));
    }
    if engine == Engine::Postgres {
        run(index, "ANALYZE").await;
    }
    eprintln!("{people} people in {:.0} s", began.elapsed().as_secs_f64());
    let (half, records) = (reports / 2, people * RECORDS_OF_ONE);
    for from in (0..half).step_by(BATCH as usize) {
        let count = BATCH.min(half - from);
        let write = index.write(move |tx| Box::pin(some_reports(tx, from, count, records, half)));
        write.await.unwrap_or_else(|error: Error| panic!("reports: {error}"));
        if (from + count) % 500_000 == 0 {
            eprintln!("{} of {reports} reports in {:.0} s", (from + count) * 2, began.elapsed().as_secs_f64());
        }
    }
    run(index, "DROP TABLE bench_number").await;
    run(index, "DROP TABLE bench_day").await;
    for (name, sql) in indexes {
        run(index, leaked(sql)).await;
        eprintln!("index {name} after {:.0} s", began.elapsed().as_secs_f64());
    }
    // Nothing is left for the work that goes on behind: every patient has a row, every person is known.
    run(index, "UPDATE patient_fill SET done = 1").await;
    match engine {
        // SQLite is asked without statistics, as in service.
        Engine::Sqlite => run(index, "PRAGMA cache_size = -16384").await,
        // What PostgreSQL does by itself after a while.
        Engine::Postgres => run(index, "ANALYZE").await,
    }
    run(index, "CREATE TABLE bench_loaded (reports BIGINT NOT NULL)").await;
    run(index, leaked(format!("INSERT INTO bench_loaded (reports) VALUES ({reports})"))).await;
    eprintln!("{reports} reports loaded in {:.0} s", began.elapsed().as_secs_f64());
}

/// Names and statements of the indexes of the large tables, those of constraints left out.
async fn indexes(engine: Engine, index: &Index) -> Vec<(String, String)> {
    let sql = match engine {
        Engine::Sqlite => {
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL \
             AND tbl_name IN ('exam_report', 'lab_report', 'lab_item', 'patient_record')"
        }
        Engine::Postgres => {
            "SELECT CAST(indexname AS TEXT) AS name, indexdef AS sql FROM pg_indexes \
             WHERE indexdef NOT LIKE 'CREATE UNIQUE%' \
             AND tablename IN ('exam_report', 'lab_report', 'lab_item', 'patient_record')"
        }
    };
    let rows = index.query(sql, Vec::new()).await.unwrap();
    rows.iter().map(|row| (row.text("name").unwrap(), row.text("sql").unwrap())).collect()
}

/// Statements of the database's own words, not of anybody's data.
fn leaked(sql: String) -> &'static str {
    Box::leak(sql.into_boxed_str())
}

async fn run(index: &Index, sql: &'static str) {
    let write = index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await.map(|_| ()) }));
    write.await.unwrap_or_else(|error: Error| panic!("{sql}: {error}"));
}

async fn days_and_numbers(tx: &mut Tx) -> Result<(), Error> {
    let first = time::OffsetDateTime::now_utc() - time::Duration::days(DAYS as i64);
    for n in 0..DAYS {
        let day = first + time::Duration::days(n as i64);
        let ms = day.unix_timestamp() * 1000;
        let sql = "INSERT INTO bench_day (n, day, ms) VALUES ($1, $2, $3)";
        tx.execute(sql, params![n as i64, day.date().to_string(), ms]).await?;
    }
    let numbers: Vec<u64> = (0..BATCH).collect();
    for chunk in numbers.chunks(ROWS) {
        let mut insert = Select::new("INSERT INTO bench_number (n) VALUES ");
        for (i, n) in chunk.iter().enumerate() {
            insert.push(if i == 0 { "(?)" } else { ", (?)" }, params![*n as i64]);
        }
        tx.execute(insert.sql(), insert.values()).await?;
    }
    Ok(())
}

async fn persons(tx: &mut Tx, from: u64, to: u64) -> Result<(), Error> {
    let people: Vec<u64> = (from..to).collect();
    for chunk in people.chunks(ROWS) {
        let mut insert = Select::new("INSERT INTO person (id, master_id, created_at, updated_at) VALUES ");
        for (i, person) in chunk.iter().enumerate() {
            let piece = if i == 0 { "(?, ?, 0, 0)" } else { ", (?, ?, 0, 0)" };
            insert.push(piece, params![*person as i64 + 1, format!("00000000-0000-5000-8000-{person:012}")]);
        }
        tx.execute(insert.sql(), insert.values()).await?;
        let mut insert = Select::new(
            "INSERT INTO patient_record (id, person_pk, org_code, patient_id, name, birth_date, id_no, id_no_key, \
             card_no, origin, issuer, sex_code, stamp, contradictions, revision, settled, by_hand, created_at, \
             updated_at) VALUES ",
        );
        let records = chunk.iter().flat_map(|person| (0..RECORDS_OF_ONE).map(|record| (*person, record)));
        for (i, (person, record)) in records.enumerate() {
            insert.push(if i == 0 { "(" } else { ", (" }, vec![]);
            insert.push(
                "?, ?, ?, ?, ?, ?, ?, ?, ?, 'report', '', '1', '2024-01-01 00:00:00', '', 1, 1, 0, 0, 0)",
                params![
                    (person * RECORDS_OF_ONE + record) as i64 + 1,
                    person as i64 + 1,
                    people::hospital_of(person, record),
                    people::patient_id(person, record),
                    people::name(person),
                    people::birth_date(person),
                    people::id_no(person),
                    people::id_no(person),
                    people::card_no(person),
                ],
            );
        }
        tx.execute(insert.sql(), insert.values()).await?;
    }
    Ok(())
}

/// So many exam reports and as many lab reports from a number on; the patient of a number is anybody.
async fn some_reports(tx: &mut Tx, from: u64, count: u64, records: u64, of: u64) -> Result<(), Error> {
    let values = || params![from as i64, records as i64, (of / DAYS).max(1) as i64, count as i64];
    let exams = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, restricted, \
                 withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, updated_at, \
                 last_update_dtime, org_code, state, report_form_no, patient_id, event_type, event_no, \
                 patient_local_id, performer_dtime, pacs_id, study_instance_uid, id_no, card_no, class_code, class_name, \
                 retrieve_date, body_part_name, exam_item_name, report_title, name, sex_code, birth_date, author_name, \
                 authenticator_dtime, authenticator_name, image_descr, conclusion, notes, delay_s) \
                 SELECT e.n + 1, '00000000-0000-5000-8001-' || SUBSTR(CAST(1000000000000 + e.n AS TEXT), 2), 1, \
                 '0000000000000000000000000000000000000000000000000000000000000000', 'bench', 1, \
                 CASE WHEN e.n % 1000 = 2 THEN 1 ELSE 0 END, CASE WHEN e.n % 500 = 3 THEN 1 ELSE 0 END, \
                 CASE WHEN e.n % 300 = 4 THEN 1 ELSE 0 END, 0, 'CT', d.day || ' 10:30:00', d.day || ' 09:30:00', \
                 d.ms, d.ms, d.day || ' 10:40:00', p.org_code, '3', 'X' || CAST(e.n AS TEXT), p.patient_id, '1', \
                 'V' || CAST(e.n AS TEXT), p.patient_id, d.day || ' 09:30:00', 'A' || CAST(e.n AS TEXT), \
                 '2.25.4' || CAST(e.n AS TEXT), p.id_no, p.card_no, 'CT', 'CT', d.day || ' 10:30:00', '胸部', \
                 '胸部平扫', '检查报告', p.name, p.sex_code, p.birth_date || ' 00:00:00', '测试医生甲', \
                 d.day || ' 10:20:00', '测试医生乙', \
                 '两肺纹理清晰，未见明显实变影。气管及主要支气管通畅。纵隔未见明显肿大淋巴结。心影大小形态正常。', \
                 '胸部平扫未见明显异常。', CASE WHEN e.n % 20 = 0 THEN 'E1005:Body_Part_Name' ELSE '' END, \
                 600 + e.n % 7200 \
                 FROM (SELECT $1 + n AS n FROM bench_number WHERE n < $4) e CROSS JOIN patient_record p \
                 CROSS JOIN bench_day d WHERE p.id = e.n * 7919317 % $2 + 1 AND d.n = e.n / $3 % 730";
    tx.execute(exams, values()).await?;
    let labs = "INSERT INTO lab_report (id, observation_uid, version, content_hash, sender, withdrawn, \
                identity_conflict, retrieve_at, observed_at, received_at, updated_at, last_update_dtime, org_code, \
                report_form_no, patient_id, event_type, event_no, id_no, card_no, retrieve_date, class_code, \
                class_name, report_title, name, sex_code, specimen_id, performer_dtime, notes, delay_s) \
                SELECT e.n + 1, '00000000-0000-5000-8002-' || SUBSTR(CAST(1000000000000 + e.n AS TEXT), 2), 1, \
                '0000000000000000000000000000000000000000000000000000000000000000', 'bench', \
                CASE WHEN e.n % 300 = 4 THEN 1 ELSE 0 END, 0, d.day || ' 10:30:00', d.day || ' 09:30:00', d.ms, d.ms, \
                d.day || ' 10:40:00', p.org_code, 'B' || CAST(e.n AS TEXT), p.patient_id, '1', \
                'W' || CAST(e.n AS TEXT), p.id_no, p.card_no, d.day || ' 10:30:00', 'G003', '血常规', \
                '血常规检验报告单', p.name, p.sex_code, 'S' || CAST(e.n AS TEXT), d.day || ' 09:30:00', \
                CASE WHEN e.n % 20 = 0 THEN 'E1005:Class_Code' ELSE '' END, 600 + e.n % 7200 \
                FROM (SELECT $1 + n AS n FROM bench_number WHERE n < $4) e CROSS JOIN patient_record p \
                CROSS JOIN bench_day d WHERE p.id = (e.n * 104729 + 1) % $2 + 1 AND d.n = e.n / $3 % 730";
    tx.execute(labs, values()).await?;
    let items = "INSERT INTO lab_item (id, lab_report_pk, owner, version, content_hash, sender, withdrawn, received_at, \
                 updated_at, last_update_dtime, org_code, event_no, report_form_no, serial_no, class_code, class_name, \
                 result_value, result_unit, norm_lower_limit, norm_upper_limit, notes) \
                 SELECT h.id * 2 + k.k, h.id, h.id, 1, \
                 '0000000000000000000000000000000000000000000000000000000000000000', 'bench', 0, h.received_at, \
                 h.updated_at, h.last_update_dtime, h.org_code, h.event_no, h.report_form_no, CAST(k.k AS TEXT), \
                 '6690-2', '白细胞计数', '5.1', '10^9/L', '3.5', '9.5', '' \
                 FROM lab_report h CROSS JOIN (SELECT 1 AS k UNION ALL SELECT 2) k WHERE h.id > $1 AND h.id <= $2";
    tx.execute(items, params![from as i64, (from + count) as i64]).await.map(|_| ())
}
