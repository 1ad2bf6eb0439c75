//! `GET /reports/{id}/versions`: what a report said before.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::access::{ApiState, Caller};
use super::model::{Fields, fields, instant};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::reports::json;
use crate::archive::reports::pull_versions::{PulledVersion, VersionContent};

/// The versions of a report before the present one.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VersionList {
    /// The newest first, 50 at most.
    versions: Vec<Version>,
}

/// What a report said until it was replaced.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Version {
    /// Its number, from 1; of a lab report heads and lines are counted together.
    version: i64,
    /// When it was replaced, RFC 3339.
    replaced_at: String,
    /// Whether it counted as final (D-P24). False is seen by the own institution only.
    #[serde(rename = "final")]
    is_final: bool,
    /// Whether the hospital had withdrawn it (D-R18); nothing else is then told of it.
    withdrawn: bool,
    /// What was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Fields>,
    /// Lines of a lab report in the order of their numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Fields>>,
}

/// `GET /reports/{id}/versions`
pub(super) async fn list(
    State(ApiState(inner)): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::read(query.as_deref(), &[])?;
    let _turn = inner.turn().await?;
    let versions = inner.archive.pull_versions(&caller.reader, &id).await?.ok_or(Code::Withdrawn)?;
    Ok(json(&VersionList { versions: versions.iter().map(Version::of).collect() }))
}

impl Version {
    fn of(pulled: &PulledVersion) -> Self {
        let (told, items) = match &pulled.content {
            None => (None, None),
            Some(VersionContent::Exam(record)) => (Some(fields(record)), None),
            Some(VersionContent::Lab(record, items)) => {
                (Some(fields(record)), Some(items.iter().map(|item| fields(item)).collect()))
            }
        };
        Self {
            version: pulled.version,
            replaced_at: instant(pulled.replaced_at),
            is_final: pulled.is_final,
            withdrawn: pulled.content.is_none(),
            fields: told,
            items,
        }
    }
}
