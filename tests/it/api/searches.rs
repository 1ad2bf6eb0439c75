//! Searches whose question is in the body, so that no number of a person stands in an address.

use serde_json::{Value, json};

use super::persons::settle;
use super::world::{NARROW, REGION, World, exam, lab, members};
use crate::each_database;

const ID_NO: &str = "990101199001010019";

fn numbers(list: &Value) -> Vec<String> {
    members(&list["reports"], &["fields", "report_form_no"])
}

each_database! {
    async fn reports_and_patients_are_asked_for_in_the_body(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[]), lab(&[])]).await;
        world.register(&[exam(&[("report_form_no", "EX0002"), ("patient_id", "P0002"), ("id_no", "990101199001010027"), ("card_no", "C2")])]).await;
        let search = "/api/v1/reports/search";

        let whole = world.post(NARROW, search, &json!({ "id_no": ID_NO, "kind": ["exam", "lab"], "order": "oldest" })).await;
        assert_eq!((whole.status, numbers(&whole.json())), (200, vec!["LB0001".to_owned(), "EX0001".to_owned()]));
        let form = format!("id_no={ID_NO}&order=oldest&limit=1");
        let first = world.post_form(NARROW, search, &form).await.json();
        let cursor = first["cursor"].as_str().unwrap();
        let second = world.post_form(NARROW, search, &format!("{form}&cursor={cursor}")).await.json();
        assert_eq!((numbers(&first), numbers(&second)), (vec!["LB0001".to_owned()], vec!["EX0001".to_owned()]));
        let limited = json!({ "id_no": ID_NO, "order": "oldest", "limit": 1, "cursor": cursor });
        assert_eq!(numbers(&world.post(NARROW, search, &limited).await.json()), ["EX0001"], "a cursor is the same either way");

        settle(&world).await;
        let people = world.post(NARROW, "/api/v1/patients/search", &json!({ "identifier": "C00000001", "type": "card_no" })).await;
        assert_eq!(members(&people.json()["patients"], &["patient_id"]), ["P0001"], "{}", people.text());

        let refused = async |key: &str, path: &str, body: &Value| {
            let answer = world.post(key, path, body).await;
            (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
        };
        for (path, body, expected) in [
            (search.to_owned(), json!({ "identity": ID_NO }), (400, "E4005")),
            (search.to_owned(), json!([ID_NO]), (400, "E4006")),
            (search.to_owned(), json!({}), (403, "E4011")),
            (format!("{search}?id_no={ID_NO}"), json!({}), (400, "E4005")),
            (search.to_owned(), json!({ "id": "x".repeat(70_000) }), (413, "E4015")),
            ("/api/v1/patients/search".to_owned(), json!({}), (400, "E4006")),
        ] {
            let told = refused(NARROW, &path, &body).await;
            assert_eq!((told.0, told.1.as_str()), expected, "{path}");
        }
        assert_eq!(refused("another-key", search, &json!({ "id_no": ID_NO })).await.0, 401);
        let plain = world.request(NARROW, search).header("content-type", "text/plain");
        assert_eq!(world.send(plain).await.status, 405, "there is nothing to get");
    }

    async fn a_fhir_search_by_form_puts_no_number_into_an_address(database: TestDatabase) {
        let world = World::start(database).await;
        world.register(&[exam(&[]), lab(&[])]).await;
        world.register(&[exam(&[("report_form_no", "EX0002"), ("patient_id", "P0002"), ("id_no", "990101199001010027"), ("card_no", "C2")])]).await;
        let found = |bundle: &Value| {
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            entries.iter().map(|one| one["resource"]["identifier"][0]["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let link = |bundle: &Value, relation: &str| {
            let links = bundle["link"].as_array().unwrap();
            let url = links.iter().find(|one| one["relation"] == relation).map(|one| one["url"].as_str().unwrap().to_owned());
            url.map(|url| url.strip_prefix(&format!("http://{}", world.address)).unwrap().to_owned())
        };

        let patients = world.post_form(NARROW, "/fhir/Patient/_search", &format!("identifier=urn:oid:2.16.156.10011.1.3|{ID_NO}")).await;
        assert_eq!((patients.status, found(&patients.json())), (200, vec!["P0001".to_owned()]), "{}", patients.text());
        assert!(!patients.json()["link"].to_string().contains(ID_NO));

        let form = format!("patient.identifier={ID_NO}&_count=1");
        let search = "/fhir/DiagnosticReport/_search";
        let first = world.post_form(NARROW, search, &form).await.json();
        assert_eq!(link(&first, "self").unwrap(), search);
        let next = link(&first, "next").unwrap();
        assert!(next.starts_with(&format!("{search}?_cursor=")) && !next.contains(ID_NO), "{next}");
        let second = world.post_form(NARROW, &next, &form).await.json();
        assert_eq!((found(&first), found(&second)), (vec!["EX0001".to_owned()], vec!["LB0001".to_owned()]));
        assert_eq!(link(&second, "next"), None);

        // Without the form the next page is refused, and never that of a wider question.
        assert_eq!(world.post_form(REGION, &next, "").await.status, 400);
        assert_eq!(world.get(REGION, &next).await.status, 405);
        assert_eq!(world.post(NARROW, search, &json!({ "identifier": ID_NO })).await.status, 400, "a form, not JSON");
        assert_eq!(world.post_form(NARROW, "/fhir/Encounter/_search", "").await.status, 404);
        assert_eq!(world.post_form("another-key", search, &form).await.status, 401);
        let address = format!("/fhir/DiagnosticReport?patient.identifier={ID_NO}&_count=1");
        assert_eq!(found(&world.found(NARROW, &address).await), ["EX0001"], "an address asks as before");
    }
}
