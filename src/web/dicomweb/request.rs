//! What requests have in common: the path's UIDs, the query's parameters.

use axum::http::StatusCode;
use serde::Deserialize;

use super::access::Caller;
use super::problem::Problem;
use crate::archive::images::image_access::{StoredInstance, UidPath};
use crate::domain::Uid;

/// Most parameters of a query.
const MOST_PARAMETERS: usize = 200;

/// The names in a path; which of them are there depends on the route.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ImagePath {
    pub(super) study: Option<String>,
    pub(super) series: Option<String>,
    pub(super) instance: Option<String>,
    pub(super) frames: Option<String>,
    pub(super) path: Option<String>,
}

impl ImagePath {
    /// The UIDs; anything that is no UID is refused before it is used for anything.
    pub(super) fn uids(&self) -> Result<UidPath, Problem> {
        let study = uid(self.study.as_deref())?.ok_or_else(Problem::not_found)?;
        Ok(UidPath { study, series: uid(self.series.as_deref())?, instance: uid(self.instance.as_deref())? })
    }

    /// The numbers of the frames, 1 and above; none when the route names no frames.
    pub(super) fn frame_numbers(&self) -> Result<Vec<u32>, Problem> {
        let Some(list) = &self.frames else { return Ok(Vec::new()) };
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
        let numbers: Option<Vec<u32>> = list.split(',').map(number).collect();
        numbers.ok_or_else(|| Problem::bad_request("Frames are numbers from 1, separated by commas."))
    }
}

/// Reads a UID of a path or a query.
pub(super) fn uid(text: Option<&str>) -> Result<Option<String>, Problem> {
    let read = text.map(|text| Uid::parse(text).map(String::from)).transpose();
    read.map_err(|_| Problem::bad_request("A UID in the address is no UID."))
}

/// The parameters of a query, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(pub(super) Vec<(String, String)>);

impl Parameters {
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .take(MOST_PARAMETERS + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if pairs.len() > MOST_PARAMETERS {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "Too many parameters."));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter, without regard to the case of its name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A number; something else is refused.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &'static str) -> Result<Option<N>, Problem> {
        let read = self.get(name).map(|text| text.trim().parse::<N>()).transpose();
        read.map_err(|_| Problem::bad_request(format!("{name} is no number that can be used.")))
    }
}

impl Caller {
    /// The address of an instance.
    pub(super) fn location(&self, instance: &StoredInstance) -> String {
        let StoredInstance { study_instance_uid, series_instance_uid, sop_instance_uid, .. } = instance;
        let root = &self.root;
        format!("{root}/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}")
    }
}
