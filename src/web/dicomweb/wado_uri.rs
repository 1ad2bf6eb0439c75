//! One object by query parameters (PS3.18 section 9, WADO-URI).

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::access::{Caller, DicomwebState};
use super::negotiation::accepted;
use super::picture_parameters;
use super::problem::Problem;
use super::rendered::{self, Area, Wish};
use super::request::{Parameters, uid};
use super::retrieve::{self, DICOM};
use crate::archive::images::image_access::UidPath;
use crate::dicom::render::{PictureFormat, Window};

const QUALITY: u8 = 90;

/// `GET /wado?requestType=WADO&…`
pub(super) async fn object(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref())?;
    if parameters.get("requestType") != Some("WADO") {
        return Err(Problem::bad_request("requestType must be WADO."));
    }
    // Who asks for an object without its patient must not get the patient's.
    if parameters.get("anonymize").is_some_and(|value| value != "no") {
        return Err(Problem::not_acceptable("Objects are given as they are stored, not anonymized."));
    }
    let named = |name: &'static str| {
        let missing = || Problem::bad_request(format!("{name} is missing."));
        uid(parameters.get(name))?.ok_or_else(missing)
    };
    let path =
        UidPath { study: named("studyUID")?, series: Some(named("seriesUID")?), instance: Some(named("objectUID")?) };
    let form = form(&parameters, &headers)?;
    let what = if form == Form::File { "objects" } else { "pictures" };
    let instances = inner.archive.read_instances(&inner.access, &caller.reader, &path, what).await?;
    let instance = instances.first().ok_or_else(Problem::not_found)?;
    let format = match form {
        Form::File => {
            caller.check_may_keep()?;
            let asked = parameters.get("transferSyntax");
            let syntax = retrieve::syntax(asked, &instance.transfer_syntax_uid)
                .ok_or_else(|| Problem::not_acceptable("The object cannot be given in this transfer syntax."))?;
            return retrieve::single(&inner, &headers, instance, &syntax).await;
        }
        Form::Jpeg => PictureFormat::Jpeg { quality: quality(&parameters)? },
        Form::Png => PictureFormat::Png,
        Form::Gif => PictureFormat::Gif,
    };
    let most = inner.config.max_rendered_edge;
    let (columns, rows) = (parameters.number::<u32>("columns")?, parameters.number::<u32>("rows")?);
    let viewport = match (columns, rows) {
        (None, None) => None,
        (columns, rows) => Some((columns.unwrap_or(most).max(1), rows.unwrap_or(most).max(1))),
    };
    let area = parameters.get("region").map_or(Ok(Area::Whole), picture_parameters::region)?;
    let (window, function) = (window(&parameters)?, None);
    let wish = Wish { format, window, function, viewport, area, max_edge: most, multipart: false, is_thumbnail: false };
    let frame = parameters.number::<u32>("frameNumber")?.unwrap_or(1);
    rendered::single(&inner, instance, frame, wish, &headers).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    File,
    Jpeg,
    Png,
    Gif,
}

/// By `contentType`, else by `Accept`; a picture when nothing is said, as section 9.1.2.2.1 wants for images.
fn form(parameters: &Parameters, headers: &HeaderMap) -> Result<Form, Problem> {
    for one in accepted(headers, parameters.get("contentType")) {
        let forms =
            [("image/jpeg", Form::Jpeg), ("image/png", Form::Png), ("image/gif", Form::Gif), (DICOM, Form::File)];
        for (media_type, form) in forms {
            if one.covers(media_type) {
                return Ok(form);
            }
        }
    }
    Err(Problem::not_acceptable("Objects are given as application/dicom, image/jpeg, image/png or image/gif."))
}

fn quality(parameters: &Parameters) -> Result<u8, Problem> {
    let quality = parameters.number::<u8>("imageQuality")?.unwrap_or(QUALITY);
    if (1..=100).contains(&quality) {
        return Ok(quality);
    }
    Err(Problem::bad_request("imageQuality is a number from 1 to 100."))
}

fn window(parameters: &Parameters) -> Result<Option<Window>, Problem> {
    match (parameters.number::<f64>("windowCenter")?, parameters.number::<f64>("windowWidth")?) {
        (None, None) => Ok(None),
        (Some(center), Some(width)) if center.is_finite() && width.is_finite() && width >= 1.0 => {
            Ok(Some(Window { center, width }))
        }
        _ => Err(Problem::bad_request("windowCenter and windowWidth go together; the width is 1 at least.")),
    }
}
