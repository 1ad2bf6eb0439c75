//! `GET /fhir/metadata`: what can be asked for, for everybody to read.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::kind::{Include, Kind, SearchParameter};
use super::outcome::resource;

use crate::web::api::{ApiState, instant};

/// `GET /fhir/metadata`
pub(super) async fn statement(State(ApiState(inner)): State<ApiState>) -> Response {
    let mut resources: Vec<Value> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let parameter = |parameter: &SearchParameter| {
                let mut told = json!({ "name": parameter.name, "type": parameter.of });
                if !parameter.note.is_empty() {
                    told["documentation"] = parameter.note.into();
                }
                told
            };
            let include = |(name, _): &Include| format!("{}:{name}", kind.as_str());
            let mut resource = json!({
                "type": kind.as_str(),
                "interaction": [{ "code": "read" }, { "code": "search-type" }],
                "searchParam": kind.parameters().iter().map(parameter).collect::<Vec<_>>(),
            });
            let includes: Vec<String> = kind.includes().iter().map(include).collect();
            if !includes.is_empty() {
                resource["searchInclude"] = includes.into();
            }
            resource
        })
        .collect();
    resources.push(json!({ "type": "Binary", "interaction": [{ "code": "read" }] }));
    let statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(inner.archive.now_ms()),
        "kind": "instance",
        "software": { "name": "Yingku", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "影库 Yingku: reports", "url": format!("{}/fhir", inner.public_url) },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "security": { "description": "The key of a [[client]] as a bearer token." },
            "resource": resources,
        }],
    });
    resource(StatusCode::OK, &statement)
}
