//! The viewer's page and files as a program sees them.

use yingku::domain::customer::{Customer, Permission};

use super::{marked, phantom, report};
use crate::pages::world::{Exam, NOW_S, World, customer, uid};

async fn world() -> (World, String) {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    phantom::store(&world, 1).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    (world, exam)
}

#[tokio::test]
async fn the_viewer_is_in_the_binary() {
    assert!(yingku::web::viewer_is_embedded(), "the viewer is not in this binary; build it with: make web");
}

#[tokio::test]
async fn the_page_describes_the_exam_under_a_policy_of_its_own() {
    let (world, exam) = world().await;
    let page = world.get(&format!("{exam}/viewer")).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval';") && policy.contains("frame-ancestors 'none'"));
    assert_eq!((page.header("referrer-policy"), page.header("cache-control")), ("no-referrer", "no-store"));
    let text = page.text();
    let json = text.split("id=\"viewer-exam\">").nth(1).unwrap().split("</script>").next().unwrap();
    let described: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(described["exam"]["name"], "测试甲");
    let counts: Vec<i64> =
        described["series"].as_array().unwrap().iter().map(|s| s["frames"].as_i64().unwrap()).collect();
    assert_eq!(counts, [12, 3, 1, 1, 1]);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'view_exam'").await, 1);
    assert_eq!((&described["exam"]["state"], &described["exam"]["critical"]), (&"已审核".into(), &false.into()));
    world.execute("UPDATE exam_report SET state = '4', is_abnormal = '危急' WHERE id = 1", vec![]).await;
    let text = world.get(&format!("{exam}/viewer.json")).await.text();
    let described: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&described["exam"]["state"], &described["exam"]["critical"]), (&"已修订".into(), &true.into()));
}

#[tokio::test]
async fn the_first_image_of_the_series_that_is_put_up_first_is_in_the_page() {
    let (world, exam) = world().await;
    let text = world.get(&format!("{exam}/viewer")).await.text();
    let first = world
        .count("SELECT i.id AS n FROM instance i JOIN series s ON s.id = i.series_pk WHERE s.series_instance_uid = '2.25.7000.1' ORDER BY i.instance_number LIMIT 1")
        .await;
    let picture = format!("{exam}/frame/{first}/1.jpg?e=1024");
    assert!(text.contains(&format!("<img id=\"first-picture\" src=\"{picture}\"")), "{text}");
    let preload = text.find(&format!("href=\"{picture}\" fetchpriority=\"high\"")).unwrap();
    assert!(preload < text.find("modulepreload").unwrap(), "before what is large");
    let answer = world.get(&picture).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "image/jpeg"));
    let described: serde_json::Value =
        serde_json::from_str(&world.get(&format!("{exam}/viewer.json")).await.text()).unwrap();
    assert_eq!(described["series"][described["first"].as_u64().unwrap() as usize]["series"], "2.25.7000.1");
}

#[tokio::test]
async fn what_a_hospital_sends_cannot_end_the_description() {
    let world = World::start().await;
    let evil = "</script><script>alert(1)</script><!--";
    world.exam(Exam { text: Some(evil.to_owned()), ..Exam::new(1) }).await;
    phantom::store(&world, 1).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    let text = world.get(&format!("{exam}/viewer")).await.text();
    assert!(text.contains("\\u003c/script>") && !text.contains("<script>alert"));
    let json = world.get(&format!("{exam}/viewer.json")).await;
    assert_eq!(json.header("content-type"), "application/json");
    let described: serde_json::Value = serde_json::from_str(&json.text()).unwrap();
    assert_eq!(described["exam"]["title"], evil);
}

#[tokio::test]
async fn a_session_sees_neither_other_exams_nor_words_that_its_link_leaves_out() {
    let (world, _) = world().await;
    world.exam(Exam { organization: "ORG-T02", id_no: "990101198505050036", ..Exam::new(2) }).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001"), ("ShowType", "3")]).await;
    let text = world.get(&format!("{exam}/viewer.json")).await.text();
    assert!(!text.contains("小结节"), "ShowType 3 shows no word of the report");
    for path in ["viewer", "viewer.json"] {
        let other = exam.replace(&uid(1), &uid(2));
        assert_eq!(world.get(&format!("{other}/{path}")).await.status, 404);
        let ended = exam.replace("/t/", "/t/0");
        assert_eq!(world.get(&format!("{ended}/{path}")).await.status, 403);
    }
}

