//! The messages that were kept: what is in them, how long they stay, and taking them up again (D-X2, RD-11).

use yingku::archive::reports::inbox::InboxOrder;
use yingku::archive::reports::keep_message::{InboxSearch, MessageState};
use yingku::archive::upkeep::purge_inbox::InboxConfig;
use yingku::domain::{Actor, ActorKind};
use yingku::integrations::report_registry::{Replay, Replayed};
use yingku::params;

use super::{KEY, NOW, Service, Settings, exam, lab, line, root, uploads};
use crate::each_database;

const DAY: i64 = 24 * 3600 * 1000;

fn somebody() -> Actor {
    Actor { kind: ActorKind::Operator, ..Actor::system("inbox replay") }
}

/// Takes up the messages of a search with settings that the test has changed.
async fn replay(service: &Service, search: &InboxSearch, change: impl FnOnce(&mut Settings)) -> Vec<Replayed> {
    replay_as(service, search, None, change).await
}

async fn replay_as(
    service: &Service,
    search: &InboxSearch,
    sender: Option<&str>,
    change: impl FnOnce(&mut Settings),
) -> Vec<Replayed> {
    let mut settings = service.settings.clone();
    change(&mut settings);
    let replay = Replay::new(service.archive.clone(), &settings).unwrap();
    let mut replayed = Vec::new();
    for message in service.archive.find_messages(search, InboxOrder::OldestFirst, 100).await.unwrap() {
        replayed.push(replay.run(&somebody(), &message, sender).await.unwrap());
    }
    replayed
}

fn statuses(replayed: &[Replayed]) -> Vec<&'static str> {
    let of = |one: &Replayed| match one {
        Replayed::Registered(outcome) => outcome.records.first().map_or("nothing", |record| record.status.as_str()),
        Replayed::Unreadable(code) => code.as_str(),
        Replayed::Left(why) => why,
    };
    replayed.iter().map(of).collect()
}

fn failed() -> InboxSearch {
    InboxSearch { states: Replay::FAILED.to_vec(), ..InboxSearch::default() }
}

fn knows_the_third(settings: &mut Settings) {
    settings.senders[0].organizations.push("ORG-T03".to_owned());
}

async fn conclusions(service: &Service) -> Vec<String> {
    let rows = service.rows("SELECT conclusion FROM exam_report ORDER BY report_form_no", vec![]).await;
    rows.iter().map(|row| row.text("conclusion").unwrap()).collect()
}

