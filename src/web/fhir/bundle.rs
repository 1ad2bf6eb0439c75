//! A page of a search as a Bundle.

use serde_json::{Value, json};

/// A searchset with its links; `next` when there is more.
pub(super) fn searchset(root: &str, own: String, next: Option<String>, resources: Vec<Value>) -> Value {
    let mut links = vec![json!({ "relation": "self", "url": own })];
    links.extend(next.map(|url| json!({ "relation": "next", "url": url })));
    let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "link": links });
    // An empty list is no FHIR.
    if !resources.is_empty() {
        let entry = |resource: Value| {
            let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
            let url = format!("{root}/fhir/{}/{}", text("resourceType"), text("id"));
            json!({ "fullUrl": url, "resource": resource, "search": { "mode": "match" } })
        };
        bundle["entry"] = resources.into_iter().map(entry).collect();
    }
    bundle
}
