//! The pages in Chromium: the specs `web/e2e/pages*.mjs`. Their screenshots are kept in `target/tmp/pages`, of every page with
//! `YINGKU_TEST_PICTURES`.

use std::collections::BTreeMap;
use std::path::Path;

use yingku::demo;
use yingku::domain::customer::{Customer, Permission};

use super::hospital::{
    EVIL, EVIL_TITLE, ID, OBJECTS, Page, QR_LINK, hospital, hospital_for, hospital_saying, operations, pages, staff,
};
use super::hostile_words::{CORPUS, Words};
use super::world::{Exam, NOW_S, World, customer, link, link_at, uid};
use crate::harness::{free_port, python_script};
use crate::viewer::browser::{Renderer, spec};

/// What of it is to be read on a page.
const READ: &str = "<script>evil=1</script>";
const USER: &str = "测试医生甲";

/// Words of the hospital, its patients and its devices; everything else on a page is ours.
const THEIRS: [&str; 47] = [
    "测试甲",
    "测试乙",
    "测试医生甲",
    "测试医生乙",
    "测试医生丙",
    "测试 医生乙",
    "呼吸内科",
    "示例医院",
    "示例二院",
    "胸部CT平扫",
    "胸部",
    "头颅MR平扫",
    "血常规",
    "白细胞计数",
    "血红蛋白",
    "血小板计数",
    "血型",
    "A型 RhD阳性",
    "上腹部平扫 5mm",
    "电子胶片",
    "1、双肺纹理清晰。",
    "2、右肺上叶见小结节，直径约4mm。",
    "3、心影不大。",
    "1、右肺上叶小结节，建议随访。",
    "2、余未见明显异常。",
    "初步：右肺上叶小结节？",
    "第1页",
    "胃镜录像",
    "窦性心律",
    "右肺上叶小结节。",
    "关注影像",
    "出院小结",
    "结节最大层面",
    "影像测量报告",
    "检查报告",
    // Words of structured reports and documents.
    "结构化报告",
    "观察者姓名",
    "所见",
    "直径",
    "侧别",
    "右",
    "最佳影像",
    "关键影像说明",
    "诊疗经过",
    "经过 顺利。",
    "药品",
    "示例药",
];

fn pictures() -> String {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages").display().to_string()
}

