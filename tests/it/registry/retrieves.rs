//! Which registrations request the retrieval of their images (D-I2): ORG-T02 has a PACS to fetch from, ORG-T01 has none.

use std::collections::BTreeMap;

use yingku::archive::RetrieveConfig;
use yingku::archive::peers::retrieve_exam::{RetrieveCheck, RetrieveNext, RetrieveState};
use yingku::domain::{Actor, Clock};

use super::*;
use crate::each_database;

const MINUTE_MS: u64 = 60_000;

impl Service {
    /// Registers exam reports of ORG-T02, each with its number.
    async fn register_each(&self, reports: &[(&str, &[(&str, &str)])]) {
        for (number, attributes) in reports {
            let with_number = [&[("org_code", "ORG-T02"), ("report_form_no", number)], *attributes].concat();
            self.register(&exam(&with_number)).await;
        }
    }

    /// What follows from a look so many minutes after the clock's start, and when the next one is due.
    async fn look(&self, minute: u64, check: RetrieveCheck, rules: &RetrieveConfig) -> (RetrieveNext, Option<i64>) {
        self.clock.set(NOW + (minute * MINUTE_MS) as i64);
        let id = self.row("SELECT exam_report_pk FROM exam_retrieve").await.int("exam_report_pk").unwrap();
        let keys = self.archive.exam_to_retrieve(id).await.unwrap().unwrap();
        let next = self.archive.conclude_retrieve(keys, check, rules).await.unwrap();
        let rows = self.archive.list_retrieves(None, 1).await.unwrap();
        (next, rows[0].next_at)
    }

    /// Report numbers whose images are looked for, with the state of the job.
    async fn requested(&self) -> BTreeMap<String, String> {
        let sql = "SELECT e.report_form_no, j.state FROM exam_retrieve r JOIN exam_report e ON e.id = r.exam_report_pk \
                   JOIN job j ON j.kind = 'retrieve_exam' WHERE r.state = 'waiting' AND j.run_at = r.next_at";
        let rows = self.rows(sql, Vec::new()).await;
        rows.iter().map(|row| (row.text("report_form_no").unwrap(), row.text("state").unwrap())).collect()
    }
}

