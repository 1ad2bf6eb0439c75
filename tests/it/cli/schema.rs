//! `yingku schema diff` (D-X11; R1.4.1.2-1)

use std::path::Path;
use std::process::Output;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection, raw_sql};
use yingku::params;

use super::{CONFIGURATION, text, yingku};
use crate::each_database;
use crate::harness::{TestDatabase, base_toml};

/// Runs SQL behind the program's back, as somebody with a tool of the database does.
async fn by_hand(database: &TestDatabase, sql: &str) {
    let url = database.config().url;
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn folder(database: &TestDatabase) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let objects = format!("file://{}/objects", folder.path().display());
    std::fs::write(folder.path().join(CONFIGURATION), base_toml(any, any, &database.config().url, &objects)).unwrap();
    folder
}

async fn diff(folder: &Path, more: &[&str]) -> Output {
    let mut command = yingku(folder, &[&["schema", "diff"], more].concat());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

each_database! {
    async fn d_x11_what_is_missing_is_told_and_the_script_brings_it_back(database: TestDatabase) {
        let folder = folder(&database);
        database.open().await.close().await;
        let same = diff(folder.path(), &[]).await;
        assert_eq!(same.status.code(), Some(0), "{}", text(&same));
        assert!(text(&same).contains("as the migrations make it"), "{}", text(&same));

        by_hand(&database, "
            DROP TABLE report_version;
            DROP INDEX lab_item_report;
            ALTER TABLE lab_report DROP COLUMN specimen_risk;
            ALTER TABLE inbox_message DROP COLUMN headers;
            DROP TABLE page_session;
            ALTER TABLE patient ADD COLUMN nickname TEXT;
            CREATE TABLE notes (id INTEGER);
            CREATE INDEX by_hand ON exam_report (conclusion);
        ").await;
        let told = diff(folder.path(), &["--script", "mend.sql"]).await;
        assert_eq!(told.status.code(), Some(1), "{}", text(&told));
        let lines = text(&told).to_lowercase();
        for line in [
            "missing     table report_version",
            "missing     table page_session",
            "missing     index lab_item_report on lab_item",
            "missing     column lab_report.specimen_risk text",
            "missing     column inbox_message.headers text not null default ''",
            "unexpected  column patient.nickname text",
            "unexpected  table notes",
            "unexpected  index by_hand on exam_report",
        ] {
            assert!(lines.contains(line), "{line}: {lines}");
        }

        let script = std::fs::read_to_string(folder.path().join("mend.sql")).unwrap();
        assert!(!script.to_uppercase().lines().any(|line| line.starts_with("DROP") || line.starts_with("DELETE")));
        by_hand(&database, &script).await;
        let left = diff(folder.path(), &[]).await;
        assert_eq!(left.status.code(), Some(1));
        assert!(text(&left).contains("3 difference(s)") && !text(&left).contains("missing"), "{}", text(&left));
        let again = diff(folder.path(), &["--script", "mend.sql"]).await;
        assert_eq!(again.status.code(), Some(2), "a reviewed script is not written over: {}", text(&again));

        by_hand(&database, "
            ALTER TABLE patient DROP COLUMN nickname;
            DROP TABLE notes;
            DROP INDEX by_hand;
        ").await;
        assert_eq!(diff(folder.path(), &[]).await.status.code(), Some(0));
        database.open().await.close().await;
    }

    async fn what_needs_a_decision_is_told_and_left_to_a_person(database: TestDatabase) {
        let folder = folder(&database);
        database.open().await.close().await;
        by_hand(&database, "
            DROP INDEX lab_item_report;
            CREATE INDEX lab_item_report ON lab_item (event_no);
            ALTER TABLE lab_report DROP COLUMN sender;
        ").await;
        let told = text(&diff(folder.path(), &["--script", "mend.sql"]).await);
        assert!(told.contains("other index lab_item_report on lab_item"), "{told}");
        assert!(told.contains("missing     column lab_report.sender TEXT NOT NULL") || told.contains("sender text NOT NULL"));
        let script = std::fs::read_to_string(folder.path().join("mend.sql")).unwrap();
        assert!(script.contains("-- ALTER TABLE lab_report ADD COLUMN sender"), "left to a person: {script}");
    }

    async fn pending_migrations_are_told_and_no_database_is_made(database: TestDatabase) {
        let folder = folder(&database);
        let index = database.open().await;
        let sql = "DELETE FROM _sqlx_migrations WHERE version >= $1";
        let done = index.write(move |tx| Box::pin(async move { tx.execute(sql, params![25_i64]).await }));
        done.await.map_err(|error: yingku::index::Error| error.to_string()).unwrap();
        index.close().await;
        let told = text(&diff(folder.path(), &[]).await);
        assert!(told.contains("pending     migration 0025") && told.contains("yingku migrate"), "{told}");

        let nowhere = diff(folder.path(), &["--database", "sqlite://nowhere.db"]).await;
        assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere));
        assert!(!folder.path().join("nowhere.db").exists());
    }
}

#[tokio::test]
async fn narrower_columns_are_widened_on_postgres_and_nothing_is_left_behind() {
    let database = TestDatabase::postgres();
    let folder = folder(&database);
    database.open().await.close().await;
    by_hand(
        &database,
        "
        ALTER TABLE lab_report ALTER COLUMN name TYPE varchar(8);
        ALTER TABLE lab_report ALTER COLUMN version TYPE integer;
        ALTER TABLE report_version DROP CONSTRAINT report_version_kind_report_pk_version_key;
        ALTER TABLE lab_report ALTER COLUMN sender DROP NOT NULL;
    ",
    )
    .await;
    let told = text(&diff(folder.path(), &["--script", "mend.sql"]).await);
    for line in [
        "narrower    column lab_report.name: character varying(8), should be text",
        "narrower    column lab_report.version: integer, should be bigint",
        "missing     key of report_version: UNIQUE (kind, report_pk, version)",
        "looser      column lab_report.sender: should be NOT NULL",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    by_hand(&database, &std::fs::read_to_string(folder.path().join("mend.sql")).unwrap()).await;
    let left = text(&diff(folder.path(), &[]).await);
    assert!(left.contains("1 difference(s)") && left.contains("looser"), "{left}");
    let index = database.open().await;
    let sql = "SELECT relname::text AS name FROM pg_class WHERE relname = 'lab_report' AND relkind = 'r'";
    assert_eq!(index.query(sql, params![]).await.unwrap().len(), 1);
    index.close().await;
}
