//! How a picture shall be, as query parameters say it: `window` and `viewport` of PS3.18 section 8.3.5.1, `region` of
//! section 9.1.2.
//!
//! `annotation`, `iccprofile` and presentation states are not drawn; such parameters are ignored, as section 8.3.1 asks.

use super::problem::Problem;
use super::rendered::Area;
use crate::dicom::render::{VoiFunction, Window};

/// `center,width[,function]`
pub(super) fn window(text: &str) -> Result<(Window, VoiFunction), Problem> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (center, width, function) = match parts.as_slice() {
        [center, width] => (number(center), number(width), Some(VoiFunction::Linear)),
        [center, width, name] => (number(center), number(width), function(name)),
        _ => (None, None, None),
    };
    let is_wide_enough = |width: f64, function| width >= 1.0 || (width > 0.0 && function != VoiFunction::Linear);
    match (center, width, function) {
        (Some(center), Some(width), Some(function)) if is_wide_enough(width, function) => {
            Ok((Window { center, width }, function))
        }
        _ => Err(Problem::bad_request(
            "window is center,width,function; the function is linear (width 1 at least), linear-exact or sigmoid.",
        )),
    }
}

fn function(name: &str) -> Option<VoiFunction> {
    match name.to_ascii_lowercase().as_str() {
        "linear" => Some(VoiFunction::Linear),
        "linear-exact" | "linear_exact" => Some(VoiFunction::LinearExact),
        "sigmoid" => Some(VoiFunction::Sigmoid),
        _ => None,
    }
}

/// `width,height[,left,top,region width,region height]`; each of the last four may be left out or empty.
pub(super) fn viewport(text: &str) -> Result<((u32, u32), Area), Problem> {
    read_viewport(text)
        .ok_or_else(|| Problem::bad_request("viewport is width,height, and then the region: left,top,width,height."))
}

fn read_viewport(text: &str) -> Option<((u32, u32), Area)> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let (edges, region) = parts.split_at_checked(2)?;
    let edge = |at: usize| edges[at].parse::<u32>().ok().filter(|edge| *edge > 0);
    let viewport = (edge(0)?, edge(1)?);
    if region.is_empty() {
        return Some((viewport, Area::Whole));
    }
    if region.len() > 4 {
        return None;
    }
    let part = |at: usize| region.get(at).copied().filter(|text| !text.is_empty());
    // Pixels may be given with a fraction.
    let corner = |at: usize| match part(at) {
        None => Some(0),
        Some(text) => text.parse::<f64>().ok().filter(|n| (0.0..=f64::from(u32::MAX)).contains(n)).map(|n| n as u32),
    };
    let size = |at: usize| match part(at) {
        None => Some(None),
        Some(text) => {
            let pixels = text.parse::<f64>().ok()?.round();
            (pixels.abs() >= 1.0 && pixels.abs() <= f64::from(u32::MAX)).then_some(Some(pixels as i64))
        }
    };
    Some((viewport, Area::Pixels((corner(0)?, corner(1)?), (size(2)?, size(3)?))))
}

/// `left,top,right,bottom` as shares of the frame from 0.0 to 1.0.
pub(super) fn region(text: &str) -> Result<Area, Problem> {
    let share = |text: &str| text.trim().parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    let shares: Option<Vec<f64>> = text.split(',').map(share).collect();
    match shares.as_deref() {
        Some(&[left, top, right, bottom]) if left < right && top < bottom => {
            Ok(Area::Shares([left, top, right, bottom]))
        }
        _ => Err(Problem::bad_request("region is left,top,right,bottom, each from 0.0 to 1.0.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_or_refused() {
        let linear = |center, width| (Window { center, width }, VoiFunction::Linear);
        assert_eq!(window("40,400,linear").unwrap(), linear(40.0, 400.0));
        assert_eq!(window("-600.5, 1600").unwrap(), linear(-600.5, 1600.0));
        assert_eq!(window("40,0.5,SIGMOID").unwrap().1, VoiFunction::Sigmoid);
        assert_eq!(window("40,0.5,linear-exact").unwrap().1, VoiFunction::LinearExact);
        for bad in
            ["", "40", "40,0", "a,b", "40,400,cubic", "NaN,400", "40,inf", "40,0.5", "40,0,sigmoid", "1,2,linear,4"]
        {
            assert!(window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn viewports_are_read_or_refused() {
        assert_eq!(viewport("100,50").unwrap(), ((100, 50), Area::Whole));
        let all = Area::Pixels((10, 20), (Some(30), Some(-40)));
        assert_eq!(viewport("100, 50, 10, 20.4, 30, -40").unwrap(), ((100, 50), all));
        assert_eq!(viewport("1,1,,,5").unwrap().1, Area::Pixels((0, 0), (Some(5), None)));
        for bad in ["100", "0,1", "1,-1", "1,1,0,0,0,1", "1,1,-1,0", "1,1,0,0,1,1,1", "1,1,x", "1,1,0,0,NaN", "", ","] {
            assert!(viewport(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn regions_are_shares_of_the_frame() {
        assert_eq!(region("0,0.5,1,1.0").unwrap(), Area::Shares([0.0, 0.5, 1.0, 1.0]));
        for bad in ["0,0,1", "0,0,1,1.1", "0.5,0,0.5,1", "0,1,1,0", "a,b,c,d", "NaN,0,1,1"] {
            assert!(region(bad).is_err(), "{bad}");
        }
    }
}
