//! QIDO-RS: levels, conditions, paging, and whose data is found.

use yingku::archive::peers::find::FindLimits;
use yingku::params;

use super::world::{JSON, OTHER, OWN, REGION, STUDIES, VIP, World, file};
use crate::each_database;
use crate::harness::TestDatabase;
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};

/// Ten studies of a patient of their own in ORG-T01, two instances each.
async fn filled(database: TestDatabase) -> World {
    filled_with(database, FindLimits::default()).await
}

/// The same where a search may read so much of the index.
async fn filled_with(database: TestDatabase, find: FindLimits) -> World {
    let world =
        World::with(database, yingku::web::dicomweb::DicomwebConfig { max_results: 4, find, ..Default::default() })
            .await;
    let mut files = Vec::new();
    for study in 1..=10 {
        for instance in 1..=2 {
            let uid = format!("2.25.50{study:02}.1.{instance}");
            let set = DataSet::ct(&uid)
                .text(0x0020_000D, "UI", &format!("2.25.50{study:02}"))
                .text(0x0020_000E, "UI", &format!("2.25.50{study:02}.1"))
                .text(0x0008_0020, "DA", &format!("202403{study:02}"))
                .text(0x0008_0050, "SH", &format!("A{study:04}"))
                .text(0x0010_0020, "LO", &format!("L{study:04}"))
                .text(0x0020_0013, "IS", &instance.to_string())
                .encode();
            files.push(file(CT_IMAGE, &uid, EXPLICIT_LE, &set));
        }
    }
    world.store(&files).await;
    world
}

fn uids(answer: &super::world::Answer, tag: &str) -> Vec<String> {
    let list = answer.json();
    list.as_array().unwrap().iter().map(|item| item[tag]["Value"][0].as_str().unwrap().to_owned()).collect()
}

/// A report that no images are linked to.
async fn report(world: &World, id: i64, org_code: &str, patient_id: &str, patient_local_id: &str, vip: i64) {
    let sql = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, restricted, \
               withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, updated_at, org_code, \
               report_form_no, patient_id, patient_local_id, event_type, event_no) VALUES ($1, $2, 1, '', 'ris', 1, $3, 0, \
               0, 0, 'CT', '', '', 0, 0, $4, $2, $5, $6, '1', 'E')";
    let number = format!("report-{id}");
    world.execute(sql, params![id, number, vip, org_code, patient_id, patient_local_id]).await;
}

