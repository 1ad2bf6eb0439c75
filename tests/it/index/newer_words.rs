//! What a newer server writes beside this one in a rolling upgrade, in words that are not known here, hides nothing else.

use yingku::index::inbox::{self, InboxOrder, InboxSearch, MessageState};
use yingku::index::{Index, Value, conflicts, recognised_items};
use yingku::params;

use crate::each_database;

async fn execute(index: &Index, sql: &'static str, values: Vec<Value>) {
    index.write(move |tx| Box::pin(async move { tx.execute(sql, values).await })).await.unwrap();
}

each_database! {
    async fn a_message_in_an_unknown_state_is_passed_over(database: TestDatabase) {
        let index = database.open().await;
        for (id, state) in [(1_i64, "failed"), (2, "parked")] {
            let sql = "INSERT INTO inbox_message (id, channel, sender, remote_addr, content_type, body, content_hash, \
                       received_at, state) VALUES ($1, 'test', 'ris', '', '', $2, '', 5, $3)";
            execute(&index, sql, params![id, Vec::<u8>::new(), state]).await;
        }

        let found = inbox::find(&index, &InboxSearch::default(), InboxOrder::NewestFirst, None, 10).await.unwrap();

        assert_eq!(found.iter().map(|message| message.id).collect::<Vec<_>>(), [1]);
        assert!(inbox::get(&index, 1).await.unwrap().is_some());
        assert!(inbox::get(&index, 2).await.unwrap().is_none());
        assert_eq!(inbox::count_since(&index, 0).await.unwrap(), [(MessageState::Failed, 1)]);
    }

    async fn a_conflict_of_an_unknown_kind_or_state_is_passed_over(database: TestDatabase) {
        let index = database.open().await;
        for (id, kind, state) in [(1_i64, "patient", "open"), (2, "sounds", "open"), (3, "patient", "asked")] {
            let sql = "INSERT INTO conflict (id, kind, org_code, subject, detail, state, created_at, updated_at) \
                       VALUES ($1, $2, 'ORG-T01', $3, '{}', $4, 1, 1)";
            execute(&index, sql, params![id, kind, format!("patient:{id}"), state]).await;
        }

        let found = conflicts::find(&index, None, None, 10).await.unwrap();

        assert_eq!(found.iter().map(|conflict| conflict.id).collect::<Vec<_>>(), [1]);
        assert!(conflicts::get(&index, 1).await.unwrap().is_some());
        assert!(conflicts::get(&index, 2).await.unwrap().is_none());
    }

    async fn a_recognised_item_of_an_unknown_kind_decides_nothing(database: TestDatabase) {
        let index = database.open().await;
        let sql = "INSERT INTO recognised_item (kind, org_code, item, aliases, level, valid_from, valid_to, position) \
                   VALUES ('exam', '', 'CT', '', '互认', '', '', 0), ('sounds', '', 'S', '', '互认', '', '', 1)";
        execute(&index, sql, Vec::new()).await;

        let items = recognised_items::all(&index).await.unwrap();

        assert_eq!(items.iter().map(|item| item.item.as_str()).collect::<Vec<_>>(), ["CT"]);
    }
}
