//! The audit trail.

use serde_json::json;
use yingku::domain::Actor;
use yingku::index::audit::{AuditRecord, record};
use yingku::params;

use crate::each_database;

each_database! {
    async fn an_entry_is_kept_as_it_was_given(database: TestDatabase) {
        let index = database.open().await;
        let entry = AuditRecord {
            action: "view_exam",
            actor: Actor { user_id: "u01".to_owned(), ..Actor::system("test") },
            org_code: "ORG-T01".to_owned(),
            target: "exam:17".to_owned(),
            outcome: "ok",
            detail: json!({"page": "ClinicExam"}),
        };

        index.write(move |tx| Box::pin(async move { record(tx, 1, 1_700_000_000_000, &entry).await })).await.unwrap();

        let row = index.query_opt("SELECT * FROM audit WHERE target = $1", params!["exam:17"]).await.unwrap().unwrap();
        assert_eq!(row.int("at").unwrap(), 1_700_000_000_000);
        assert_eq!(row.text("action").unwrap(), "view_exam");
        assert_eq!(row.text("actor_kind").unwrap(), "system");
        assert_eq!(row.text("user_id").unwrap(), "u01");
        assert_eq!(row.text("detail").unwrap(), r#"{"page":"ClinicExam"}"#);
    }

    async fn an_entry_of_a_failed_operation_is_not_kept(database: TestDatabase) {
        let index = database.open().await;
        let entry = AuditRecord {
            action: "store_instance",
            actor: Actor::system("test"),
            org_code: String::new(),
            target: "instance:1".to_owned(),
            outcome: "ok",
            detail: json!({}),
        };

        let failed = index
            .write(move |tx| {
                Box::pin(async move {
                    record(tx, 1, 0, &entry).await?;
                    record(tx, 1, 0, &entry).await
                })
            })
            .await;

        assert!(failed.unwrap_err().is_unique_violation());
        assert!(index.query("SELECT id FROM audit", params![]).await.unwrap().is_empty());
    }
}
