//! The OpenAPI 3.1 document of `/api/v1`: paths by hand, schemas made of the types that answers are made of.

use std::sync::LazyLock;

use axum::extract::State;
use axum::response::Response;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::access::ApiState;
use super::model::{ChangeList, ExportLine, Report, ReportKind, ReportList};
use super::patients::{PatientList, Person, Trend};
use super::problem::{Code, ProblemBody};
use super::recognitions::{NewRecognition, Recognition, RecognitionList};
use super::reports::json as answer;
use super::versions::VersionList;
use super::{changes, export, patients, recognitions, reports};
use crate::domain::identifier::IdentifierKind;

/// `GET /openapi.json`
pub(super) async fn document(State(ApiState(inner)): State<ApiState>) -> Response {
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{ "url": format!("{}/api/v1", inner.public_url) }]);
    answer(&document)
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let list = generator.subschema_for::<ReportList>().to_value();
    let one = generator.subschema_for::<Report>().to_value();
    let feed = generator.subschema_for::<ChangeList>().to_value();
    let line = generator.subschema_for::<ExportLine>().to_value();
    let kind = generator.subschema_for::<ReportKind>().to_value();
    let problem = generator.subschema_for::<ProblemBody>().to_value();
    let versions = generator.subschema_for::<VersionList>().to_value();
    let person = generator.subschema_for::<Person>().to_value();
    let patients_found = generator.subschema_for::<PatientList>().to_value();
    let trend = generator.subschema_for::<Trend>().to_value();
    let records = generator.subschema_for::<RecognitionList>().to_value();
    let record = generator.subschema_for::<Recognition>().to_value();
    let new_record = generator.subschema_for::<NewRecognition>().to_value();
    let schemas = generator.take_definitions(true);
    let page = |description: &str, schema: &Value| {
        json!({
            "description": description, "content": { "application/json": { "schema": schema } },
        })
    };
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    let bytes = |media: &str| json!({ media: { "schema": { "type": "string", "format": "binary" } } });
    let mut paths = Map::new();
    let mut add =
        |path: &str, name: &str, summary: &str, parameters: Vec<Value>, answers: Vec<(&str, Value)>, codes: &[Code]| {
            let mut responses: Map<String, Value> =
                answers.into_iter().map(|(status, v)| (status.to_owned(), v)).collect();
            for code in [Code::Unauthorized, Code::Failed].iter().chain(codes) {
                let status = code.status().as_u16().to_string();
                let text = format!("{} {}", code.as_str(), code.text());
                let known = responses.get(&status).and_then(|r| r["description"].as_str());
                let description = known.map_or_else(|| text.clone(), |known| format!("{known}; {text}"));
                let content = json!({ "application/problem+json": { "schema": problem } });
                responses.insert(status, json!({ "description": description, "content": content }));
            }
            let operation = json!({
                "operationId": name, "summary": summary, "parameters": parameters, "responses": responses,
            });
            let (method, path) = path.split_once(' ').unwrap_or(("get", path));
            let methods = paths.entry(path).or_insert_with(|| json!({}));
            methods[method] = operation;
        };
    let filters = |names: &[&str]| names.iter().map(|name| parameter(name, &kind)).collect::<Vec<_>>();
    let common = [Code::UnknownParameter, Code::BadParameter, Code::BadDate, Code::BadCursor];
    let by_time = [Code::SpanTooLong, Code::TooNarrowRight];
    add(
        "/reports",
        "listReports",
        "Reports by patient, visit, number or time",
        filters(&reports::FILTERS),
        vec![("200", page("One page.", &list))],
        &[common.as_slice(), &by_time].concat(),
    );
    add(
        "post /reports/search",
        "searchReports",
        "The same, with the filters in the body and not in the address, which ends in logs",
        Vec::new(),
        vec![("200", page("One page.", &list))],
        &[common.as_slice(), &by_time, &[Code::TooLarge]].concat(),
    );
    add(
        "/reports/{id}",
        "getReport",
        "One report",
        vec![id.clone()],
        vec![("200", page("The report, with an ETag.", &one)), ("304", json!({ "description": "Not changed." }))],
        &[Code::NotFound, Code::Withdrawn],
    );
    add(
        "/reports/{id}/versions",
        "listVersions",
        "What a report said before, as far as the caller sees it",
        vec![id.clone()],
        vec![("200", page("The versions before the present one.", &versions))],
        &[Code::UnknownParameter, Code::NotFound, Code::Withdrawn],
    );
    let copy = json!({
        "name": "copy", "in": "query", "description": "Which copy; the original where none is stamped.",
        "schema": { "enum": ["original", "stamped"], "default": "stamped" },
    });
    let content: Map<String, Value> = ["application/pdf", "image/jpeg", "image/png", "image/tiff"]
        .iter()
        .filter_map(|media| bytes(media).as_object().cloned())
        .flatten()
        .collect();
    add(
        "/reports/{id}/file",
        "getReportFile",
        "The report file, whole or one range of it; a lab report is composed to one",
        vec![id.clone(), copy.clone()],
        vec![
            ("200", json!({ "description": "The file, with an ETag.", "content": content.clone() })),
            ("206", json!({ "description": "The range.", "content": content })),
            ("304", json!({ "description": "Not changed." })),
            ("416", json!({ "description": "The file is shorter." })),
        ],
        &[Code::BadParameter, Code::NotFound, Code::Withdrawn],
    );
    let attachment = json!({
        "name": "attachment", "in": "path", "required": true, "description": "Id in the report's `attachments`.",
        "schema": { "type": "string" },
    });
    let any = bytes("*/*");
    add(
        "/reports/{id}/attachments/{attachment}",
        "getAttachment",
        "A file of the exam beside its report (scan of the request form or consent, captured picture, video, ...), whole or one \
         range of it, as it came",
        vec![id.clone(), attachment],
        vec![
            ("200", json!({ "description": "The file, with an ETag.", "content": any.clone() })),
            ("206", json!({ "description": "The range.", "content": any })),
            ("304", json!({ "description": "Not changed." })),
            ("416", json!({ "description": "The file is shorter." })),
        ],
        &[Code::UnknownParameter, Code::NotFound, Code::Withdrawn],
    );
    let mut found = filters(&patients::FIND);
    found[0]["required"] = true.into();
    add(
        "/patients",
        "findPatients",
        "Patients who have a number, of one kind and domain or of any",
        found,
        vec![("200", page("Patients, as far as the caller sees reports of them.", &patients_found))],
        &[Code::UnknownParameter, Code::BadParameter],
    );
    add(
        "post /patients/search",
        "searchPatients",
        "The same, with the number in the body and not in the address, which ends in logs",
        Vec::new(),
        vec![("200", page("Patients, as far as the caller sees reports of them.", &patients_found))],
        &[Code::UnknownParameter, Code::BadParameter, Code::TooLarge],
    );
    add(
        "/patients/{id}",
        "getPatient",
        "Under which numbers institutions know the same person; the id is `patient` of a report",
        vec![id.clone()],
        vec![("200", page("The patient and the same person's numbers.", &person))],
        &[Code::UnknownParameter, Code::NotFound],
    );
    let mut trended = vec![id.clone()];
    trended.extend(filters(&patients::TREND));
    trended[1]["required"] = true.into();
    add(
        "/patients/{id}/trends",
        "getTrend",
        "Results of one item over time, of the same person in all institutions",
        trended,
        vec![("200", page("Series of points; units never share one.", &trend))],
        &[Code::UnknownParameter, Code::BadParameter, Code::BadDate, Code::NotFound],
    );
    add(
        "/recognitions",
        "listRecognitions",
        "Who relied on the images and data of another institution's report, who did not, and why",
        filters(&recognitions::PARAMETERS),
        vec![("200", page("One page, the newest decision first.", &records))],
        &[common.as_slice(), &[Code::TooNarrowRight]].concat(),
    );
    add(
        "post /recognitions",
        "recordRecognition",
        "Records a decision; the same key with the same content again is the same record",
        Vec::new(),
        vec![("201", page("It is recorded.", &record)), ("200", page("It was recorded before.", &record))],
        &[
            Code::BadParameter,
            Code::BadDate,
            Code::Forbidden,
            Code::NotFound,
            Code::Withdrawn,
            Code::KeyTaken,
            Code::TooLarge,
        ],
    );
    let mut of_patient = vec![id];
    of_patient.extend(filters(&reports::OF_PATIENT));
    add(
        "/patients/{id}/reports",
        "listReportsOfPatient",
        "Reports of one patient of an institution, or of the same person everywhere; the id is `patient` of a report",
        of_patient,
        vec![("200", page("One page.", &list))],
        &[common.as_slice(), &[Code::NotFound]].concat(),
    );
    add(
        "/changes",
        "followChanges",
        "Everything that has changed since a cursor, each report as it stands now",
        filters(&changes::PARAMETERS),
        vec![("200", page("Changes in order; none when nothing has changed.", &feed))],
        &[Code::UnknownParameter, Code::BadParameter, Code::BadCursor, Code::CursorAhead, Code::TooNarrowRight],
    );
    let mut exported = filters(&["from", "to", "organization", "kind", "cursor"]);
    exported.push(json!({
        "name": "format", "in": "query", "description": "NDJSON, or a ZIP archive with the report files and attachments.",
        "schema": { "enum": ["ndjson", "zip"], "default": "ndjson" },
    }));
    exported.push(copy);
    exported.push(json!({
        "name": "attachments", "in": "query", "description": "Which attachments are in the ZIP archive.",
        "schema": { "enum": ["all", "none"], "default": "all" },
    }));
    debug_assert_eq!(exported.len(), export::PARAMETERS.len());
    let lines = json!({ "schema": line });
    let zip = bytes("application/zip")["application/zip"].clone();
    let stream = json!({
        "description": "One report a line, oldest first; the last line says `complete`.",
        "content": { "application/x-ndjson": lines, "application/zip": zip },
    });
    add(
        "/export",
        "export",
        "All reports of a window of time, as a stream",
        exported,
        vec![("200", stream)],
        &[common.as_slice(), &by_time, &[Code::Busy]].concat(),
    );
    for (path, names) in
        [("/reports/search", reports::FILTERS.as_slice()), ("/patients/search", patients::FIND.as_slice())]
    {
        let properties: Map<String, Value> = names
            .iter()
            .map(|name| {
                let Value::Object(told) = parameter(name, &kind) else { return ((*name).to_owned(), json!({})) };
                let mut schema = told["schema"].clone();
                schema["description"] = told["description"].clone();
                ((*name).to_owned(), schema)
            })
            .collect();
        let schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        let (form, body) = (json!({ "schema": schema.clone() }), json!({ "schema": schema }));
        paths[path]["post"]["requestBody"] = json!({
            "required": true, "content": { "application/json": body, "application/x-www-form-urlencoded": form },
        });
    }
    paths["/recognitions"]["post"]["requestBody"] =
        json!({ "required": true, "content": { "application/json": { "schema": new_record } } });
    let codes: Vec<String> =
        Code::ALL.iter().map(|c| format!("* {} ({}) {}", c.as_str(), c.status().as_u16(), c.text())).collect();
    let description = format!(
        "How a region and other systems pull reports. Errors have codes that never change their meaning:\n\n{}",
        codes.join("\n")
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "影库 Yingku: reports",
            "version": env!("CARGO_PKG_VERSION"),
            "description": description,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer", "description": "The key of a [[client]]." } },
            "schemas": schemas,
        },
    })
});

