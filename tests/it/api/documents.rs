//! The OpenAPI document: valid, and true of what is answered.

use yingku::domain::attachment::{AttachmentKind, AttachmentType};

use super::world::{REGION, World, exam, lab, line};
use crate::files::server::ReportServer;
use crate::harness::{TestDatabase, python_script};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_openapi_document_is_valid_and_describes_the_answers() {
    let (world, server) = (World::start(TestDatabase::sqlite()).await, ReportServer::start().await);
    world.register(&[exam(&[("conclusion", "初步")])]).await;
    let corrected =
        [("reportfilepath", server.url("/report.pdf")), ("last_update_dtime", "2024/3/23 1:00:00".to_owned())];
    let corrected = corrected.each_ref().map(|(name, value)| (*name, value.as_str()));
    world.register(&[exam(&corrected), lab(&[]), line("1", &[])]).await;
    world.fetch_file("EX0001").await;
    world.store_slice().await;
    let scan = (AttachmentKind::RequestForm, AttachmentType::Jpeg);
    world.attach(("A0001", "P0001"), scan, &[0xFF, 0xD8, 0xFF, 1]).await;
    let gone = [("report_form_no", "GONE"), ("data_status", "0")];
    world.register(&[exam(&gone[..1])]).await;
    world.follow(REGION, "", "").await;
    let told = serde_json::json!({
        "key": "1", "report": world.found(REGION, "/api/v1/reports?organization=ORG-T01&report_form_no=EX0001").await["reports"][0]["id"],
        "by_organization": "ORG-T02", "recognised": false, "reason": "2", "doctor_id": "D1",
    });
    let recorded = world.post(REGION, "/api/v1/recognitions", &told).await;
    assert_eq!(recorded.status, 201, "{}", recorded.text());
    world.register(&[exam(&[gone.as_slice(), &[("last_update_dtime", "2024/3/24 0:00:00")]].concat())]).await;

    let document = world.get("", "/api/v1/openapi.json").await;
    assert_eq!(document.status, 200, "everybody may read it");
    let list = world.found(REGION, "/api/v1/reports?card_no=C00000001").await;
    let answers = serde_json::json!({
        "ReportList": list,
        "Report": list["reports"][0],
        "ChangeList": world.found(REGION, "/api/v1/changes?include=report").await,
        "PatientList": world.found(REGION, "/api/v1/patients?identifier=C00000001").await,
        "Person": world.found(REGION, "/api/v1/patients/ORG-T01..P0001").await,
        "Trend": world.found(REGION, "/api/v1/patients/ORG-T01..P0001/trends?item=WBC").await,
        "Recognition": recorded.json(),
        "RecognitionList": world.found(REGION, "/api/v1/recognitions").await,
        "VersionList": world.found(REGION, &format!("/api/v1/reports/{}/versions", told["report"].as_str().unwrap())).await,
        "Problem": world.get(REGION, "/api/v1/nothing").await.json(),
    });
    let text = world.get(REGION, "/api/v1/export?from=2024-03-01&to=2024-03-31").await.text();
    let exported: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let script = "\
import json, sys
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
document, answers, exported = (json.loads(argument) for argument in sys.argv[1:4])
validate(document)
def strict(schema):
    if isinstance(schema, dict):
        if schema.get('type') == 'object' and 'properties' in schema:
            schema['additionalProperties'] = False
        for part in schema.values(): strict(part)
    elif isinstance(schema, list):
        for part in schema: strict(part)
strict(document['components']['schemas'])
told = json.loads(sys.argv[4])
Draft202012Validator({'components': document['components'], '$ref': '#/components/schemas/NewRecognition'}).validate(told)
for name, answer in [*answers.items(), *(('ExportLine', line) for line in exported)]:
    schema = {'components': document['components'], '$ref': '#/components/schemas/' + name}
    Draft202012Validator(schema).validate(answer)
print(len(document['paths']), len(answers['ChangeList']['changes']))";
    let arguments = [document.text(), answers.to_string(), serde_json::json!(exported).to_string()];
    let printed = python_script(script, &[&arguments[0], &arguments[1], &arguments[2], &told.to_string()]);
    assert_eq!(printed.trim(), "14 7", "exam, file, images, attachments, lab, recognition, and the one that is gone");
}
