//! Decisions on single fields as a hospital and a region meet them: what is registered over HTTP, what is noted, what a
//! query answers (D-R12 to D-R38). What each rule makes of odd values is tested beside it, in `src`.

use serde_json::json;
use yingku::domain::Actor;
use yingku::domain::dictionary::{Entry, RECOGNITION};

use super::{Service, exam, lab, line, root};
use crate::api::containers;
use crate::api::world::{REGION, World, members};
use crate::each_database;
use crate::pages::world::customer;

const ID_NO: (&str, &str) = ("strSSID", "990101199001010019");
const CARD_NO: (&str, &str) = ("strIDNO", "C00000001");

/// The report of this number in an answer.
fn of_number<'a>(answer: &'a str, number: &str) -> &'a str {
    let name = format!("<REPORT_FORM_NO>{number}</REPORT_FORM_NO>");
    let found = answer.split("<exammaster>").find(|report| report.contains(&name));
    found.unwrap_or_else(|| panic!("{number} is not in {answer}"))
}

each_database! {
    async fn d_r12_dates_in_every_known_form_come_back_in_one(database: TestDatabase) {
        let service = Service::start(database).await;
        let forms = [
            ("2013/9/2 0:50:34", "2013-09-02 00:50:34"),
            ("2013-09-02", "2013-09-02 00:00:00"),
            ("2013.9.2 9:05", "2013-09-02 09:05:00"),
            ("20130902", "2013-09-02 00:00:00"),
            ("2013090200:50:34", "2013-09-02 00:50:34"),
            ("20130902005034", "2013-09-02 00:50:34"),
            ("2013-09-02T00:50:34.123", "2013-09-02 00:50:34"),
            ("2013-09-01T16:50:34Z", "2013-09-02 00:50:34"),
            ("2013/9/2 下午 1:50:34", "2013-09-02 13:50:34"),
            ("0001-01-01", ""),
            ("1900/1/1 0:00:00", ""),
            ("", ""),
        ];
        for (at, (written, _)) in forms.iter().enumerate() {
            let told = service.register(&exam(&[("report_form_no", &format!("EX{at}X")), ("performer_dtime", written)])).await;
            assert!(told.contains("stored") && !told.contains("E1002"), "{written}: {told}");
        }
        let told = service.register(&exam(&[("report_form_no", "EX-ODD"), ("performer_dtime", "某日")])).await;
        assert!(told.contains("stored") && told.contains("E1002 Performer_DTime"), "{told}");

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;

        for (at, (written, kept)) in forms.iter().enumerate() {
            let report = of_number(&answer, &format!("EX{at}X"));
            assert!(report.contains(&format!("<PERFORMER_DTIME>{kept}</PERFORMER_DTIME>")), "{written}: {report}");
        }
        assert!(of_number(&answer, "EX-ODD").contains("<PERFORMER_DTIME></PERFORMER_DTIME>"), "{answer}");
    }

    async fn d_r13_blank_text_is_no_text_and_a_blank_key_rejects_its_record(database: TestDatabase) {
        let service = Service::start(database).await;
        let keys = [
            ("org_code", "Org_Code"),
            ("report_form_no", "Report_Form_No"),
            ("patient_id", "Patient_Id"),
            ("event_type", "Event_Type"),
            ("event_no", "Event_No"),
        ];
        for (name, wire) in keys {
            for blank in ["", "  "] {
                let told = service.register(&root(&[exam(&[(name, blank)]), lab(&[(name, blank)])])).await;
                assert_eq!(told.matches(&format!("message=\"E1001 {wire} ")).count(), 2, "{name}: {told}");
            }
        }
        for (name, wire) in keys.into_iter().filter(|(name, _)| !["patient_id", "event_type"].contains(name)) {
            let told = service.register(&root(&[line("1", &[(name, "")])])).await;
            assert!(told.contains(&format!("message=\"E1001 {wire} ")), "{name}: {told}");
        }
        assert_eq!(service.count("SELECT id FROM exam_report").await, 0);
        assert_eq!(service.count("SELECT id FROM lab_report").await, 0);
        assert_eq!(service.count("SELECT id FROM lab_item").await, 0);

        service.register(&exam(&[("card_no", "  "), ("conclusion", "")])).await;

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;
        assert!(answer.contains("<CARD_NO></CARD_NO>") && answer.contains("<CONCLUSION></CONCLUSION>"), "{answer}");
    }

    async fn d_r15_long_text_comes_back_whole_and_what_is_no_number_is_emptied(database: TestDatabase) {
        let service = Service::start(database).await;
        let (whole, long) = ("长".repeat(4000), "长".repeat(4001));

        let fits = service.register(&exam(&[("report_form_no", "EX1"), ("image_descr", &whole), ("recognition", "12")])).await;
        let odd = [("report_form_no", "EX2"), ("image_descr", long.as_str()), ("recognition", "一"), ("is_correct", "01")];
        let told = service.register(&exam(&odd)).await;

        assert!(!fits.contains("E1004") && !fits.contains("E1003"), "{fits}");
        assert!(told.contains("stored") && told.contains("E1004 Image_Descr") && told.contains("E1003 Recognition"), "{told}");
        let answer = service.ask("GetExamInfo", &[ID_NO]).await;
        assert!(of_number(&answer, "EX1").contains("<RECOGNITION>12</RECOGNITION>"), "{answer}");
        let report = of_number(&answer, "EX2");
        assert!(report.contains(&format!("<IMAGE_DESCR>{long}</IMAGE_DESCR>")), "nothing is cut");
        assert!(report.contains("<RECOGNITION></RECOGNITION>") && report.contains("<IS_CORRECT>1</IS_CORRECT>"), "{report}");
    }

    async fn d_r19_d_r20_is_correct_and_upload_status_are_answered_and_leave_nothing_out(database: TestDatabase) {
        let service = Service::start(database).await;
        let values = [("0", "0"), ("0", "5"), ("1", "0"), ("9", "9")];
        for (at, (is_correct, upload_status)) in values.iter().enumerate() {
            let marks = [("is_correct", *is_correct), ("upload_status", *upload_status)];
            let number = format!("NO{at}");
            let of = [&marks[..], &[("report_form_no", number.as_str())]].concat();
            let told = service.register(&root(&[exam(&of), lab(&of), line("1", &of)])).await;
            assert!(told.contains("<succeeded>3</succeeded>"), "{told}");
        }
        service.register(&root(&[exam(&[("report_form_no", "UNSAID")])])).await;

        let exams = service.ask("GetExamInfo", &[ID_NO]).await;
        let labs = service.ask("GetLabInfo", &[CARD_NO]).await;

        for (at, (is_correct, upload_status)) in values.iter().enumerate() {
            let kept = |text: &str| {
                text.contains(&format!("<UPLOAD_STATUS>{upload_status}</UPLOAD_STATUS>"))
                    && text.contains(&format!("<IS_CORRECT>{is_correct}</IS_CORRECT>"))
            };
            assert!(kept(of_number(&exams, &format!("NO{at}"))), "{exams}");
            let name = format!("<REPORT_FORM_NO>NO{at}</REPORT_FORM_NO>");
            // A head and its line.
            let parts: Vec<&str> = labs.split("<labmaster>").flat_map(|part| part.split("<lab_subitem>")).collect();
            let parts: Vec<&str> = parts.into_iter().filter(|part| part.contains(&name)).collect();
            assert!(parts.len() == 2 && parts.iter().all(|part| kept(part)), "{labs}");
        }
        let unsaid = of_number(&exams, "UNSAID");
        assert!(unsaid.contains("<UPLOAD_STATUS>0</UPLOAD_STATUS>") && unsaid.contains("<IS_CORRECT>0</IS_CORRECT>"));
    }

    async fn d_r23_a_report_is_shared_when_state_or_check_or_reviewer_says_that_it_is_reviewed(database: TestDatabase) {
        const REVIEWED_AT: &str = "2024/3/22 16:00:00";
        let service = Service::start(database).await;
        let said = [
            (["3", "", ""], true),
            (["4", "0", ""], true),
            (["", "1", ""], true),
            (["", "Y", ""], true),
            (["", "t", ""], true),
            (["2", "1", ""], true),
            // As in the example of the specification.
            (["", "0", REVIEWED_AT], true),
            (["", "", ""], true),
            (["2", "0", REVIEWED_AT], false),
            (["1", "", REVIEWED_AT], false),
            (["0", "", ""], false),
            (["", "0", ""], false),
        ];
        for (at, ([state, checked, reviewed], _)) in said.iter().enumerate() {
            let number = format!("EX{at}X");
            let of = [("state", *state), ("checked_status", *checked), ("authenticator_dtime", *reviewed)];
            service.register(&exam(&[&of[..], &[("report_form_no", number.as_str())]].concat())).await;
        }

        let answer = service.ask("GetExamInfo", &[ID_NO]).await;

        for (at, (of, is_shared)) in said.iter().enumerate() {
            assert_eq!(answer.contains(&format!("EX{at}X")), *is_shared, "{of:?}");
        }
    }

    async fn d_r26_a_staff_number_in_the_name_is_taken_apart_wherever_the_report_is_read(database: TestDatabase) {
        let world = World::start(database).await;
        let of = |number: &'static str, name: &'static str, id: &'static str| {
            let asked = ("participant_dtime", "2024/3/22 9:00:00");
            let study = if number == "EX0001" { "2.25.1000" } else { "2.25.9" };
            let exam = [("report_form_no", number), ("pacs_id", number), ("study_instance_uid", study)];
            [&exam[..], &[("participant_name", name), ("participant_id", id), asked]].concat()
        };
        let lab = [("participant_name", "申请甲/D0017"), ("participant_dtime", "2024/3/22 9:00:00")];
        world.register(&[containers::exam(&of("EX0001", "申请甲/D0017", "")), containers::lab(&lab)]).await;
        world.register(&[containers::exam(&of("EX0002", "申请甲/D0017", "D0018")), containers::exam(&of("EX0003", "申请甲/内科", ""))]).await;
        world.register(&[containers::exam(&of("EX0004", "", ""))]).await;
        world.store_slice().await;

        for (number, expected) in [
            ("EX0001", json!({ "name": "申请甲", "id": "D0017" })),
            ("LB0001", json!({ "name": "申请甲", "id": "D0017" })),
            ("EX0002", json!({ "name": "申请甲/D0017", "id": "D0018" })),
            ("EX0003", json!({ "name": "申请甲/内科" })),
            ("EX0004", json!(null)),
        ] {
            let found = world.found(REGION, &format!("/api/v1/reports?organization=ORG-T01&report_form_no={number}")).await;
            let report = &found["reports"][0];
            assert_eq!(report["requester"], expected, "{number}");
            let bundle = world.found(REGION, &format!("/fhir/DiagnosticReport?identifier={number}")).await;
            let resource = &bundle["entry"][0]["resource"];
            let request = &resource["contained"][0];
            let told = &request["requester"];
            assert_eq!([&told["display"], &told["identifier"]["value"]], [&expected["name"], &expected["id"]], "{resource}");
            let Some(id) = expected["id"].as_str() else { continue };
            assert_eq!(told["identifier"], json!({ "system": "urn:x-yingku:ORG-T01:staff-no", "value": id }));
            assert_eq!((&request["resourceType"], &request["authoredOn"]), (&json!("ServiceRequest"), &json!("2024-03-22T09:00:00+08:00")));
            assert_eq!(resource["basedOn"][0]["reference"], "#request");
        }
        let raw = world.found(REGION, "/api/v1/reports?organization=ORG-T01&report_form_no=EX0001").await;
        assert_eq!(raw["reports"][0]["fields"]["participant_name"], "申请甲/D0017", "what was registered stays");
        let study = world.found(REGION, "/fhir/ImagingStudy?identifier=urn:dicom:uid|urn:oid:2.25.1000").await;
        let referrer = &study["entry"][0]["resource"]["referrer"];
        assert!(referrer["type"] == "Practitioner" && referrer["display"].as_str().unwrap().starts_with("申请甲"), "{referrer}");
    }

    async fn d_r26_a_page_names_the_requester_without_the_staff_number_and_the_request_tells_it(database: TestDatabase) {
        let pages = crate::pages::world::World::with(database, customer(), Default::default()).await;
        let at = ("performer_dtime", "2026/9/20 9:00:00");
        let told = pages.register(&root(&[containers::exam(&[at, ("participant_name", "申请甲/D0017")])])).await;
        assert!(told.contains("<result>1</result>"), "{told}");

        let exam = pages.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
        let request = pages.get(&format!("{exam}?tab=request")).await.text();

        assert!(request.contains("申请甲") && request.contains("D0017"), "{request}");
        assert!(!request.contains("申请甲/"), "{request}");
    }

    async fn d_r30_misspelt_names_are_understood_and_answered_as_the_specification_writes_them(database: TestDatabase) {
        let service = Service::start(database).await;
        let message = r#"{"labmaster":[{"org_code":"ORG-T01","report_form_no":"LB0001","Paient_Id":"P0001","event_type":"1",
            "event_no":"E0001","card_no":"C00000001","retrieve_date":"2024/3/22 21:01:07","class_code":"G003",
            "　Specimen_ Quantity":"合格"}],"lab_subitem":[{"org_code":"ORG-T01","event_no":"E0001","report_form_no":"LB0001",
            "serial_no":"1","class_code":"WBC","Examine_Way ":"光度法","RESULT_INTERPRE":"H"}]}"#;

        let told = service.post("/ArchiveAutoReport", "application/json", message).await.text;

        assert!(told.starts_with(r#"{"Status":1,"#) && !told.contains("E1023"), "{told}");
        let answer = service.ask("GetLabInfo", &[CARD_NO]).await;
        for element in [
            "<PATIENT_ID>P0001</PATIENT_ID>",
            "<SPECIMEN_QUANTITY>合格</SPECIMEN_QUANTITY>",
            "<EXAMINE_WAY>光度法</EXAMINE_WAY>",
            "<RESULT_INTERPRE>H</RESULT_INTERPRE>",
        ] {
            assert!(answer.contains(element), "{element}: {answer}");
        }
    }

    async fn d_r34_one_dictionary_says_what_recognition_means_on_exams_lab_reports_and_lines(database: TestDatabase) {
        let world = World::start(database).await;
        let marked = [("recognition", "7")];
        world.register(&[containers::exam(&marked), containers::lab(&marked), containers::line("1", &marked)]).await;
        let entry = Entry { code: "7".into(), meaning: "示例互认".into(), aliases: Vec::new() };

        let imported = vec![(RECOGNITION.to_owned(), vec![entry])];
        world.archive.import_dictionaries(Actor::system("test"), imported).await.unwrap();

        let found = world.found(REGION, "/api/v1/reports?card_no=C00000001&order=oldest").await["reports"].clone();
        assert_eq!(members(&found, &["kind"]), ["lab", "exam"]);
        assert_eq!(members(&found, &["recognition_mark"]), ["示例互认", "示例互认"]);
        assert_eq!(members(&found[0]["items"], &["recognition_mark"]), ["示例互认"]);
        assert_eq!(found[1]["fields"]["recognition"], "7", "what was registered stays as it is");
    }

    async fn d_r37_the_retrieval_date_comes_back_with_its_time_and_is_asked_for_by_its_day(database: TestDatabase) {
        let service = Service::start(database).await;
        let at = ("retrieve_date", "2024/3/22 21:01:07");
        service.register(&root(&[exam(&[at]), lab(&[at])])).await;

        for (from, to, is_found) in [
            ("2024-03-22", "2024-03-22", true),
            ("2024-03-22 23:00:00", "2024-03-22 23:30:00", true),
            ("2024-03-22 06:00:00", "2024-03-22 07:00:00", true),
            ("2024-03-20", "2024-03-21 23:59:59", false),
            ("2024-03-23 00:00:00", "2024-03-24", false),
        ] {
            let window = [("strStartTime", from), ("strEndTime", to)];
            for (method, who) in [("GetExamInfo", ID_NO), ("GetLabInfo", CARD_NO)] {
                let answer = service.ask(method, &[&[who][..], &window].concat()).await;
                let is_there = answer.contains("<RETRIEVE_DATE>2024-03-22 21:01:07</RETRIEVE_DATE>");
                assert_eq!((is_there, answer == "<root></root>"), (is_found, !is_found), "{method} {from} {to}: {answer}");
            }
        }
    }

    async fn d_r38_who_reviews_his_own_report_is_noted_and_shared_all_the_same(database: TestDatabase) {
        let service = Service::start(database).await;
        let by_id = [("author_id", "D0001"), ("authenticator_id", "D0001")];
        let by_name = [("author_name", "测试医生"), ("authenticator_name", "测试医生")];
        let by_two = [("author_id", "D0001"), ("authenticator_id", "D0002")];
        for (number, by, is_noted) in [("NO1", by_id, true), ("NO2", by_name, true), ("NO3", by_two, false)] {
            let of = [&by[..], &[("report_form_no", number)]].concat();
            let told = service.register(&root(&[exam(&of), lab(&of)])).await;
            assert!(told.contains("<succeeded>2</succeeded>"), "{told}");
            assert_eq!(told.matches("E1019 Authenticator_Id").count(), if is_noted { 2 } else { 0 }, "{told}");
        }

        let answers = [service.ask("GetExamInfo", &[ID_NO]).await, service.ask("GetLabInfo", &[CARD_NO]).await];

        for answer in &answers {
            assert!(["NO1", "NO2", "NO3"].iter().all(|number| answer.contains(number)), "{answer}");
        }
    }
}
