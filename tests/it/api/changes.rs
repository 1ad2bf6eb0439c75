//! The change feed: what a follower is told, and what not.

use std::time::Duration;

use serde_json::{Value, json};
use yingku::domain::cursor::{Cursor, FeedPosition};
use yingku::domain::{Actor, Clock};

use super::world::{HOSPITAL, NARROW, PRIVILEGED, REGION, World, exam, lab, line, members};
use crate::each_database;
use crate::files::server::ReportServer;

/// What each change is about: kind, number, and why it is gone.
pub fn told(changes: &[Value]) -> Vec<String> {
    let word = |change: &Value, path: &[&str]| {
        path.iter().fold(change, |value, name| &value[*name]).as_str().unwrap_or_default().to_owned()
    };
    let of = |change: &Value| {
        let number = word(change, &["report", "fields", "report_form_no"]);
        [word(change, &["kind"]), number, word(change, &["removed"])].join(" ").trim().replace("  ", " ")
    };
    changes.iter().map(of).collect()
}

const WHOLE: &str = "&include=report";

each_database! {
    async fn a_follower_from_the_beginning_sees_each_report_once_as_it_stands_now(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        world.register(&[lab(&[]), line("1", &[])]).await;
        let newer = [("last_update_dtime", "2024/3/24 0:00:00"), ("conclusion", "修订后的结论")];
        world.register(&[exam(&newer)]).await;

        let (changes, cursor) = world.follow(REGION, "", WHOLE).await;

        assert_eq!(told(&changes), ["lab LB0001", "exam EX0001"]);
        assert_eq!(changes[1]["version"], 2);
        assert_eq!(changes[1]["report"]["fields"]["conclusion"], "修订后的结论");
        assert_eq!(changes[0]["report"]["items"][0]["result_value"], "5.1");
        assert_eq!(world.follow(REGION, &cursor, "").await, (Vec::new(), cursor));
        let rows = world.index.query("SELECT position FROM report_change", Vec::new()).await.unwrap();
        assert_eq!(rows.len(), 2, "what is superseded is gone");
    }

    async fn a_follower_goes_on_from_any_change_and_from_the_end(database: TestDatabase) {
        let world = World::start(database).await;
        let end = world.found(REGION, "/api/v1/changes?cursor=latest").await;
        for number in ["EX1", "EX2", "EX3", "EX4", "EX5"] {
            world.register(&[exam(&[("report_form_no", number)])]).await;
        }

        let (all, _) = world.follow(REGION, "", WHOLE).await;
        let (rest, _) = world.follow(REGION, all[2]["cursor"].as_str().unwrap(), WHOLE).await;
        let (since, _) = world.follow(REGION, end["cursor"].as_str().unwrap(), WHOLE).await;

        assert_eq!(told(&all), ["exam EX1", "exam EX2", "exam EX3", "exam EX4", "exam EX5"]);
        assert_eq!(told(&rest), ["exam EX4", "exam EX5"]);
        assert_eq!(told(&since).len(), 5);
        world.register(&[exam(&[("report_form_no", "EX1"), ("data_status", "1"), ("conclusion", "变")])]).await;
        let (again, _) = world.follow(REGION, all[4]["cursor"].as_str().unwrap(), WHOLE).await;
        assert_eq!(told(&again), ["exam EX1"]);
    }

    async fn a_change_that_a_newer_server_has_written_is_told_in_its_own_word(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        let (_, cursor) = world.follow(REGION, "", "").await;
        let sql = "INSERT INTO report_change_waiting (id, report_pk, subject, aspect, org_code, sharing, changed_at) \
                   SELECT 1, id, 'exam', 'sounds', org_code, 0, 1711262400000 FROM exam_report";
        world.index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await })).await.unwrap();
        world.register(&[exam(&[("report_form_no", "EX2")])]).await;

        let (changes, _) = world.follow(REGION, &cursor, WHOLE).await;
        let (exams, _) = world.follow(REGION, &cursor, "&kind=exam&include=report").await;

        assert_eq!(told(&changes), ["sounds EX0001", "exam EX2"]);
        assert_eq!(told(&exams), ["exam EX2"]);
    }

    async fn the_same_message_again_is_no_change(database: TestDatabase) {
        let world = World::start(database).await;
        let messages = [exam(&[]), lab(&[]), line("1", &[])];
        world.register(&messages).await;
        let (_, cursor) = world.follow(REGION, "", "").await;
        world.register(&messages).await;
        world.register(&[exam(&[("last_update_dtime", "2020/1/1 0:00:00"), ("conclusion", "旧")])]).await;
        assert_eq!(world.follow(REGION, &cursor, "").await.0, Vec::<Value>::new());
    }

    async fn d_r18_a_withdrawn_report_is_a_tombstone_that_tells_nothing(database: TestDatabase) {
        let world = World::start(database).await;
        // One after the other: reports of one message are written at the same time, in either order.
        world.register(&[exam(&[])]).await;
        world.register(&[lab(&[])]).await;
        let (before, cursor) = world.follow(REGION, "", "").await;
        let gone = [("last_update_dtime", "2024/3/24 0:00:00"), ("data_status", "0")];
        world.register(&[exam(&gone)]).await;
        world.register(&[lab(&gone)]).await;

        let (changes, _) = world.follow(REGION, &cursor, WHOLE).await;
        let (withdrawals, _) = world.follow(REGION, "", "&kind=withdrawal").await;

        assert_eq!(told(&changes), ["exam withdrawn", "lab withdrawn"]);
        assert_eq!(changes[0]["id"], before[0]["id"]);
        assert!(!json!(changes).to_string().contains("0001"), "no number, no patient: {changes:?}");
        assert_eq!(withdrawals.len(), 2);
        // Who begins now never had it, and is told all the same: the archive does not know who has what.
        assert_eq!(told(&world.follow(REGION, "", "").await.0), ["exam withdrawn", "lab withdrawn"]);
        // A report that comes back is there again.
        let back = [("last_update_dtime", "2024/3/25 0:00:00"), ("data_status", "1")];
        world.register(&[exam(&back)]).await;
        assert_eq!(told(&world.follow(REGION, "", WHOLE).await.0), ["lab withdrawn", "exam EX0001"]);
    }

    async fn d_p24_d_r22_what_was_never_shared_is_passed_over_and_what_is_no_longer_is_removed(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[("report_form_no", "DRAFT"), ("state", "2")])]).await;
        world.register(&[exam(&[("report_form_no", "VIP"), ("xman_type", "1")])]).await;
        world.register(&[exam(&[("report_form_no", "SECRET"), ("confidentiality", "保密")])]).await;
        world.register(&[exam(&[("report_form_no", "OPEN")])]).await;
        world.register(&[exam(&[("report_form_no", "WITHDRAWN-DRAFT"), ("state", "2"), ("data_status", "0")])]).await;

        assert_eq!(told(&world.follow(REGION, "", WHOLE).await.0), ["exam OPEN"]);
        let (privileged, cursor) = world.follow(PRIVILEGED, "", WHOLE).await;
        assert_eq!(told(&privileged), ["exam VIP", "exam SECRET", "exam OPEN"]);

        let newer = |number, name, value| {
            exam(&[("report_form_no", number), ("last_update_dtime", "2024/3/24 0:00:00"), (name, value)])
        };
        world.register(&[newer("OPEN", "xman_type", "1")]).await;
        world.register(&[newer("VIP", "state", "2")]).await;
        assert_eq!(told(&world.follow(REGION, "", WHOLE).await.0), ["exam not_shared"]);
        let (changed, _) = world.follow(PRIVILEGED, &cursor, WHOLE).await;
        assert_eq!(told(&changed), ["exam OPEN", "exam not_shared"]);
    }

    async fn a_hospital_follows_its_own_reports_whatever_their_state(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        world.register(&[exam(&[("org_code", "ORG-T02"), ("report_form_no", "OWN"), ("state", "1")])]).await;
        world.register(&[lab(&[("org_code", "ORG-T02"), ("report_form_no", "LAB")])]).await;

        assert_eq!(told(&world.follow(HOSPITAL, "", WHOLE).await.0), ["exam OWN", "lab LAB"]);
        assert_eq!(told(&world.follow(HOSPITAL, "", "&organization=ORG-T01").await.0), Vec::<String>::new());
        let (region, _) = world.follow(REGION, "", "&organization=ORG-T02&include=report").await;
        assert_eq!(told(&region), ["lab LAB"]);
        assert_eq!(world.refused(NARROW, "/api/v1/changes").await, (403, "E4011".to_owned()));
    }

    async fn d_r10_lines_that_come_alone_change_their_report_when_it_is_known(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[line("1", &[])]).await;
        assert_eq!(world.follow(REGION, "", "").await.0.len(), 0, "nobody knows yet whose they are");
        world.register(&[lab(&[])]).await;
        let (changes, cursor) = world.follow(REGION, "", WHOLE).await;
        assert_eq!(changes[0]["report"]["items"].as_array().unwrap().len(), 1);

        world.register(&[line("2", &[])]).await;
        let (changes, cursor) = world.follow(REGION, &cursor, WHOLE).await;
        assert_eq!(members(&changes[0]["report"]["items"], &["serial_no"]), ["1", "2"]);
        let gone = [("last_update_dtime", "2024/3/24 0:00:00"), ("data_status", "0")];
        world.register(&[line("1", &gone)]).await;
        let (changes, _) = world.follow(REGION, &cursor, WHOLE).await;
        assert_eq!(members(&changes[0]["report"]["items"], &["serial_no"]), ["2"]);
    }

    async fn files_and_images_of_a_report_are_changes_of_it(database: TestDatabase) {
        let (world, server) = (World::start(database).await, ReportServer::start().await);
        world.register(&[exam(&[("reportfilepath", &server.url("/report.pdf"))])]).await;
        let (first, cursor) = world.follow(REGION, "", WHOLE).await;
        assert_eq!((&first[0]["file"], &first[0]["studies"]), (&Value::Null, &json!([])));

        world.fetch_file("EX0001").await;
        let (changes, cursor) = world.follow(REGION, &cursor, "&kind=file").await;
        assert_eq!(told(&changes), ["file"]);
        assert_eq!((&changes[0]["file"]["revision"], &changes[0]["file"]["stamped"]), (&json!(1), &json!(true)));
        world.store_slice().await;
        let (changes, cursor) = world.follow(REGION, &cursor, WHOLE).await;
        assert_eq!(told(&changes), ["images EX0001"]);
        assert_eq!(changes[0]["studies"], json!(["2.25.1000"]));

        let pair = world.archive.find_pair(first[0]["id"].as_str().unwrap(), "2.25.1000").await.unwrap();
        world.archive.unlink_by_hand(Actor::system("test"), pair).await.unwrap();
        let (changes, cursor) = world.follow(REGION, &cursor, "").await;
        assert_eq!((told(&changes), &changes[0]["studies"]), (vec!["images".to_owned()], &json!([])));
        world.archive.link_by_hand(Actor::system("test"), pair).await.unwrap();
        assert_eq!(told(&world.follow(REGION, &cursor, "").await.0), ["images"]);
        assert!(!first[0].to_string().contains("reportfilepath"), "addresses inside the hospital stay there");
    }

    async fn a_cursor_that_is_not_one_of_ours_is_refused(database: TestDatabase) {
        let world = World::start(database).await;
        for cursor in ["0", "xyz", "AAAA"] {
            let path = format!("/api/v1/changes?cursor={cursor}");
            assert_eq!(world.refused(REGION, &path).await, (400, "E4009".to_owned()));
        }
        world.register(&[exam(&[])]).await;
        let (_, cursor) = world.follow(REGION, "", "").await;
        let sql = "UPDATE report_feed SET position = 0";
        world.index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await })).await.unwrap();
        let restored = format!("/api/v1/changes?cursor={cursor}");
        assert_eq!(world.refused(REGION, &restored).await, (409, "E4010".to_owned()));
        assert_eq!(world.refused(REGION, "/api/v1/changes?kind=exams").await, (400, "E4006".to_owned()));
        assert_eq!(world.refused(REGION, "/api/v1/changes?since=0").await, (400, "E4005".to_owned()));
    }

    async fn a_cursor_from_before_a_restore_is_refused_also_when_as_many_changes_have_come_since(database: TestDatabase) {
        let world = World::start(database).await;
        let register = async |number: &str| world.register(&[exam(&[("report_form_no", number)])]).await;
        let refused = async |cursor: &str| world.refused(REGION, &format!("/api/v1/changes?cursor={cursor}")).await;
        world.archive.begin_feed_epoch().await.unwrap();
        register("KEPT").await;
        let (_, kept) = world.follow(REGION, "", "").await;
        register("LOST1").await;
        let (_, lost) = world.follow(REGION, &kept, "").await;
        // A start between the backup and the restore: the backup does not know of it.
        world.archive.begin_feed_epoch().await.unwrap();
        register("LOST2").await;
        let (_, lost_later) = world.follow(REGION, &lost, "").await;

        for sql in [
            "DELETE FROM report_change WHERE position > 1",
            "UPDATE report_feed SET position = 1",
            "DELETE FROM feed_epoch WHERE from_position > 0",
        ] {
            world.index.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await })).await.unwrap();
        }
        world.archive.begin_feed_epoch().await.unwrap();
        for number in ["OTHER1", "OTHER2", "OTHER3"] {
            register(number).await;
        }

        let (changes, now) = world.follow(REGION, &kept, WHOLE).await;
        assert_eq!(told(&changes), ["exam OTHER1", "exam OTHER2", "exam OTHER3"]);
        for cursor in [&lost, &lost_later] {
            assert_eq!(refused(cursor).await, (409, "E4010".to_owned()));
        }
        // Starts without a restore take nothing from anybody, and leave no more rows than there are histories.
        for _ in 0..3 {
            world.archive.begin_feed_epoch().await.unwrap();
        }
        assert_eq!(world.follow(REGION, &now, "").await, (Vec::new(), now.clone()));
        assert_eq!(world.follow(REGION, changes[0]["cursor"].as_str().unwrap(), "").await.0.len(), 2);
        let epochs = world.index.query("SELECT epoch FROM feed_epoch", Vec::new()).await.unwrap();
        assert_eq!(epochs.len(), 3);
        // Cursors of earlier versions name no epoch, and are good for what is there.
        let old = |at| Cursor::Feed(FeedPosition { at, epoch: None }).encode();
        assert_eq!(told(&world.follow(REGION, &old(3), WHOLE).await.0), ["exam OTHER3"]);
        assert_eq!(refused(&old(5)).await, (409, "E4010".to_owned()));
    }

    async fn a_waiting_follower_is_told_as_soon_as_something_changes(database: TestDatabase) {
        let world = World::start_with(database, Clock::System, |_| ()).await;
        world.register(&[exam(&[("report_form_no", "OLD")])]).await;
        let (_, cursor) = world.follow(REGION, "", "").await;
        let path = format!("/api/v1/changes?wait=25&include=report&cursor={cursor}");
        let waiting = world.send(world.request(REGION, &path));
        let registering = async {
            // What is none of its business does not wake it.
            world.register(&[exam(&[("report_form_no", "DRAFT"), ("state", "2")])]).await;
            world.register(&[exam(&[("report_form_no", "NEW")])]).await;
        };
        let both = async { tokio::join!(waiting, registering) };
        let (answer, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert_eq!(told(answer.json()["changes"].as_array().unwrap()), ["exam NEW"]);

        let cursor = answer.json()["cursor"].as_str().unwrap().to_owned();
        let nothing = world.found(REGION, &format!("/api/v1/changes?wait=1&cursor={cursor}")).await;
        assert_eq!(nothing, json!({ "changes": [], "cursor": cursor, "more": false }));
    }

    async fn d_q10_what_was_given_is_audited_without_patient_data(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[])]).await;
        let (_, cursor) = world.follow(REGION, "", "").await;
        world.follow(REGION, &cursor, "").await;
        let audits = world.audits("follow_changes").await;
        assert_eq!(audits, [r#"region {"after":0,"to":1,"count":1}"#], "nothing given, nothing noted");
        assert_eq!(world.get("wrong-key", "/api/v1/changes").await.status, 401);
        assert_eq!(world.audits("pull_reports").await.len(), 1);
    }

    async fn d_q10_of_callers_without_a_key_a_few_of_a_minute_are_audited(database: TestDatabase) {
        let world = World::start(database).await;
        for _ in 0..15 {
            assert_eq!(world.get("wrong-key", "/api/v1/changes").await.status, 401);
            assert_eq!(world.get("", "/fhir/Patient").await.status, 401);
        }
        assert_eq!(world.audits("pull_reports").await.len(), 10);
    }
}