#[tokio::test]
async fn exams_of_the_same_patient_stand_beside() {
    let (world, _) = world().await;
    world.exam(Exam { id: 2, ..Exam::new(2) }).await;
    world
        .execute(
            "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) SELECT 2, s.id, 'manual', 0 FROM study s",
            vec![],
        )
        .await;
    world.exam(Exam { id: 3, ..Exam::new(3) }).await;
    let list = world.open("ClinicExamView", &[("IDCardNO", "990101199001010019")]).await;
    let exam = list.replace("/exams", &format!("/exam/{}", uid(1)));
    let described: serde_json::Value =
        serde_json::from_str(&world.get(&format!("{exam}/viewer.json")).await.text()).unwrap();
    let priors: Vec<&str> =
        described["priors"].as_array().unwrap().iter().map(|prior| prior["uid"].as_str().unwrap()).collect();
    assert_eq!(priors, [uid(2)], "the third has no images");
    let href = described["priors"][0]["href"].as_str().unwrap();
    assert_eq!(world.get(href).await.status, 200);
}

#[tokio::test]
async fn the_files_come_compressed_and_for_good() {
    let (world, exam) = world().await;
    let text = world.get(&format!("{exam}/viewer")).await.text();
    let script = text.split("type=\"module\" src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |encoding: &'static str| {
        let address = format!("http://{}{script}", world.address);
        client.get(address).header("accept-encoding", encoding).send()
    };
    let plain = get("identity").await.unwrap();
    assert!(plain.headers()["content-type"].to_str().unwrap().starts_with("text/javascript"));
    assert!(plain.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    // A worker runs under the policy of its own file: without these words no decoder would start in it.
    let policy = plain.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("script-src 'self' 'wasm-unsafe-eval'") && policy.contains("connect-src 'self'"),
        "{policy}"
    );
    let tag = plain.headers()["etag"].to_str().unwrap().to_owned();
    let plain = plain.bytes().await.unwrap();
    for encoding in ["br", "gzip"] {
        let packed = get(encoding).await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], encoding);
        assert!(packed.bytes().await.unwrap().len() * 2 < plain.len());
    }
    let address = format!("http://{}{script}", world.address);
    let known = client.get(address).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    assert_eq!(world.get("/static/viewer/none.js").await.status, 404);
}

#[tokio::test]
async fn the_basic_page_leads_to_the_viewer_and_back() {
    let (world, exam) = world().await;
    let basic = world.get(&format!("{exam}?tab=images&basic=1")).await.text();
    assert!(basic.contains(&format!("href=\"{exam}/viewer\" data-viewer")), "{basic}");
    let described: serde_json::Value =
        serde_json::from_str(&world.get(&format!("{exam}/viewer.json")).await.text()).unwrap();
    assert_eq!(described["links"]["basic"], format!("{exam}?tab=images&basic=1"));
}