fn parameter(name: &str, kind: &Value) -> Value {
    let text = || json!({ "type": "string" });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let (schema, description) = match name {
        "organization" => (list(text()), "Codes of institutions; all that the caller may see when absent."),
        "kind" => (
            list(
                json!({ "anyOf": [kind, { "enum": ["file", "images", "attachments", "recognition", "person", "withdrawal"] }] }),
            ),
            "Kinds; those that are neither exam nor lab in the change feed only.",
        ),
        "patient_id" => (text(), "The institution's patient number; with `organization`."),
        "id_no" => (text(), "Resident identity number of the person, found as GetExamInfo and GetLabInfo find them."),
        "card_no" => (text(), "Card number of the person; with `id_no`: reports that both of them find."),
        "report_form_no" => (text(), "The report's number; with `organization`."),
        "accession_number" => (text(), "AccessionNumber (PACS_ID)."),
        "event_no" => (text(), "Number of the visit."),
        "id" => (list(text()), "Ids of reports."),
        "by_organization" => (list(text()), "Codes of institutions that decided."),
        "report" => (text(), "Id of the report; without it the right `follow` is needed."),
        "recognised" => (json!({ "type": "boolean" }), "What was decided."),
        "identifier" => (text(), "A number of the patient."),
        "type" => {
            (json!({ "enum": IdentifierKind::ALL.map(IdentifierKind::as_str) }), "Kind of the number; any when absent.")
        }
        "domain" => (text(), "Code of the organisation, or issuer of the images' number; CN for identity numbers."),
        "item" => (text(), "Code of the item, or its name where lines have no code."),
        "of" => (
            json!({ "enum": ["patient", "person"], "default": "patient" }),
            "This number alone, or the same person's in all institutions.",
        ),
        "from" => (
            text(),
            "First moment of `retrieved_at` (trends: `observed_at`, recognitions: `decided_at`); Asia/Shanghai.",
        ),
        "to" => (text(), "Last moment of the same time; a day means its end."),
        "order" => (json!({ "enum": ["newest", "oldest"], "default": "newest" }), "By `retrieved_at`."),
        "cursor" => (text(), "Where to go on, as the last answer said. In the change feed also `latest`."),
        "limit" => (json!({ "type": "integer", "minimum": 1 }), "Most reports or changes in the answer."),
        "wait" => (json!({ "type": "integer", "minimum": 0 }), "Seconds to wait for a change when there is none."),
        "include" => (json!({ "enum": ["report"] }), "Whole reports with the changes."),
        _ => (text(), ""),
    };
    let mut parameter = json!({ "name": name, "in": "query", "description": description, "schema": schema });
    if parameter["schema"]["type"] == "array" {
        parameter["style"] = "form".into();
        parameter["explode"] = false.into();
    }
    parameter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_that_is_read_is_described() {
        let lists =
            [reports::FILTERS.as_slice(), &reports::OF_PATIENT, &changes::PARAMETERS, &recognitions::PARAMETERS];
        let described: Vec<&str> = [lists.concat().as_slice(), &patients::TREND, &patients::FIND].concat();
        for name in described {
            assert_ne!(parameter(name, &json!({}))["description"], "", "{name}");
        }
    }

    #[test]
    fn every_reference_has_its_schema() {
        let text = DOCUMENT.to_string();
        let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap();
        let mut seen = 0;
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
            seen += 1;
        }
        assert!(seen > 10 && !text.contains("$defs"));
    }
}