each_database! {
    async fn d_i2_a_report_of_an_examination_that_was_done_requests_its_images(database: TestDatabase) {
        let service = Service::start(database).await;
        let unnamed: &[(&str, &str)] = &[("study_instance_uid", ""), ("pacs_id", "")];
        service
            .register_each(&[
                ("EX1", &[("state", "1")]),
                ("EX2", &[("state", ""), ("study_instance_uid", "")]),
                ("EX3", &[("state", "0")]),
                ("EX4", unnamed),
                ("EX5", &[("data_status", "0")]),
            ])
            .await;
        service.register(&exam(&[("org_code", "ORG-T01")])).await;

        let requested: Vec<String> = service.requested().await.into_keys().collect();

        assert_eq!(requested, ["EX1", "EX2"]);
        assert_eq!(service.count("SELECT id FROM job WHERE kind = 'retrieve_exam'").await, 2);
    }

    async fn what_a_check_found_is_kept_and_a_newer_report_asks_again(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register_each(&[("EX1", &[])]).await;
        let id = service.row("SELECT exam_report_pk FROM exam_retrieve").await.int("exam_report_pk").unwrap();
        let keys = service.archive.exam_to_retrieve(id).await.unwrap().unwrap();
        assert_eq!(keys.study_instance_uids, ["1.2.3.4.5.6"]);
        assert_eq!((keys.accession_number.as_str(), keys.settled, keys.withdrawn), ("A0001", true, false));
        assert_eq!(keys.patient_ids, ["L0001", "P0001"]);
        let rules = RetrieveConfig { stable_ms: 0, ..RetrieveConfig::default() };
        let found = RetrieveCheck {
            studies: 1, expected: Some(3), held: 3, fetched: 3, missing: Some(0), ..RetrieveCheck::default()
        };

        let next = service.archive.conclude_retrieve(keys, found, &rules).await.unwrap();

        assert_eq!(next, RetrieveNext::Complete);
        let rows = service.archive.find_retrieves("A0001").await.unwrap();
        assert_eq!((rows.len(), rows[0].state, rows[0].fetched_instances), (1, RetrieveState::Complete, 3));
        assert_eq!(service.count("SELECT id FROM audit WHERE action = 'retrieve_exam' AND outcome = 'ok'").await, 1);
        service.register_each(&[("EX1", &[("last_update_dtime", "2024/3/24 0:00:00")])]).await;
        let rows = service.archive.list_retrieves(Some(RetrieveState::Waiting), 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].checks, rows[0].held_instances), (1, 0, 3));
        assert_eq!(service.archive.request_retrieve(&id.to_string(), Actor::system("test")).await.unwrap(), [id]);
        assert!(service.archive.stop_retrieve(id, "the report was withdrawn").await.unwrap());
        let rows = service.archive.list_retrieves(Some(RetrieveState::GivenUp), 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].last_error.as_str()), (1, "the report was withdrawn"));
        assert!(service.archive.request_retrieve("A9999", Actor::system("test")).await.is_err());
        assert_eq!(Clock::fixed(NOW).now_ms(), rows[0].requested_at);
    }

    async fn d_i2_an_image_that_comes_late_begins_the_quiet_wait_anew(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register_each(&[("EX1", &[])]).await;
        let rules = RetrieveConfig { stable_ms: 10 * MINUTE_MS, ..RetrieveConfig::default() };
        let saw = |count| RetrieveCheck {
            studies: 1, expected: Some(count), held: count, missing: Some(0), ..RetrieveCheck::default()
        };

        // Each look: minutes after the first one, images that are there and here, minutes to the next look.
        for (minute, count, next) in [(0, 3, Some(10)), (9, 3, Some(1)), (10, 4, Some(10)), (12, 4, Some(8)), (20, 4, None)] {
            let (look, next_at) = service.look(minute, saw(count), &rules).await;
            let minutes = |wait: u64| RetrieveNext::Again { delay_ms: wait * MINUTE_MS };
            assert_eq!(look, next.map_or(RetrieveNext::Complete, minutes), "minute {minute}");
            assert_eq!(next_at, next.map(|wait| NOW + ((minute + wait) * MINUTE_MS) as i64), "minute {minute}");
        }

        let rows = service.archive.find_retrieves("A0001").await.unwrap();
        assert_eq!((rows[0].state, rows[0].held_instances, rows[0].checks), (RetrieveState::Complete, 4, 5));
    }

    async fn d_i2_pauses_grow_up_to_the_longest_and_are_short_again_after_an_image(database: TestDatabase) {
        let service = Service::start(database).await;
        service.register_each(&[("EX1", &[])]).await;
        let rules = RetrieveConfig {
            first_delay_ms: MINUTE_MS, delay_factor: 3.0, max_delay_ms: 20 * MINUTE_MS, ..RetrieveConfig::default()
        };
        let one_of_three =
            RetrieveCheck { studies: 1, expected: Some(3), held: 1, missing: Some(2), ..RetrieveCheck::default() };

        let (mut minute, mut waits) = (0, Vec::new());
        for check in [vec![RetrieveCheck::default(); 5], vec![one_of_three; 3]].concat() {
            let (look, next_at) = service.look(minute, check, &rules).await;
            let RetrieveNext::Again { delay_ms } = look else { panic!("{look:?}") };
            waits.push(delay_ms / MINUTE_MS);
            minute += delay_ms / MINUTE_MS;
            assert_eq!(next_at, Some(NOW + (minute * MINUTE_MS) as i64));
        }

        assert_eq!(waits, [1, 3, 9, 20, 20, 1, 3, 9]);
    }
}
