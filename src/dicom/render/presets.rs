//! Window presets (窗宽窗位预设) that reading rooms use, by modality.

/// Name, window centre and window width, in Hounsfield units for CT.
pub type Preset = (&'static str, f64, f64);

const CT: &[Preset] = &[
    ("软组织窗", 40.0, 400.0),
    ("腹部窗", 50.0, 350.0),
    ("肺窗", -600.0, 1500.0),
    ("纵隔窗", 40.0, 350.0),
    ("骨窗", 500.0, 2000.0),
    ("脑窗", 40.0, 80.0),
    ("脑卒中窗", 35.0, 40.0),
    ("肝窗", 70.0, 150.0),
    ("血管窗", 300.0, 600.0),
];

/// The presets of a modality; modalities whose stored values have no common scale have none.
pub fn presets(modality: &str) -> &'static [Preset] {
    match modality {
        "CT" => CT,
        _ => &[],
    }
}
