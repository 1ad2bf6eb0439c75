//! Images in forms that the server decodes for the viewer, or whose meaning the viewer draws itself, against the values and the
//! looks that independent decoders give them (`forms.py`).

use super::browser::{Renderer, spec};
use crate::harness::python_script;
use crate::pages::world::{Exam, World};

const SCRIPT: &str = include_str!("forms.py");

async fn shown(renderer: Renderer) {
    let folder = tempfile::tempdir().unwrap();
    python_script(SCRIPT, &[folder.path().to_str().unwrap()]);
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let mut paths: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dcm"));
    paths.sort();
    assert!(paths.len() >= 18, "{} images", paths.len());
    for path in paths {
        world.store_file(std::fs::read(path).unwrap(), 1).await;
    }
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    let environment = [
        ("URL", format!("http://{}{exam}/viewer", world.address)),
        ("CASES", folder.path().join("cases.json").display().to_string()),
    ];
    spec("forms", renderer, &environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_pixels_has_the_values_and_the_looks_of_other_decoders_without_a_graphics_processor() {
    shown(Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_pixels_has_the_values_and_the_looks_of_other_decoders_with_a_graphics_processor() {
    shown(Renderer::Gpu).await;
}
