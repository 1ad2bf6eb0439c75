//! `POST /reports/search` and `/patients/search`: the lists, with what is asked for in the body. Addresses end in the logs of
//! every proxy on the way, and a number by which somebody is known must not (D-X6).

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;

use super::access::{ApiState, Caller, Inner};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::{patients, reports};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// `POST /reports/search`
pub(super) async fn reports(
    State(state): State<ApiState>,
    caller: Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let asked = asked(&state.0, query.as_deref(), &headers, body).await?;
    reports::list(State(state), caller, RawQuery(Some(asked))).await
}

/// `POST /patients/search`
pub(super) async fn patients(
    State(state): State<ApiState>,
    caller: Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let asked = asked(&state.0, query.as_deref(), &headers, body).await?;
    patients::find(State(state), caller, RawQuery(Some(asked))).await
}

/// What the body asks for, as a query would say it; the address itself says nothing.
async fn asked(inner: &Inner, query: Option<&str>, headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    Parameters::read(query, &[])?;
    if media_type(headers) == JSON {
        let body = bytes(inner, body).await?;
        return query_of_json(&body);
    }
    form(inner, headers, body).await
}

/// The body as a form.
pub(in crate::web) async fn form(inner: &Inner, headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    if media_type(headers) != FORM {
        return Err(Problem::about(Code::BadParameter, "Content-Type"));
    }
    let unread = |_| Problem::about(Code::BadParameter, "the body is no form");
    String::from_utf8(bytes(inner, body).await?).map_err(unread)
}

fn media_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

async fn bytes(inner: &Inner, body: Body) -> Result<Vec<u8>, Problem> {
    let bytes = axum::body::to_bytes(body, inner.config.max_body_bytes).await.map_err(|_| Code::TooLarge)?;
    Ok(bytes.to_vec())
}

/// `{"id_no": "…", "kind": ["exam"], "limit": 50}`
fn query_of_json(body: &[u8]) -> Result<String, Problem> {
    // What serde says may repeat a value; only the place is told.
    let unread = |error: serde_json::Error| {
        Problem::about(Code::BadParameter, format!("the body, line {} column {}", error.line(), error.column()))
    };
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(unread)?;
    let mut pairs = Serializer::new(String::new());
    for (name, value) in &object {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            match value {
                Value::String(text) => pairs.append_pair(name, text),
                Value::Number(_) | Value::Bool(_) => pairs.append_pair(name, &value.to_string()),
                _ => return Err(Problem::about(Code::BadParameter, "a value is neither text nor a list of texts")),
            };
        }
    }
    Ok(pairs.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_asks_as_a_query_does() {
        let asked = |body: &str| query_of_json(body.as_bytes()).map_err(|problem| problem.code);
        assert_eq!(asked("{}"), Ok(String::new()));
        let body = "{\"id_no\": \"99 01&\", \"kind\": [\"exam\", \"lab\"], \"limit\": 5}";
        assert_eq!(asked(body), Ok("id_no=99+01%26&kind=exam&kind=lab&limit=5".to_owned()));
        for body in ["", "[]", "{\"a\": {}}", "{\"a\": [[]]}", "{\"a\": null}"] {
            assert_eq!(asked(body), Err(Code::BadParameter), "{body}");
        }
    }
}
