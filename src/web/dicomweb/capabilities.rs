//! What the service can do, for programs (PS3.18 section 8.9 and annex H): a WADL document, or the same as JSON.

use axum::Extension;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::access::Caller;
use super::negotiation::accepted;
use super::problem::Problem;

const WADL: &str = "application/vnd.sun.wadl+xml";
const JSON: &str = "application/json";

const SEARCH: [&str; 6] = ["{attribute}", "includefield", "fuzzymatching", "limit", "offset", "accept"];
const PICTURE: [&str; 4] = ["viewport", "window", "quality", "accept"];
const ATTRIBUTES: [&str; 2] = ["application/dicom+json", "multipart/related; type=\"application/dicom+xml\""];
const OBJECTS: [&str; 2] = ["multipart/related; type=\"application/dicom\"", "application/zip"];
const OBJECT: [&str; 3] = ["multipart/related; type=\"application/dicom\"", "application/dicom", "application/zip"];
const PICTURES: [&str; 6] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "multipart/related; type=\"image/jpeg\"",
    "multipart/related; type=\"image/png\"",
    "multipart/related; type=\"image/gif\"",
];
const THUMBNAILS: [&str; 3] = ["image/jpeg", "image/png", "image/gif"];
const STORED: [&str; 2] = ["application/dicom+json", "application/dicom+xml"];
const BYTES: [&str; 2] = ["application/octet-stream", "multipart/related; type=\"application/octet-stream\""];
const STORABLE: [&str; 2] = ["multipart/related; type=\"application/dicom\"", "application/dicom"];

/// What can be done with a resource.
struct Transaction {
    id: &'static str,
    method: &'static str,
    parameters: &'static [&'static str],
    takes: &'static [&'static str],
    gives: &'static [&'static str],
}

