//! Each spec of `web/e2e`, against the phantom.

use std::process::Command;

use yingku::domain::customer::Customer;

use super::browser::{Renderer, spec};
use super::{block, marked, oblong, phantom, report};
use crate::harness::{Package, free_port, run, tool};
use crate::pages::hospital::{EVIL, EVIL_TITLE, ID, hospital};
use crate::pages::world::{Exam, World, customer, uid};

/// A server with the phantom, and the address of its viewer.
async fn world() -> (World, String) {
    started(customer()).await
}

async fn started(customer: Customer) -> (World, String) {
    let world = World::for_customer(customer).await;
    world.exam(Exam::new(1)).await;
    phantom::store(&world, 1).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    let address = format!("http://{}{exam}/viewer", world.address);
    (world, address)
}

/// With an earlier exam that has words, while this one has a report of pages only.
async fn with_prior() -> (World, String) {
    let (world, address) = world().await;
    let prior = Exam { text: Some("上次检查未见结节".to_owned()), ..Exam::new(2) };
    world.exam(prior).await;
    let of_both = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
                   SELECT 2, s.id, 'manual', 0 FROM study s";
    world.execute(of_both, vec![]).await;
    // All that this hospital sends is a file.
    world.execute("UPDATE exam_report SET image_descr = '', conclusion = '' WHERE id = 1", vec![]).await;
    world.report_file(1, "application/pdf", report(), 1).await;
    (world, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_leafed_windowed_measured_and_compared_without_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("images", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_leafed_windowed_measured_and_compared_with_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("images", Renderer::Gpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_planes_go_through_a_volume() {
    let (_world, address) = world().await;
    spec("volume", Renderer::Gpu, &[("URL", address)]).await;
}

async fn with_blocks(name: &str, renderer: Renderer) {
    let (world, address) = world().await;
    block::store(&world, 1).await;
    spec(name, renderer, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planes_say_sides_and_places_and_measure_millimetres() {
    with_blocks("planes", Renderer::Gpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planes_are_not_offered_without_a_graphics_processor() {
    with_blocks("planes", Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_shown_harder_and_softer_than_its_own_window_without_a_graphics_processor() {
    with_blocks("windows", Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_shown_harder_and_softer_than_its_own_window_with_a_graphics_processor() {
    with_blocks("windows", Renderer::Gpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mouse_does_what_its_reader_is_used_to_without_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("mouse", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mouse_does_what_its_reader_is_used_to_with_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("mouse", Renderer::Gpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_lines_drags_and_files_are_held_to_numbers_without_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("tools", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_lines_drags_and_files_are_held_to_numbers_with_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("tools", Renderer::Gpu, &[("URL", address)]).await;
}

async fn beside(renderer: Renderer) {
    let (world, address) = with_prior().await;
    spec("beside", renderer, &[("URL", address)]).await;
    drop(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn panes_leaf_together_and_a_prior_exam_stands_beside_without_a_graphics_processor() {
    beside(Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panes_leaf_together_and_a_prior_exam_stands_beside_with_a_graphics_processor() {
    beside(Renderer::Gpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_kept_and_printed_as_it_is_seen_without_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("paper", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_kept_and_printed_as_it_is_seen_with_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("paper", Renderer::Gpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_leafs_and_measures_with_one_finger_and_zooms_with_two_without_a_graphics_processor() {
    let (_world, address) = with_prior().await;
    spec("phone", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_leafs_and_measures_with_one_finger_and_zooms_with_two_with_a_graphics_processor() {
    let (_world, address) = with_prior().await;
    spec("phone", Renderer::Gpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_another_host_shows_it_without_cookies() {
    let port = free_port();
    let site = format!("http://localhost:{port}");
    let (world, _) = started(Customer { frame_ancestors: vec![site], ..customer() }).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001"), ("ShowClose", "1")]).await;
    let address = format!("http://{}{exam}/viewer", world.address);
    spec("frame", Renderer::Cpu, &[("URL", address), ("HOST_PORT", port.to_string())]).await;
}

async fn key_images(renderer: Renderer) {
    let (world, address) = world().await;
    marked::store_key_objects(&world, 1).await;
    spec("keys", renderer, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_images_are_marked_and_stepped_through_without_a_graphics_processor() {
    key_images(Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_images_are_marked_and_stepped_through_with_a_graphics_processor() {
    key_images(Renderer::Gpu).await;
}

async fn presentation_states(renderer: Renderer) {
    let (world, address) = world().await;
    marked::store_presentation_states(&world, 1).await;
    spec("states", renderer, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presentation_states_are_listed_applied_and_taken_off_without_a_graphics_processor() {
    presentation_states(Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presentation_states_are_listed_applied_and_taken_off_with_a_graphics_processor() {
    presentation_states(Renderer::Gpu).await;
}

async fn shades(renderer: Renderer) {
    let (world, address) = world().await;
    marked::store_shades(&world, 1).await;
    let series: Vec<String> =
        marked::SHADES.iter().map(|(name, series)| format!("{name}:2.25.7000.{series}")).collect();
    spec("shades", renderer, &[("URL", address), ("SHADES", series.join(","))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_functions_give_the_greys_of_the_server_without_a_graphics_processor() {
    shades(Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_functions_give_the_greys_of_the_server_with_a_graphics_processor() {
    shades(Renderer::Gpu).await;
}

async fn oblong_pixels(renderer: Renderer) {
    let (world, address) = world().await;
    oblong::store(&world, 1).await;
    spec("oblong", renderer, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pixels_that_are_not_square_are_drawn_and_measured_as_they_are_without_a_graphics_processor() {
    oblong_pixels(Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pixels_that_are_not_square_are_drawn_and_measured_as_they_are_with_a_graphics_processor() {
    oblong_pixels(Renderer::Gpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_line_is_said_and_what_failed_comes_back() {
    let (_world, address) = world().await;
    spec("offline", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_what_is_looked_at_stands_beside_it() {
    let (world, address) = with_prior().await;
    world.execute("UPDATE exam_report SET state = '4' WHERE id = 1", vec![]).await;
    spec("report", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_english_reader_meets_no_chinese_word_of_ours() {
    let (world, address) = world().await;
    marked::store_key_objects(&world, 1).await;
    marked::store_presentation_states(&world, 1).await;
    world.exam(Exam::new(2)).await;
    let of_both = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
                   SELECT 2, s.id, 'manual', 0 FROM study s";
    world.execute(of_both, vec![]).await;
    spec("english", Renderer::Gpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoder_that_does_not_come_leaves_nobody_waiting() {
    let (_world, environment) = compressed().await;
    spec("decoder", Renderer::Cpu, &borrowed(&environment)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_of_2020_shows_every_way_of_compression() {
    let (_world, environment) = compressed().await;
    spec("old", Renderer::Gpu, &borrowed(&environment)).await;
}

async fn hidden(renderer: Renderer) {
    let (world, address) = world().await;
    marked::store_hidden(&world, 1).await;
    spec("hidden", renderer, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segmented_palettes_overlays_in_the_pixels_and_lengths_in_regions_are_shown_without_a_graphics_processor() {
    hidden(Renderer::Cpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segmented_palettes_overlays_in_the_pixels_and_lengths_in_regions_are_shown_with_a_graphics_processor() {
    hidden(Renderer::Gpu).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulated_graphics_processor_is_used_on_wish_and_left_when_it_fails() {
    let (_world, address) = world().await;
    spec("renderer", Renderer::Gpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_graphics_processor_there_is_none_to_choose() {
    let (_world, address) = world().await;
    spec("renderer", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_too_large_and_a_stack_without_images_lead_to_the_basic_page() {
    let (world, address) = world().await;
    marked::store_large(&world, 1).await;
    spec("large", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_chosen_for_good_by_its_reader_and_for_one_exam_by_an_image_too_large() {
    let (world, address) = with_prior().await;
    marked::store_large(&world, 1).await;
    let other = address.replace(&uid(1), &uid(2));
    let other = other.trim_end_matches("/viewer").to_owned();
    spec("choose", Renderer::Cpu, &[("URL", address), ("OTHER", other)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_image_stands_before_the_viewer_runs_and_stays_when_it_never_does() {
    let (_world, address) = world().await;
    spec("early", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_awake_while_somebody_works() {
    let (_world, address) = world().await;
    spec("presence", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_magnifier_shows_twice_as_much_without_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("lens", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_magnifier_shows_twice_as_much_with_a_graphics_processor() {
    let (_world, address) = world().await;
    spec("lens", Renderer::Gpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_reached_by_keys_and_axe_finds_nothing_but_trifles() {
    let (_world, address) = world().await;
    spec("access", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_jumps_while_images_come_and_a_report_menus_and_an_earlier_exam_open() {
    let (_world, address) = with_prior().await;
    spec("still", Renderer::Cpu, &[("URL", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_compression_gives_the_same_numbers_without_a_graphics_processor() {
    let (_world, environment) = compressed().await;
    spec("syntaxes", Renderer::Cpu, &borrowed(&environment)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_compression_gives_the_same_numbers_with_a_graphics_processor() {
    let (_world, environment) = compressed().await;
    spec("syntaxes", Renderer::Gpu, &borrowed(&environment)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_hospital_sends_is_text_in_the_viewer() {
    let world = hospital(Some(EVIL)).await;
    marked::store_hostile(&world, 1, EVIL_TITLE).await;
    let of_both = "INSERT INTO exam_study (exam_report_pk, study_pk, rule, linked_at) \
                   SELECT 3, s.id, 'manual', 0 FROM study s";
    world.execute(of_both, vec![]).await;
    let list = world.open("ClinicExamView", &[ID]).await;
    let address = format!("http://{}{}", world.address, list.replace("/exams", &format!("/exam/{}/viewer", uid(1))));
    spec("evil", Renderer::Cpu, &[("URL", address), ("STUDY", "2.25.7000".to_owned())]).await;
}

fn borrowed(environment: &[(String, String)]) -> Vec<(&str, String)> {
    environment.iter().map(|(key, value)| (key.as_str(), value.clone())).collect()
}

/// A server with the same picture in each way of compression that the viewer decodes itself, and what a spec is told of it.
async fn compressed() -> (World, Vec<(String, String)>) {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut environment = Vec::new();
    let mut names = Vec::new();
    let syntaxes: [(&str, &str, &[&str]); 6] = [
        ("native", "", &[]),
        ("rle", "dcmcrle", &[]),
        ("lossless", "dcmcjpeg", &["+e1"]),
        ("process14", "dcmcjpeg", &["+el"]),
        ("jpegls", "dcmcjpls", &["+el"]),
        ("jpeg2000", "", &[]),
    ];
    for (at, (name, program, arguments)) in syntaxes.into_iter().enumerate() {
        let series = at as u32 + 1;
        let object = phantom::noisy(series, name);
        let plain = folder.path().join(format!("{name}.dcm"));
        let packed = folder.path().join(format!("{name}-packed.dcm"));
        let mut file =
            yingku::dicom::part10::meta(object.sop_class, &object.uid, crate::harness::dataset::EXPLICIT_LE, "PACS01");
        file.extend_from_slice(&object.set.encode());
        std::fs::write(&plain, file).unwrap();
        let (plain, packed) = (plain.to_str().unwrap(), packed.to_str().unwrap());
        match (name, program) {
            ("native", _) => drop(std::fs::copy(plain, packed).unwrap()),
            (_, "") => drop(crate::harness::python_script(JPEG_2000, &[plain, packed])),
            // The same UID as before: the bytes alone are another's.
            _ => drop(run(Command::new(tool(program, Package::Debian("dcmtk"))).args(arguments).args([plain, packed]))),
        }
        let content = std::fs::read(packed).unwrap();
        let read = dicom_object::open_file(packed).unwrap();
        let syntax = read.meta().transfer_syntax().trim_end_matches('\0').to_owned();
        let data_set = crate::harness::data_set_of(&content);
        phantom::keep_file(&world, 1, object.sop_class, &object.uid, &syntax, data_set).await;
        environment.push((format!("SERIES_{name}"), format!("2.25.7000.{series}")));
        names.push(name);
    }
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    environment.push(("URL".to_owned(), format!("http://{}{exam}/viewer", world.address)));
    environment.push(("SYNTAXES".to_owned(), names.join(",")));
    environment.push(("MOST".to_owned(), (4095 - 1024).to_string()));
    (world, environment)
}

/// JPEG 2000 without loss, by Pillow's OpenJPEG.
const JPEG_2000: &str = r#"
import io, sys
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
data = dcmread(sys.argv[1])
picture = Image.frombytes("I;16", (data.Columns, data.Rows), data.PixelData)
out = io.BytesIO()
picture.save(out, "JPEG2000", no_jp2=True, irreversible=False)
data.PixelData = encapsulate([out.getvalue()])
data["PixelData"].VR = "OB"
data["PixelData"].is_undefined_length = True
data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
data.save_as(sys.argv[2])
"#;
