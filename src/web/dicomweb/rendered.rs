//! Pictures for people (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4): rendered frames and thumbnails, JPEG or PNG.
//!
//! A caller that takes several parts gets every frame; otherwise one picture stands for the study, series or instance: that
//! of the middle instance, since the first slice of a series shows least.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;

use super::access::{Caller, DicomwebState, Inner};
use super::multipart::{self, boundary, part_head, tail};
use super::negotiation::{Accepted, accepted};
use super::problem::Problem;
use super::request::{ImagePath, Parameters};
use crate::archive::images::image_access::StoredInstance;
use crate::dicom::render::{PictureFormat, RenderOptions, Window};

const JPEG: &str = "image/jpeg";
const PNG: &str = "image/png";
const QUALITY: u8 = 90;

/// `GET …/rendered`
pub(super) async fn rendered(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref())?;
    let accepted = accepted(&headers, parameters.get("accept"));
    let wish = Wish::read(&parameters, &accepted, inner.config.max_rendered_edge)?;
    respond(&inner, &caller, &path, wish).await
}

/// `GET …/thumbnail`
pub(super) async fn thumbnail(
    State(DicomwebState(inner)): State<DicomwebState>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ImagePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(query.as_deref())?;
    let accepted = accepted(&headers, parameters.get("accept"));
    let wish = Wish::read(&parameters, &accepted, inner.config.thumbnail_edge)?;
    respond(&inner, &caller, &path, Wish { multipart: false, ..wish }).await
}

/// How a picture shall be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wish {
    pub(super) format: PictureFormat,
    pub(super) window: Option<Window>,
    /// Width and height into which it shall fit.
    pub(super) viewport: Option<(u32, u32)>,
    pub(super) max_edge: u32,
    pub(super) multipart: bool,
}

impl Wish {
    fn read(parameters: &Parameters, accepted: &[Accepted], max_edge: u32) -> Result<Self, Problem> {
        let quality = parameters.number::<u8>("quality")?.unwrap_or(QUALITY);
        if !(1..=100).contains(&quality) {
            return Err(Problem::bad_request("quality is a number from 1 to 100."));
        }
        let jpeg = PictureFormat::Jpeg { quality };
        let form = |one: &Accepted| {
            if one.covers(JPEG) {
                Some((jpeg, false))
            } else if one.covers(PNG) {
                Some((PictureFormat::Png, false))
            } else if one.covers_parts(JPEG) {
                Some((jpeg, true))
            } else {
                one.covers_parts(PNG).then_some((PictureFormat::Png, true))
            }
        };
        let (format, multipart) = accepted
            .iter()
            .find_map(form)
            .ok_or_else(|| Problem::not_acceptable("Pictures are given as image/jpeg or image/png."))?;
        let window = parameters.get("window").map(window).transpose()?;
        let viewport = parameters.get("viewport").map(viewport).transpose()?;
        Ok(Self { format, window, viewport, max_edge, multipart })
    }

    /// What the drawer is told for an image of this size.
    fn options(&self, instance: &StoredInstance) -> RenderOptions {
        let max_edge = match (self.viewport, instance.columns, instance.rows) {
            (Some((width, height)), Some(columns), Some(rows)) if columns > 0 && rows > 0 => {
                let scale = (f64::from(width) / columns as f64).min(f64::from(height) / rows as f64).min(1.0);
                ((columns.max(rows) as f64 * scale).round() as u32).max(1)
            }
            (Some((width, height)), _, _) => width.min(height),
            (None, _, _) => self.max_edge,
        };
        let (window, format) = (self.window, self.format);
        RenderOptions { window, format, max_edge: Some(max_edge.min(self.max_edge)), ..RenderOptions::default() }
    }
}

/// `center,width[,function]`
fn window(text: &str) -> Result<Window, Problem> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (center, width, function) = match parts.as_slice() {
        [center, width] => (number(center), number(width), "linear"),
        [center, width, function] => (number(center), number(width), *function),
        _ => (None, None, ""),
    };
    match (center, width) {
        (Some(center), Some(width)) if width >= 1.0 && function.eq_ignore_ascii_case("linear") => {
            Ok(Window { center, width })
        }
        _ => Err(Problem::bad_request("window is center,width,linear; other functions are not drawn.")),
    }
}