#[tokio::test]
async fn who_may_look_and_not_keep_gets_frames_and_no_objects() {
    let world = World::for_customer(Customer { download: Permission::Denied, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    phantom::store(&world, 1).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    gives_frames_and_no_objects(&world, &exam).await;
}

#[tokio::test]
async fn d_i10_a_visitor_with_a_printed_code_gets_frames_and_no_objects() {
    let (world, _) = world().await;
    let sql = "INSERT INTO qr_link (id, exam_report_pk, created_at) VALUES ('abcdefghijklmnopqrstuvwxy4', 1, 0)";
    world.execute(sql, vec![]).await;
    let opened = world.post("/q/abcdefghijklmnopqrstuvwxy4", "factor=0019").await;
    gives_frames_and_no_objects(&world, opened.header("location")).await;
}

async fn gives_frames_and_no_objects(world: &World, exam: &str) {
    let json = world.get(&format!("{exam}/viewer.json")).await.text();
    let described: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(described["download"], false);
    let root = described["links"]["dicomweb"].as_str().unwrap();
    let series = format!("{root}/studies/2.25.7000/series/2.25.7000.1");
    for accept in ["application/zip", "multipart/related;type=%22application/dicom%22"] {
        assert_eq!(world.get(&format!("{series}?accept={accept}")).await.status, 403, "{accept}");
    }
    let uri = root.replace("/dicom-web", "/wado");
    let object = "studyUID=2.25.7000&seriesUID=2.25.7000.1&objectUID=2.25.7000.1.1";
    let answer = world.get(&format!("{uri}?requestType=WADO&{object}&contentType=application/dicom")).await;
    assert_eq!(answer.status, 403);
    let frame = format!("{series}/instances/2.25.7000.1.1/frames/1?accept=application/octet-stream");
    assert_eq!(world.get(&frame).await.body.len(), 256 * 256 * 2);
    let pk = world.count("SELECT MIN(id) AS n FROM instance").await;
    assert_eq!(world.get(&format!("{exam}/frame/{pk}/1.jpg")).await.status, 200);
    assert_eq!(world.get(&format!("{exam}/document/{pk}/original")).await.status, 404, "an image is no document");
}

#[tokio::test]
async fn what_the_viewer_asks_while_somebody_works_keeps_the_session_awake() {
    let (world, exam) = world().await;
    let json = world.get(&format!("{exam}/viewer.json")).await.text();
    let described: serde_json::Value = serde_json::from_str(&json).unwrap();
    let service = format!("{}/", described["links"]["dicomweb"].as_str().unwrap());
    let at_minute = |minute: i64| world.clock.set((NOW_S + minute * 60) * 1000);
    at_minute(29);
    let answer = world.head(&service).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    // Without that request it would have ended in the thirtieth.
    at_minute(58);
    assert_eq!(world.get(&format!("{exam}/viewer.json")).await.status, 200);
    at_minute(89);
    assert_eq!(world.head(&service).await.status, 403);
}

#[tokio::test]
async fn key_images_stand_in_the_description_and_their_words_only_where_the_report_is_shown() {
    let (world, exam) = world().await;
    let keys = async |exam: &str| {
        let text = world.get(&format!("{exam}/viewer.json")).await.text();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["keys"].clone()
    };
    assert_eq!(keys(&exam).await, serde_json::json!([]));
    marked::store_key_objects(&world, 1).await;
    let of = |series: u32, number: u32, title: &str, description: &str| {
        serde_json::json!({
            "series": format!("2.25.7000.{series}"), "instance": format!("2.25.7000.{series}.{number}"),
            "frames": [], "title": title, "description": description,
        })
    };
    let words = ("关注影像", "结节 <b>复查</b>");
    let english = world.get_with(&format!("{exam}/viewer.json"), "accept-language", "en").await.text();
    assert!(english.contains(r#""title":"Of Interest""#), "codes are said as the object calls them: {english}");
    let marked = serde_json::json!([of(1, 6, words.0, words.1), of(2, 2, words.0, words.1)]);
    assert_eq!(keys(&exam).await, marked);
    let images_only = world.open("ClinicExam", &[("AccessionNumber", "A0001"), ("ShowType", "3")]).await;
    assert_eq!(keys(&images_only).await, serde_json::json!([of(1, 6, "", ""), of(2, 2, "", "")]));
}

#[tokio::test]
async fn pages_of_the_report_file_stand_in_the_description_only_where_the_report_is_shown() {
    let (world, exam) = world().await;
    let described = async |exam: &str| {
        let text = world.get(&format!("{exam}/viewer.json")).await.text();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    assert_eq!(described(&exam).await["reportPages"], serde_json::json!([]));
    world.report_file(1, "application/pdf", report(), 1).await;
    let page = format!("{exam}/report/page/1.png");
    assert_eq!(described(&exam).await["reportPages"], serde_json::json!([page]));
    let picture = world.get(&page).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/png"));
    let images_only = world.open("ClinicExam", &[("AccessionNumber", "A0001"), ("ShowType", "3")]).await;
    let found = described(&images_only).await;
    assert_eq!((&found["reportPages"], &found["report"]), (&serde_json::json!([]), &serde_json::json!([])));
}

#[tokio::test]
async fn an_english_reader_is_told_presets_and_headings_in_english() {
    let (world, exam) = world().await;
    let json = world.get_with(&format!("{exam}/viewer.json"), "accept-language", "en").await.text();
    let described: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&described["presets"][2]["name"], &described["report"][0]["heading"]),
        (&"Lung".into(), &"Findings".into())
    );
    let page = world.get(&format!("{exam}/viewer?lang=en")).await.text();
    assert!(page.contains("<html lang=\"en\">") && page.contains("· Yingku</title>"));
}