const fn get(id: &'static str, parameters: &'static [&'static str], gives: &'static [&'static str]) -> Transaction {
    Transaction { id, method: "GET", parameters, takes: &[], gives }
}

const fn store(id: &'static str) -> Transaction {
    Transaction { id, method: "POST", parameters: &["accept"], takes: &STORABLE, gives: &STORED }
}

/// Resources and transactions, as table H-1 lists them.
const RESOURCES: [(&str, &[Transaction]); 22] = [
    ("studies", &[get("SearchForStudies", &SEARCH, &ATTRIBUTES), store("StoreInstances")]),
    ("series", &[get("SearchForSeries", &SEARCH, &ATTRIBUTES)]),
    ("instances", &[get("SearchForInstances", &SEARCH, &ATTRIBUTES)]),
    ("studies/{study}", &[get("RetrieveStudy", &["accept"], &OBJECTS), store("StoreStudyInstances")]),
    ("studies/{study}/metadata", &[get("RetrieveStudyMetadata", &["accept"], &ATTRIBUTES)]),
    ("studies/{study}/rendered", &[get("RetrieveRenderedStudy", &PICTURE, &PICTURES)]),
    ("studies/{study}/thumbnail", &[get("RetrieveStudyThumbnail", &PICTURE, &THUMBNAILS)]),
    ("studies/{study}/series", &[get("SearchForStudySeries", &SEARCH, &ATTRIBUTES)]),
    ("studies/{study}/instances", &[get("SearchForStudyInstances", &SEARCH, &ATTRIBUTES)]),
    ("studies/{study}/series/{series}", &[get("RetrieveSeries", &["accept"], &OBJECTS)]),
    ("studies/{study}/series/{series}/metadata", &[get("RetrieveSeriesMetadata", &["accept"], &ATTRIBUTES)]),
    ("studies/{study}/series/{series}/rendered", &[get("RetrieveRenderedSeries", &PICTURE, &PICTURES)]),
    ("studies/{study}/series/{series}/thumbnail", &[get("RetrieveSeriesThumbnail", &PICTURE, &THUMBNAILS)]),
    ("studies/{study}/series/{series}/instances", &[get("SearchForStudySeriesInstances", &SEARCH, &ATTRIBUTES)]),
    ("studies/{study}/series/{series}/instances/{instance}", &[get("RetrieveInstance", &["accept"], &OBJECT)]),
    (
        "studies/{study}/series/{series}/instances/{instance}/metadata",
        &[get("RetrieveInstanceMetadata", &["accept"], &ATTRIBUTES)],
    ),
    (
        "studies/{study}/series/{series}/instances/{instance}/rendered",
        &[get("RetrieveRenderedInstance", &PICTURE, &PICTURES)],
    ),
    (
        "studies/{study}/series/{series}/instances/{instance}/thumbnail",
        &[get("RetrieveInstanceThumbnail", &PICTURE, &THUMBNAILS)],
    ),
    (
        "studies/{study}/series/{series}/instances/{instance}/bulkdata/{path}",
        &[get("RetrieveBulkdata", &["accept"], &BYTES)],
    ),
    (
        "studies/{study}/series/{series}/instances/{instance}/frames/{frames}",
        &[get("RetrieveFrames", &["accept"], &BYTES)],
    ),
    (
        "studies/{study}/series/{series}/instances/{instance}/frames/{frames}/rendered",
        &[get("RetrieveRenderedFrames", &PICTURE, &PICTURES)],
    ),
    (
        "studies/{study}/series/{series}/instances/{instance}/frames/{frames}/thumbnail",
        &[get("RetrieveFrameThumbnail", &PICTURE, &THUMBNAILS)],
    ),
];

/// `OPTIONS /` and `GET /`
pub(super) async fn describe(Extension(caller): Extension<Caller>, headers: HeaderMap) -> Result<Response, Problem> {
    let is_told = |one: &&Transaction| one.method == "GET" || caller.stores_for.is_some();
    for one in accepted(&headers, None) {
        if one.covers(WADL) || one.covers("application/xml") || one.covers("text/xml") {
            return Ok(answer(WADL, wadl(&caller.root, is_told)));
        }
        if one.covers(JSON) {
            return Ok(answer(JSON, listing(&caller.root, is_told)));
        }
    }
    Err(Problem::not_acceptable("The description is given as application/vnd.sun.wadl+xml or application/json."))
}

fn answer(media_type: &'static str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    (headers, text).into_response()
}

/// Nothing in the table needs escaping but quotes.
fn wadl(root: &str, is_told: impl Fn(&&Transaction) -> bool) -> String {
    let quoted = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    out.push_str("<application xmlns=\"http://wadl.dev.java.net/2009/02\">\n");
    out.push_str(&format!("  <resources base=\"{}\">\n", quoted(root)));
    for (path, transactions) in &RESOURCES {
        out.push_str(&format!("    <resource path=\"{path}\">\n"));
        for one in transactions.iter().filter(&is_told) {
            out.push_str(&format!("      <method name=\"{}\" id=\"{}\">\n        <request>\n", one.method, one.id));
            for name in one.parameters {
                out.push_str(&format!("          <param name=\"{name}\" style=\"query\"/>\n"));
            }
            if one.method == "GET" {
                out.push_str("          <param name=\"Accept\" style=\"header\">\n");
                for kind in one.gives {
                    out.push_str(&format!("            <option value=\"{}\"/>\n", quoted(kind)));
                }
                out.push_str("          </param>\n");
            }
            for kind in one.takes {
                out.push_str(&format!("          <representation mediaType=\"{}\"/>\n", quoted(kind)));
            }
            out.push_str("        </request>\n        <response status=\"200\">\n");
            for kind in one.gives {
                out.push_str(&format!("          <representation mediaType=\"{}\"/>\n", quoted(kind)));
            }
            out.push_str("        </response>\n      </method>\n");
        }
        out.push_str("    </resource>\n");
    }
    out.push_str("  </resources>\n</application>\n");
    out
}

fn listing(root: &str, is_told: impl Fn(&&Transaction) -> bool) -> String {
    let method = |one: &Transaction| json!({ "name": one.method, "id": one.id, "query": one.parameters, "takes": one.takes, "gives": one.gives });
    let resource = |(path, transactions): &(&str, &[Transaction])| json!({ "path": path, "methods": transactions.iter().filter(&is_told).map(method).collect::<Vec<_>>() });
    json!({ "base": root, "resources": RESOURCES.iter().map(resource).collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_well_formed_and_tells_a_reader_of_no_storing() {
        for (may_store, stores) in [(true, 2), (false, 0)] {
            let text = wadl("http://h/dicom-web?a=\"&<", |one| one.method == "GET" || may_store);
            let mut reader = quick_xml::Reader::from_str(&text);
            let mut methods = Vec::new();
            loop {
                match reader.read_event().unwrap() {
                    quick_xml::events::Event::Eof => break,
                    quick_xml::events::Event::Start(tag) if tag.name().as_ref() == "method" => {
                        let name = tag.try_get_attribute("name").unwrap().unwrap();
                        methods.push(name.value.into_owned());
                    }
                    _ => {}
                }
            }
            assert_eq!(methods.iter().filter(|method| *method == "POST").count(), stores);
            assert_eq!(methods.len(), RESOURCES.len() + stores);
        }
    }
}