/// `width,height`; regions of the source are not cut out.
fn viewport(text: &str) -> Result<(u32, u32), Problem> {
    let parts: Option<Vec<u32>> = text.split(',').map(|part| part.trim().parse().ok().filter(|n| *n > 0)).collect();
    match parts.as_deref() {
        Some([width, height]) => Ok((*width, *height)),
        _ => Err(Problem::bad_request("viewport is width,height; regions are not cut out.")),
    }
}

async fn respond(inner: &Inner, caller: &Caller, path: &ImagePath, wish: Wish) -> Result<Response, Problem> {
    let numbers = path.frame_numbers()?;
    let mut instances = inner.archive.read_instances(&inner.access, &caller.reader, &path.uids()?, "pictures").await?;
    // Reports and waveforms of a study have no picture here; one that is asked for by name says so itself.
    if instances.len() > 1 {
        instances.retain(|instance| instance.rows.is_some() && instance.columns.is_some());
    }
    if wish.multipart {
        return every_frame(inner, caller, instances, numbers, wish).await;
    }
    let middle = instances.len() / 2;
    let instance = instances.get(middle).ok_or_else(Problem::not_found)?;
    single(inner, instance, numbers.first().copied().unwrap_or(1), wish).await
}

/// One picture.
pub(super) async fn single(
    inner: &Inner,
    instance: &StoredInstance,
    frame: u32,
    wish: Wish,
) -> Result<Response, Problem> {
    let options = wish.options(instance);
    let picture = inner.archive.rendered_instance(&inner.access, instance, frame, options).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(picture.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300")),
    ];
    Ok((StatusCode::OK, headers, picture.bytes).into_response())
}

async fn every_frame(
    inner: &Inner,
    caller: &Caller,
    instances: Vec<StoredInstance>,
    numbers: Vec<u32>,
    wish: Wish,
) -> Result<Response, Problem> {
    let frames = instances.into_iter().flat_map(move |instance| {
        let all: Box<dyn Iterator<Item = u32> + Send> = match numbers.clone() {
            none if none.is_empty() => Box::new(1..=instance.number_of_frames),
            some => Box::new(some.into_iter()),
        };
        all.map(move |frame| (instance.clone(), frame))
    });
    let (archive, access, caller) = (inner.archive.clone(), inner.access.clone(), caller.clone());
    let mut pictures = stream::iter(frames)
        .then(move |(instance, frame)| {
            let (archive, access, caller) = (archive.clone(), access.clone(), caller.clone());
            async move {
                let picture = archive.rendered_instance(&access, &instance, frame, wish.options(&instance)).await?;
                let location = format!("{}/frames/{frame}/rendered", caller.location(&instance));
                Ok::<_, crate::archive::Error>((picture, location))
            }
        })
        .boxed();
    let first = pictures.next().await.ok_or_else(Problem::not_found)??;
    let boundary = boundary();
    let part_type = if wish.format == PictureFormat::Png { PNG } else { JPEG };
    let whole_type = multipart::content_type(part_type, &boundary);
    let end = tail(&boundary);
    let mut is_first = true;
    let parts = stream::once(async { Ok(first) }).chain(pictures).flat_map(move |drawn| {
        let pieces = match drawn {
            Ok((picture, location)) => {
                let length = Some(picture.bytes.len() as u64);
                let head = part_head(&boundary, is_first, picture.media_type, length, &location);
                is_first = false;
                vec![Ok(head), Ok(picture.bytes)]
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    });
    let stream = parts.chain(stream::once(async { Ok(end) })).boxed();
    multipart::streamed(inner, StatusCode::OK, &whole_type, None, stream).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_viewports_are_read_or_refused() {
        assert_eq!(window("40,400,linear").unwrap(), Window { center: 40.0, width: 400.0 });
        assert_eq!(window("-600.5, 1600").unwrap(), Window { center: -600.5, width: 1600.0 });
        for bad in ["", "40", "40,0", "a,b", "40,400,sigmoid", "NaN,400", "40,inf"] {
            assert!(window(bad).is_err(), "{bad}");
        }
        assert_eq!(viewport("100,50").unwrap(), (100, 50));
        for bad in ["100", "0,1", "100,50,0,0", "1,-1"] {
            assert!(viewport(bad).is_err(), "{bad}");
        }
    }
}