each_database! {
    async fn each_level_is_found_by_its_conditions(database: TestDatabase) {
        let world = filled(database).await;
        let one = world.get(&format!("{STUDIES}?PatientID=L0003"), JSON).await;
        assert_eq!(uids(&one, "0020000D"), ["2.25.5003"]);
        let study = &one.json()[0];
        assert_eq!(study["00201208"]["Value"][0], 2, "{study}");
        assert_eq!(study["00080061"]["Value"][0], "CT");
        assert_eq!(study["00081190"]["Value"][0], format!("http://{}/dicom-web/studies/2.25.5003", world.address));
        let ranged = world.get(&format!("{STUDIES}?StudyDate=20240302-20240304&00080061=CT"), JSON).await;
        assert_eq!(ranged.json().as_array().unwrap().len(), 3);
        let listed = world.get(&format!("{STUDIES}?StudyInstanceUID=2.25.5001,2.25.5002&includefield=PatientAge"), JSON).await;
        assert_eq!(listed.json().as_array().unwrap().len(), 2);
        let series = world.get("/dicom-web/studies/2.25.5003/series", JSON).await;
        assert_eq!(uids(&series, "0020000E"), ["2.25.5003.1"]);
        let instances = world.get("/dicom-web/studies/2.25.5003/series/2.25.5003.1/instances?InstanceNumber=2", JSON).await;
        assert_eq!(uids(&instances, "00080018"), ["2.25.5003.1.2"]);
        assert_eq!(instances.json()[0]["00280010"]["Value"][0], 2, "Rows");
        let all = world.get("/dicom-web/instances?PatientID=L0003", JSON).await;
        assert_eq!(all.json().as_array().unwrap().len(), 2);
        let none = world.get(&format!("{STUDIES}?PatientID=nobody"), JSON).await;
        assert_eq!((none.status, none.body.len()), (204, 0));
    }

    async fn a_search_that_would_read_too_much_of_the_index_is_refused(database: TestDatabase) {
        let world = filled_with(database, FindLimits { page_rows: 2, max_examined_rows: 3 }).await;
        for (query, status, found) in [
            ("PatientID=L0003", 200, 1),
            ("limit=2", 200, 2),
            ("limit=4", 413, 0),
            ("limit=1&offset=6", 413, 0),
            ("", 413, 0),
        ] {
            let answer = world.get(&format!("{STUDIES}?{query}"), JSON).await;
            assert_eq!(answer.status, status, "{query}: {}", answer.text());
            if status == 200 {
                assert_eq!(answer.json().as_array().unwrap().len(), found, "{query}");
            } else {
                assert!(answer.json()["detail"].as_str().unwrap().contains("3 rows"), "{}", answer.text());
            }
        }
    }

    async fn series_are_found_by_what_was_requested(database: TestDatabase) {
        let world = World::with(database, yingku::web::dicomweb::DicomwebConfig::default()).await;
        let mut files = Vec::new();
        for (study, requests) in [(1, &[("S1", "P1"), ("S2", "P2")][..]), (2, &[("S1", "P9")]), (3, &[])] {
            let uid = format!("2.25.51{study}.1.1");
            let items: Vec<[(u32, &str, &str); 2]> = requests
                .iter()
                .map(|(step, procedure)| [(0x0040_0009, "SH", *step), (0x0040_1001, "SH", *procedure)])
                .collect();
            let items: Vec<&[(u32, &str, &str)]> = items.iter().map(|item| item.as_slice()).collect();
            let set = DataSet::ct(&uid)
                .text(0x0020_000D, "UI", &format!("2.25.51{study}"))
                .text(0x0020_000E, "UI", &format!("2.25.51{study}.1"))
                .text(0x0040_0244, "DA", "20240322")
                .items(0x0040_0275, &items)
                .encode();
            files.push(file(CT_IMAGE, &uid, EXPLICIT_LE, &set));
        }
        world.store(&files).await;
        let of = "/dicom-web/series?RequestAttributesSequence.ScheduledProcedureStepID";
        let found = world.get(&format!("{of}=S1"), JSON).await;
        let mut both = uids(&found, "0020000E");
        both.sort();
        assert_eq!((both, found.header("warning")), (vec!["2.25.511.1".to_owned(), "2.25.512.1".to_owned()], ""));
        let one = world.get(&format!("{of}=S1&RequestAttributesSequence.RequestedProcedureID=P1"), JSON).await.json();
        let items = &one[0]["00400275"];
        assert_eq!(items, &serde_json::json!({ "vr": "SQ", "Value": [{
            "00400009": { "vr": "SH", "Value": ["S1"] }, "00401001": { "vr": "SH", "Value": ["P1"] },
        }] }), "the item that fits");
        assert_eq!(one[0]["00400244"]["Value"][0], "20240322");
        let across = world.get(&format!("{of}=S1&RequestAttributesSequence.RequestedProcedureID=P2"), JSON).await;
        assert_eq!(across.status, 204, "both in one item");
        let without = world.get("/dicom-web/studies/2.25.513/series", JSON).await.json();
        assert_eq!(without[0]["00400275"], serde_json::json!({ "vr": "SQ" }));
        assert_eq!(world.get_as(OTHER, &format!("{of}=S1"), JSON).await.status, 204);
        let instances = world.get("/dicom-web/instances?00400275.00401001=P9", JSON).await;
        assert_eq!(uids(&instances, "00080018"), ["2.25.512.1.1"]);
    }

    async fn answers_are_cut_at_the_limit_and_say_so(database: TestDatabase) {
        let world = filled(database).await;
        let capped = world.get(STUDIES, JSON).await;
        assert_eq!(capped.json().as_array().unwrap().len(), 4);
        assert!(capped.header("warning").starts_with("299 http://"), "{:?}", capped.headers);
        assert!(capped.header("warning").contains("exceeded the maximum"));
        let mut seen = std::collections::BTreeSet::new();
        for offset in [0, 4, 8] {
            let page = world.get(&format!("{STUDIES}?limit=1000000000&offset={offset}"), JSON).await;
            assert_eq!(page.header("warning").is_empty(), offset == 8);
            seen.extend(uids(&page, "0020000D"));
        }
        assert_eq!(seen.len(), 10, "every study once");
        let two = world.get(&format!("{STUDIES}?limit=2"), JSON).await;
        assert_eq!((two.json().as_array().unwrap().len(), two.header("warning")), (2, ""));
        let behind = world.get(&format!("{STUDIES}?offset=1000000000"), JSON).await;
        assert_eq!(behind.status, 204);
        let xml = world.get(&format!("{STUDIES}?limit=2"), "multipart/related; type=\"application/dicom+xml\"").await;
        assert_eq!(xml.parts().len(), 2);
    }

    async fn names_are_matched_by_their_words_when_that_is_asked(database: TestDatabase) {
        let world = filled(database).await;
        let fuzzy = world.get(&format!("{STUDIES}?limit=1&PatientName=a%20test&fuzzymatching=true"), JSON).await;
        assert_eq!((fuzzy.status, fuzzy.header("warning")), (200, ""));
        for query in ["PatientName=a%20test", "PatientName=a%20test&fuzzymatching=false", "PatientName=a&fuzzymatching="] {
            assert_eq!(world.get(&format!("{STUDIES}?{query}"), JSON).await.status, 204, "{query}");
        }
        let words = "a%20".repeat(9);
        let refused = world.get(&format!("{STUDIES}?PatientName={words}&fuzzymatching=true"), JSON).await;
        assert_eq!(refused.status, 400);
    }

    async fn empty_values_and_lists_are_matched_when_that_is_asked(database: TestDatabase) {
        let world = filled(database).await;
        let bare = DataSet::ct("2.25.6001.1.1")
            .text(0x0020_000D, "UI", "2.25.6001")
            .text(0x0020_000E, "UI", "2.25.6001.1")
            .without(0x0008_0020)
            .without(0x0008_0050)
            .text(0x0010_0020, "LO", "L0099")
            .encode();
        world.store(&[file(CT_IMAGE, "2.25.6001.1.1", EXPLICIT_LE, &bare)]).await;
        let table: [(&str, &[&str]); 8] = [
            ("AccessionNumber=%22%22&emptyvaluematching=true", &["2.25.6001"]),
            ("StudyDate=%22%22&emptyvaluematching=true", &["2.25.6001"]),
            ("AccessionNumber=%22%22&PatientID=L0003&emptyvaluematching=true", &[]),
            ("AccessionNumber=%22%22", &[]),
            (
                "AccessionNumber=%22%22%5CA0002&emptyvaluematching=true&multiplevaluematching=true",
                &["2.25.5002", "2.25.6001"],
            ),
            ("AccessionNumber=A000%3F%5CA0010&PatientID=L0003&multiplevaluematching=true", &["2.25.5003"]),
            (
                "StudyDate=20240302%5C20240309-20240310&multiplevaluematching=true",
                &["2.25.5002", "2.25.5009", "2.25.5010"],
            ),
            ("PatientID=L0004%5CL0005&multiplevaluematching=true", &["2.25.5004", "2.25.5005"]),
        ];
        for (query, expected) in table {
            let found = world.get(&format!("{STUDIES}?{query}"), JSON).await;
            assert_eq!(found.header("warning"), "", "{query}");
            let mut studies = if found.status == 204 { Vec::new() } else { uids(&found, "0020000D") };
            studies.sort();
            assert_eq!(studies, expected, "{query}");
        }
        // Not asked for, a list of dates is no kind of matching; a UID is never empty.
        for query in ["StudyDate=20240302%5C20240309", "StudyInstanceUID=%22%22&emptyvaluematching=true"] {
            assert_eq!(world.get(&format!("{STUDIES}?{query}"), JSON).await.status, 400, "{query}");
        }
    }

    async fn a_date_and_its_time_are_one_range(database: TestDatabase) {
        let world = World::with(database, yingku::web::dicomweb::DicomwebConfig::default()).await;
        let moments = [("20240301", "080000"), ("20240301", "230000"), ("20240302", "120000"), ("20240303", "230000")];
        let files: Vec<Vec<u8>> = (1..)
            .zip(moments)
            .map(|(study, (date, time))| {
                let uid = format!("2.25.52{study}.1.1");
                let set = DataSet::ct(&uid)
                    .text(0x0020_000D, "UI", &format!("2.25.52{study}"))
                    .text(0x0020_000E, "UI", &format!("2.25.52{study}.1"))
                    .text(0x0008_0020, "DA", date)
                    .text(0x0008_0030, "TM", time)
                    .encode();
                file(CT_IMAGE, &uid, EXPLICIT_LE, &set)
            })
            .collect();
        world.store(&files).await;
        let range = "StudyDate=20240301-20240303&StudyTime=220000-060000";
        let found = world.get(&format!("{STUDIES}?{range}"), JSON).await;
        let mut studies = uids(&found, "0020000D");
        studies.sort();
        assert_eq!(studies, ["2.25.522", "2.25.523"], "from the evening of the first day to the morning of the last");
        assert_eq!(found.header("warning"), "");
    }

    async fn nobody_finds_what_is_not_for_them(database: TestDatabase) {
        let world = filled(database).await;
        assert_eq!(world.get_as(OTHER, STUDIES, JSON).await.status, 204);
        assert_eq!(world.get_as(OTHER, "/dicom-web/studies/2.25.5003/series", JSON).await.status, 204);
        let sql = "INSERT INTO exam_report (id, observation_uid, version, content_hash, sender, reviewed, vip, \
                   restricted, withdrawn, identity_conflict, modality, retrieve_at, observed_at, received_at, updated_at, \
                   org_code, report_form_no, patient_id, event_type, event_no) VALUES (1, 'x', 1, '', 'ris', 1, 1, 0, 0, 0, \
                   'CT', '', '', 0, 0, 'ORG-T01', 'R', 'P', '1', 'E')";
        world.execute(sql, params![]).await;
        let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) SELECT CAST(1 AS BIGINT), id, \
                   'manual', CAST(0 AS BIGINT) FROM study WHERE study_instance_uid = '2.25.5003'";
        world.execute(sql, params![]).await;
        let query = format!("{STUDIES}?PatientID=L0003");
        assert_eq!(world.get_as(REGION, &query, JSON).await.status, 204, "a VIP's study is not shared");
        assert_eq!(world.get_as(REGION, "/dicom-web/studies/2.25.5003", "*/*").await.status, 404);
        assert_eq!(world.get_as(REGION, "/dicom-web/studies/2.25.5004", "*/*").await.status, 200);
        assert_eq!(world.get_as(OWN, &query, JSON).await.status, 200);
        assert_eq!(world.get_as(OWN, "/dicom-web/studies/2.25.5003", "*/*").await.status, 200);
        let asked = "SELECT COUNT(*) AS n FROM audit WHERE action = 'find' AND actor = 'region'";
        assert_eq!(world.count(asked).await, 1);

        assert_eq!(world.get_as(VIP, &query, JSON).await.status, 200, "a VIP's study is for who may see VIPs");
        assert_eq!(world.get_as(VIP, "/dicom-web/studies/2.25.5003", "*/*").await.status, 200);
        world.execute("UPDATE exam_report SET withdrawn = 1", params![]).await;
        assert_eq!(world.get_as(VIP, &query, JSON).await.status, 204, "a withdrawn exam's study is for nobody else");
        assert_eq!(world.get_as(VIP, "/dicom-web/studies/2.25.5003", "*/*").await.status, 404);
        assert_eq!(world.get_as(VIP, "/dicom-web/studies/2.25.5004", "*/*").await.status, 200);
        assert_eq!(world.get_as(OWN, "/dicom-web/studies/2.25.5003", "*/*").await.status, 200);
    }

    async fn images_of_a_vip_are_not_shared_although_nobody_has_reported_them(database: TestDatabase) {
        let world = filled(database).await;
        // By the hospital's number, by that of the imaging system, and by one that another hospital gave.
        for (id, org, patient, local) in
            [(1, "ORG-T01", "L0003", ""), (2, "ORG-T01", "P2", "L0005"), (3, "ORG-T02", "L0006", "")]
        {
            report(&world, id, org, patient, local, 1).await;
        }
        for (number, region) in [("03", false), ("05", false), ("06", true), ("07", true)] {
            for (caller, seen) in [(REGION, region), (VIP, true), (OWN, true)] {
                let study = format!("/dicom-web/studies/2.25.50{number}");
                let patient = format!("PatientID=L00{number}");
                let lists =
                    [format!("{STUDIES}?{patient}"), format!("{study}/series"), format!("/dicom-web/instances?{patient}")];
                for path in lists {
                    let status = world.get_as(caller, &path, JSON).await.status;
                    assert_eq!(status, if seen { 200 } else { 204 }, "{path} for {caller}");
                }
                let instance = format!("{study}/series/2.25.50{number}.1/instances/2.25.50{number}.1.1");
                for path in [study, instance] {
                    let status = world.get_as(caller, &path, "*/*").await.status;
                    assert_eq!(status, if seen { 200 } else { 404 }, "{path} for {caller}");
                }
            }
        }
        // A report of the images themselves decides for them.
        report(&world, 4, "ORG-T01", "L0003", "", 0).await;
        let sql = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) SELECT CAST(4 AS BIGINT), id, \
                   'manual', CAST(0 AS BIGINT) FROM study WHERE study_instance_uid = '2.25.5003'";
        world.execute(sql, params![]).await;
        assert_eq!(world.get_as(REGION, "/dicom-web/studies/2.25.5003", "*/*").await.status, 200);
    }
}
