//! A page of a search as a Bundle.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What is on a page; [`searchset`] tells nothing twice.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What was asked for.
    pub(super) matches: Vec<Value>,
    /// What came along.
    pub(super) included: Vec<Value>,
}

impl Found {
    /// Adds what was asked for.
    pub(super) fn add(&mut self, resources: Vec<Value>) {
        self.matches.extend(resources);
    }

    /// Adds what comes along.
    pub(super) fn include(&mut self, resources: impl IntoIterator<Item = Value>) {
        self.included.extend(resources);
    }
}

/// `DiagnosticReport/…`
fn name(resource: &Value) -> String {
    let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text("resourceType"), text("id"))
}

/// A searchset with its links; `next` when there is more. Parameters that were ignored are told.
pub(super) fn searchset(root: &str, own: String, next: Option<String>, found: Found, ignored: &[String]) -> Value {
    let mut links = vec![json!({ "relation": "self", "url": own })];
    links.extend(next.map(|url| json!({ "relation": "next", "url": url })));
    let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "link": links });
    let mut seen = BTreeSet::new();
    let modes = found.matches.into_iter().map(|one| (one, "match"));
    let mut entries: Vec<Value> = Vec::new();
    for (resource, mode) in modes.chain(found.included.into_iter().map(|one| (one, "include"))) {
        let name = name(&resource);
        if seen.insert(name.clone()) {
            let url = format!("{root}/fhir/{name}");
            entries.push(json!({ "fullUrl": url, "resource": resource, "search": { "mode": mode } }));
        }
    }
    entries.extend((!ignored.is_empty()).then(|| told(ignored)));
    // An empty list is no FHIR.
    if !entries.is_empty() {
        bundle["entry"] = entries.into();
    }
    bundle
}

fn told(ignored: &[String]) -> Value {
    let issue = |name: &String| json!({ "severity": "warning", "code": "not-supported", "diagnostics": format!("ignored: {name}") });
    let issues: Vec<Value> = ignored.iter().map(issue).collect();
    json!({ "resource": { "resourceType": "OperationOutcome", "issue": issues }, "search": { "mode": "outcome" } })
}