each_database! {
    async fn d_x2_d_r27_a_message_is_kept_with_its_headers_times_and_organisations_but_no_secret(database: TestDatabase) {
        let by_header = |settings: &mut Settings| settings.senders[0].app_id = "unit-test-app-01".to_owned();
        let service = Service::start_with(database, by_header).await;
        let org = "<root time=\"2024-03-24 14:41:00\"><org><item date_t=\"2024-03-23\" orgcode=\"ORG-T01\"/></org>";
        let document = exam(&[]).replace("<root time=\"2024-03-24 14:40:00\">", org);

        let request = service.http.post(&service.url).header("X-App-Id", "unit-test-app-01");
        request.header("SOAPAction", "\"urn:x\"").body(document.clone()).send().await.unwrap();

        let search = InboxSearch { org_code: Some("ORG-T01".to_owned()), ..InboxSearch::default() };
        let message = service.archive.find_messages(&search, InboxOrder::NewestFirst, 10).await.unwrap().remove(0);
        assert_eq!((message.sent_at.as_str(), message.business_date.as_str()), ("2024-03-24 14:41:00", "2024-03-23"));
        assert_eq!((message.state, message.sender.as_str(), message.org_codes.as_str()), (MessageState::Done, "ris", "ORG-T01"));
        assert_eq!((message.body_length, message.is_cut), (document.len() as i64, false));
        let headers: serde_json::Value = serde_json::from_str(&message.headers).unwrap();
        assert_eq!((&headers["x-app-id"], &headers["soapaction"]), (&"***".into(), &"\"urn:x\"".into()));
        let other = InboxSearch { org_code: Some("ORG-T02".to_owned()), ..InboxSearch::default() };
        assert!(service.archive.find_messages(&other, InboxOrder::NewestFirst, 10).await.unwrap().is_empty());
        let body = service.archive.read_message(somebody(), message.id, "show").await.unwrap();
        assert_eq!(body, document.into_bytes());
        assert_eq!(service.count("SELECT id FROM audit WHERE action = 'read_message' AND actor_kind = 'operator'").await, 1);
    }

    async fn d_x2_no_key_of_a_broken_query_is_kept(database: TestDatabase) {
        let service = Service::start(database).await;
        let broken = format!("<s:Envelope xmlns:s='x'><s:Body><GetExamInfo><strKey>{KEY}</strKey>");

        service.post("", "text/xml", broken).await;

        let id = service.row("SELECT id FROM inbox_message").await.int("id").unwrap();
        let body = String::from_utf8(service.archive.read_message(somebody(), id, "test").await.unwrap()).unwrap();
        assert!(body.contains("<strKey>***</strKey>") && !body.contains(KEY), "{body}");
    }

    async fn d_x2_what_failed_is_registered_when_the_fault_is_mended_and_only_once(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("report_form_no", "EX-GOOD")])).await;
        service.register(&exam(&[("report_form_no", "EX-LATE"), ("org_code", "ORG-T03")])).await;
        let query = service.ask("GetExamInfo", &[]).await;
        assert!(query.contains("E3001"));

        let still = replay(&service, &failed(), |_| {}).await;
        let mended = replay(&service, &failed(), knows_the_third).await;
        let again = replay(&service, &failed(), knows_the_third).await;

        assert_eq!(statuses(&still), ["rejected", "it registers nothing"]);
        assert_eq!(statuses(&mended), ["stored", "it registers nothing"]);
        assert_eq!(statuses(&again), ["it registers nothing"]);
        let all = replay(&service, &InboxSearch::default(), knows_the_third).await;
        assert_eq!(statuses(&all), ["duplicate", "duplicate", "it registers nothing"]);
        let row = service.row("SELECT sender FROM exam_report WHERE org_code = 'ORG-T03'").await;
        assert_eq!(row.text("sender").unwrap(), "ris");
        let message = service.row("SELECT state, replays FROM inbox_message WHERE org_codes = 'ORG-T03'").await;
        assert_eq!((message.text("state").unwrap(), message.int("replays").unwrap()), ("done".into(), 3));
        let sql = "SELECT outcome FROM audit WHERE action = 'replay_message' AND actor_kind = 'operator' ORDER BY id";
        let outcomes: Vec<String> =
            service.rows(sql, vec![]).await.iter().map(|row| row.text("outcome").unwrap()).collect();
        assert_eq!(outcomes, ["rejected", "ok", "ok", "ok"]);
    }

    async fn d_x2_a_message_that_came_with_its_file_changes_nothing_when_it_is_taken_up_again(database: TestDatabase) {
        let service = Service::start(database).await;
        let message = exam(&[("reportfilepath", "scan-0001.pdf")]);
        service.post("", uploads::TYPE, uploads::form(&message, &[("scan-0001.pdf", uploads::PDF)])).await;

        let replayed = replay(&service, &InboxSearch::default(), |_| {}).await;

        assert_eq!(statuses(&replayed), ["duplicate"]);
        assert_eq!(service.row("SELECT version FROM exam_report").await.int("version").unwrap(), 1);
        assert_eq!(service.count("SELECT id FROM job WHERE kind = 'fetch_report_file'").await, 0);
        assert_eq!(service.count("SELECT id FROM report_file WHERE is_current = 1").await, 1);
    }

    async fn d_x2_a_message_whose_report_cannot_be_stored_is_kept_and_registered_later(database: TestDatabase) {
        let service = Service::start(database).await;
        let kept = "SELECT state, result, content_hash FROM inbox_message";
        service.execute("ALTER TABLE report_change_waiting RENAME TO away", vec![]).await;

        let answer = service.register(&exam(&[])).await;

        assert!(answer.contains("result&gt;0&lt;") || answer.contains("<result>0<"), "{answer}");
        assert_eq!(service.count("SELECT id FROM exam_report").await, 0);
        let row = service.row(kept).await;
        assert_eq!(row.text("state").unwrap(), "failed");
        assert!(row.text("result").unwrap().contains("rejected"));
        service.execute("ALTER TABLE away RENAME TO report_change_waiting", vec![]).await;
        assert_eq!(statuses(&replay(&service, &failed(), |_| {}).await), ["stored"]);
        assert_eq!((service.count(kept).await, service.count("SELECT id FROM exam_report").await), (1, 1));
    }

    async fn d_x2_the_message_of_one_report_is_there_when_its_report_is_and_tells_the_same(database: TestDatabase) {
        let service = Service::start(database).await;
        for document in [exam(&[]), exam(&[]), root(&[lab(&[]), line("1", &[])])] {
            service.register(&document).await;
        }
        let sql = "SELECT m.state, m.result, m.received_at, m.finished_at FROM inbox_message m ORDER BY m.id";
        let rows = service.rows(sql, vec![]).await;
        for (row, status) in rows.iter().zip(["stored", "duplicate", "stored"]) {
            assert_eq!((row.text("state").unwrap(), row.int("finished_at").unwrap()), ("done".into(), NOW));
            assert!(row.text("result").unwrap().contains(&format!("\"status\":\"{status}\"")));
        }
        assert_eq!(rows.len(), 3);
        let sql = "SELECT e.id FROM exam_report e JOIN inbox_message m ON m.id = e.message_pk";
        assert_eq!(service.count(sql).await, 1, "the report names its message");
    }

    async fn d_x2_an_older_message_that_is_taken_up_again_changes_nothing_back(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("conclusion", "甲")])).await;
        service.register(&exam(&[("conclusion", "乙")])).await;

        let replayed = replay(&service, &InboxSearch::default(), |_| {}).await;

        assert_eq!(statuses(&replayed), ["stale", "duplicate"]);
        assert_eq!(conclusions(&service).await, ["乙"]);
    }

    async fn d_x2_lines_that_a_full_set_has_withdrawn_do_not_come_back(database: TestDatabase) {
        let service = Service::start_with(database, |settings| settings.senders[0].subitems_replace = true).await;
        let old = root(&[lab(&[]), line("1", &[]), line("2", &[])]);
        service.register(&old).await;
        let newer = ("last_update_dtime", "2024/3/24");
        service.register(&root(&[lab(&[newer]), line("2", &[newer])])).await;

        replay(&service, &InboxSearch::default(), |_| {}).await;
        service.register(&old).await;

        let rows = service.rows("SELECT serial_no FROM lab_item WHERE withdrawn = 1", vec![]).await;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].text("serial_no").unwrap(), "1");
    }

    async fn d_x2_d_r8_without_a_stamp_the_time_counts_at_which_the_message_came(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register(&exam(&[("last_update_dtime", ""), ("org_code", "ORG-T03")])).await;
        service.execute("UPDATE inbox_message SET received_at = $1", params![NOW - DAY]).await;

        replay(&service, &failed(), knows_the_third).await;

        let row = service.row("SELECT last_update_dtime FROM exam_report").await;
        assert_eq!(row.text("last_update_dtime").unwrap(), "2024-03-23 14:40:00");
    }

    async fn d_x2_a_refused_message_is_taken_up_as_the_sender_that_it_was(database: TestDatabase) {
        let elsewhere = |settings: &mut Settings| settings.senders[0].addresses = vec!["10.0.0.0/8".to_owned()];
        let service = Service::start_with(database, elsewhere).await;
        service.register(&exam(&[])).await;
        let refused = InboxSearch { states: vec![MessageState::Refused], ..InboxSearch::default() };

        let nameless = replay(&service, &refused, |_| {}).await;
        let unknown = replay_as(&service, &refused, Some("lis"), |_| {}).await;
        let named = replay_as(&service, &refused, Some("ris"), |_| {}).await;

        assert!(statuses(&nameless)[0].contains("--as-sender"));
        assert_eq!(statuses(&unknown), ["its sender is not configured"]);
        assert_eq!(statuses(&named), ["stored"]);
        let message = service.row("SELECT sender, state FROM inbox_message").await;
        assert_eq!((message.text("sender").unwrap(), message.text("state").unwrap()), ("ris".into(), "done".into()));
    }

    async fn d_x2_what_is_not_there_whole_is_left(database: TestDatabase) {
        let small = |settings: &mut Settings| settings.registry.max_body_bytes = 100;
        let service = Service::start_with(database, small).await;
        service.post("", "text/xml", exam(&[])).await;
        service.register("<root>").await;

        let replayed = replay(&service, &InboxSearch::default(), |settings| settings.registry.max_body_bytes = 9999).await;

        assert_eq!(statuses(&replayed), ["only its beginning was kept", "E2001"]);
    }

    async fn d_x2_messages_go_when_their_time_is_over_or_their_room_is_needed(database: TestDatabase) {
        let service = Service::start(database).await;
        for number in ["EX1", "EX2", "EX3", "EX4"] {
            service.register(&exam(&[("report_form_no", number)])).await;
        }
        let age = "UPDATE inbox_message SET received_at = $1, state = $2 WHERE id = (SELECT message_pk FROM exam_report \
                   WHERE report_form_no = $3)";
        service.execute(age, params![NOW - 181 * DAY, "done", "EX1"]).await;
        service.execute(age, params![NOW - 31 * DAY, "refused", "EX2"]).await;
        service.execute(age, params![NOW - 31 * DAY, "done", "EX3"]).await;
        let left = async || service.count("SELECT id FROM inbox_message").await;

        let ever = InboxConfig { keep_days: 0, refused_keep_days: 0, max_bytes: 0 };
        assert_eq!(service.archive.purge_inbox(&ever).await.unwrap().messages, 0);
        let purged = service.archive.purge_inbox(&InboxConfig::default()).await.unwrap();
        assert_eq!((purged.messages, purged.before_their_time, left().await), (2, 0, 2));

        let bytes = service.row("SELECT MAX(body_length) AS bytes FROM inbox_message").await.int("bytes").unwrap();
        let tight = InboxConfig { max_bytes: bytes as u64, ..InboxConfig::default() };
        service.execute("UPDATE inbox_message SET received_at = received_at - 1", vec![]).await;
        let purged = service.archive.purge_inbox(&tight).await.unwrap();
        assert!(purged.before_their_time > 0 && left().await < 2, "{purged:?}");
        assert_eq!(service.count("SELECT id FROM exam_report").await, 4, "reports stay");
        assert_eq!(service.count("SELECT id FROM audit WHERE action = 'purge_inbox'").await, 3);
    }
}