async fn walk(world: &World, screens: &str, pages: Vec<Page>) {
    let environment = [
        ("BASE", format!("http://{}", world.address)),
        ("PAGES", serde_json::to_string(&pages).unwrap()),
        ("SCREENS", screens.to_owned()),
        ("THEIRS", serde_json::to_string(&THEIRS[..]).unwrap()),
        ("OUT", pictures()),
    ];
    spec("pages", Renderer::Cpu, &environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_every_screen_stays_still_and_can_be_read_by_everybody() {
    let world = hospital(None).await;
    let mut pages = pages(&world, USER).await;
    pages.extend(operations(&world).await);
    walk(&world, "desk,ward,phone,plain,english", pages).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_hospital_sends_is_text_on_every_page() {
    let world = hospital(Some(EVIL)).await;
    let without = ["empty", "code", "images", "film", "video", "refused"];
    let pages = pages(&world, EVIL).await;
    let pages = pages.into_iter().map(|page| match page.name.as_str() {
        name if without.iter().any(|other| name.starts_with(other)) => page,
        // The words of the document itself, and not only those of its exam.
        name if name.starts_with("document") => page.showing(EVIL_TITLE),
        _ => page.showing(READ),
    });
    walk(&world, "evil", pages.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_markup_from_anywhere_is_text_on_every_page_with_scripts_and_without() {
    let words = Words::corpus();
    let world = hospital_saying(staff(), Some(&words)).await;
    let pages: Vec<Page> = pages(&world, &words.persons[0]).await.into_iter().map(Page::saying).collect();
    let environment = [
        ("BASE", format!("http://{}", world.address)),
        ("PAGES", serde_json::to_string(&pages).unwrap()),
        ("CORPUS", serde_json::to_string(&CORPUS).unwrap()),
        ("OUT", pictures()),
    ];
    spec("pages-hostile", Renderer::Cpu, &environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_used_by_mouse_by_keyboard_without_scripts_and_in_a_frame() {
    let port = free_port();
    let sites = vec![format!("http://localhost:{port}")];
    let world = hospital_for(Customer { frame_ancestors: sites, ..staff() }, None).await;
    let number = ("AccessionNumber", "A0001");
    let list = world.open("ClinicExamList", &[ID]).await;
    let view = world.open("ClinicExamView", &[ID]).await;
    let root = view.trim_end_matches("/exams").to_owned();
    let good = link("ClinicExam", &[number, ("ShowClose", "1")]);
    let environment = [
        ("BASE", format!("http://{}", world.address)),
        ("HOST_PORT", port.to_string()),
        ("EXAM", format!("{root}/exam/{}", uid(1))),
        ("LAB", format!("{root}/exam/{}", uid(101))),
        ("LIST", list),
        ("VIEW", view),
        ("FORGED", good.replace("A0001", "A0002")),
        ("EXPIRED", link_at(NOW_S - 601, "ClinicExam", &[number])),
        ("ENDED", format!("/t/{}/exams", "0".repeat(32))),
        ("NOTHING", link("ClinicExam", &[("AccessionNumber", "A9999")])),
        ("MALFORMED", link("ClinicExam", &[])),
        ("CODE", format!("/q/{QR_LINK}")),
        ("LINK", good),
        ("OUT", pictures()),
    ];
    spec("pages-use", Renderer::Cpu, &environment).await;
}

/// The address of an exam with an image, where nobody may print or keep anything.
async fn sealed() -> (World, String) {
    let world =
        World::for_customer(Customer { download: Permission::Denied, print: Permission::Denied, ..customer() }).await;
    world.exam(Exam::new(1)).await;
    let exams = demo::exams(NOW_S * 1000);
    let ct = exams.iter().find(|exam| exam.kind == demo::Kind::CtWithFilm).unwrap();
    world.store(&demo::object(ct, 1).unwrap(), Some(1)).await;
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001")]).await;
    let address = format!("http://{}{exam}", world.address);
    (world, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_what_its_link_asks_for_says_its_state_and_prints_what_was_read() {
    let world = hospital(None).await;
    let (_sealed, sealed) = sealed().await;
    let number = ("AccessionNumber", "A0001");
    let mut shows = BTreeMap::new();
    for show in ["", "0", "1", "2", "3", "4"] {
        shows.insert(show, world.open("ClinicExam", &[number, ("ShowType", show)]).await);
    }
    let list = world.open("ClinicExamList", &[ID]).await;
    let root = list.trim_end_matches("/exams");
    let environment = [
        ("BASE", format!("http://{}", world.address)),
        ("SHOWS", serde_json::to_string(&shows).unwrap()),
        ("EXAM", format!("{root}/exam/{}", uid(1))),
        ("LAB", format!("{root}/exam/{}", uid(101))),
        ("CLOSING", world.open("ClinicExam", &[number, ("ShowClose", "1"), ("ShowType", "1")]).await),
        ("SEALED", sealed),
        ("OUT", pictures()),
        ("LIST", list),
    ];
    spec("pages-shows", Renderer::Cpu, &environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_of_electrocardiogram_is_true_to_the_millimetre_as_the_browser_lays_it_out() {
    let world = World::start().await;
    world.exam(Exam::new(1)).await;
    let folder = tempfile::tempdir().unwrap();
    python_script(OBJECTS, &[folder.path().to_str().unwrap(), "2.25.1"]);
    for name in ["twelve.dcm", "general.dcm", "ambulatory.dcm"] {
        world.store_file(std::fs::read(folder.path().join(name)).unwrap(), 1).await;
    }
    let exam = world.open("ClinicExam", &[("AccessionNumber", "A0001"), ("ShowType", "2")]).await;
    let environment = [("BASE", format!("http://{}", world.address)), ("EXAM", exam), ("OUT", pictures())];
    spec("pages-waves", Renderer::Cpu, &environment).await;
}
