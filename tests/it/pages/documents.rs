//! Objects that are no images: structured reports, key images, encapsulated PDF and CDA, videos, curves.

use std::collections::BTreeMap;
use std::path::Path;

use yingku::demo;
use yingku::domain::customer::{Customer, Permission};

use super::world::{Exam, NOW_S, World, customer};
use crate::harness::{Package, python_script, run, tool};

const ACCESSION: (&str, &str) = ("AccessionNumber", "A0001");
const SCRIPT: &str = include_str!("objects.py");

struct Objects {
    world: World,
    folder: tempfile::TempDir,
    /// Root of the exam's page.
    exam: String,
}

impl Objects {
    /// An exam with a CT slice, and the objects of these names.
    async fn with(customer: Customer, names: &[&str], parameters: &[(&str, &str)]) -> Self {
        let world = World::for_customer(customer).await;
        world.exam(Exam::new(1)).await;
        let exams = demo::exams(NOW_S * 1000);
        let ct = exams.iter().find(|exam| exam.kind == demo::Kind::CtWithFilm).unwrap();
        let slice = demo::object(ct, 1).unwrap();
        world.store(&slice, Some(1)).await;
        let folder = tempfile::tempdir().unwrap();
        python_script(SCRIPT, &[folder.path().to_str().unwrap(), &slice.sop_instance_uid]);
        for name in names {
            world.store_file(std::fs::read(folder.path().join(name)).unwrap(), 1).await;
        }
        let exam = world.open("ClinicExam", &[&[ACCESSION], parameters].concat()).await;
        Self { world, folder, exam }
    }

    async fn tab(&self, query: &str) -> String {
        let answer = self.world.get(&format!("{}?tab={query}", self.exam)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The addresses behind an attribute that begin with the exam's root.
fn addresses(page: &str, before: &str) -> Vec<String> {
    page.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&")).collect()
}

#[tokio::test]
async fn a_structured_report_is_text_with_chinese_labels_and_links_to_its_images() {
    let objects = Objects::with(customer(), &["report.dcm"], &[]).await;
    run(std::process::Command::new(tool("dsrdump", Package::Debian("dcmtk"))).arg(objects.path().join("report.dcm")));
    let page = objects.tab("documents").await;
    for text in ["影像测量报告", "所见", "右肺上叶小结节。", "12.5 mm", "侧别", "测试 医生乙", "已完成", "未核实"]
    {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert!(page.contains("&#60;script&#62;") && !page.contains("<script>alert"), "text stays text");
    assert!(page.contains("引用的影像不在本检查中"));
    let picture = addresses(&page, "<img src=\"").into_iter().find(|src| src.contains("/frame/")).unwrap();
    let drawn = objects.world.get(&picture).await;
    assert_eq!((drawn.status, drawn.header("content-type")), (200, "image/jpeg"));
    let original = addresses(&page, "href=\"").into_iter().find(|href| href.ends_with("/original?download=1")).unwrap();
    let file = objects.world.get(&original).await;
    assert_eq!((file.status, &file.body[128..132]), (200, b"DICM".as_slice()));
    let recorded = "SELECT COUNT(*) AS n FROM audit WHERE action = 'download_document'";
    assert_eq!(objects.world.count(recorded).await, 1);
}

#[tokio::test]
async fn key_images_are_shown_with_their_words() {
    let objects = Objects::with(customer(), &["key_objects.dcm"], &[]).await;
    let page = objects.tab("documents").await;
    assert!(page.contains("关注影像") && page.contains("结节最大层面"));
    let picture = addresses(&page, "<img src=\"").into_iter().find(|src| src.contains("/frame/")).unwrap();
    assert!(picture.contains("/1.jpg?e=200"), "{picture}");
    assert_eq!(objects.world.get(&picture).await.status, 200);
}

#[tokio::test]
async fn an_encapsulated_pdf_is_drawn_page_by_page_and_given_as_it_is() {
    let objects = Objects::with(customer(), &["pdf.dcm"], &[]).await;
    let page = objects.tab("documents").await;
    let pages: Vec<String> = addresses(&page, "<img class=\"page\" src=\"");
    assert_eq!(pages.len(), 2, "{page}");
    for address in &pages {
        let drawn = objects.world.get(address).await;
        assert_eq!((drawn.status, drawn.header("content-type")), (200, "image/png"));
        assert!(image::load_from_memory(&drawn.body).unwrap().width() >= 1000);
    }
    assert_eq!(objects.world.get(&pages[0].replace("/1.png", "/3.png")).await.status, 404);
    let original = objects.world.get(&pages[0].replace("/page/1.png", "/original")).await;
    assert_eq!((original.header("content-type"), &original.body[..5]), ("application/pdf", b"%PDF-".as_slice()));
    assert!(original.body.ends_with(b"%%EOF\n"), "without the padding");
    let part = objects.world.get_with(&pages[0].replace("/page/1.png", "/original"), "range", "bytes=-6").await;
    assert_eq!((part.status, &part.body[..]), (206, b"%%EOF\n".as_slice()));
    assert!(original.header("content-disposition").starts_with("inline"));
}

#[tokio::test]
async fn a_clinical_document_is_plain_text_and_a_bomb_is_refused() {
    let objects = Objects::with(customer(), &["cda.dcm", "bomb.dcm"], &[]).await;
    let page = objects.tab("documents").await;
    assert!(page.contains("出院小结") && page.contains("诊疗经过") && page.contains("<td colspan=\"1\">示例药</td>"));
    assert!(page.contains("经过 顺利。") && page.contains("2026-09-20 08:45"));
    assert!(!page.contains("evil.example") && !page.contains("<script>alert"), "nothing from outside is loaded");
    let original = addresses(&page, "href=\"").into_iter().find(|href| href.ends_with("/original?download=1")).unwrap();
    let file = objects.world.get(original.trim_end_matches("?download=1")).await;
    assert!(file.header("content-disposition").starts_with("attachment"), "XML is never opened in the browser");
    let bomb = objects.tab("documents&s=2").await;
    assert!(bomb.contains("该文档的格式无法在线显示") && !bomb.contains("aaaaaaaaaa"));
}

#[tokio::test]
async fn a_clinical_document_whose_body_is_a_pdf_is_drawn_and_its_body_given() {
    let denied = Customer { download: Permission::Denied, ..customer() };
    for (customer, status) in [(customer(), 200), (denied, 403)] {
        let objects = Objects::with(customer, &["cda_pdf.dcm"], &[]).await;
        let page = objects.tab("documents").await;
        let pages: Vec<String> = addresses(&page, "<img class=\"page\" src=\"");
        assert_eq!((pages.len(), page.contains("其它格式")), (2, false), "{page}");
        for address in &pages {
            let drawn = objects.world.get(address).await;
            assert_eq!((drawn.status, drawn.header("content-type")), (200, "image/png"));
        }
        let body = pages[0].replace("/page/1.png", "/body");
        assert_eq!(page.contains(&format!("href=\"{body}\"")), status == 200, "{page}");
        let given = objects.world.get(&body).await;
        assert_eq!(given.status, status);
        if status == 200 {
            assert_eq!((given.header("content-type"), &given.body[..5]), ("application/pdf", b"%PDF-".as_slice()));
            assert!(given.header("content-disposition").starts_with("inline"));
            let original = objects.world.get(&body.replace("/body", "/original")).await;
            assert_eq!(original.header("content-type"), "application/xml");
        }
        assert_eq!(objects.world.get(&body.replace("/body", "/else")).await.status, 404);
    }
}

#[tokio::test]
async fn documents_are_words_of_a_report_and_not_shown_with_images_alone() {
    let objects = Objects::with(customer(), &["report.dcm", "pdf.dcm"], &[("ShowType", "3")]).await;
    let page = objects.tab("documents").await;
    assert!(!page.contains("tab=documents") && !page.contains("右肺上叶小结节"));
    let pk = objects.world.count("SELECT MAX(id) AS n FROM instance").await;
    for rest in ["page/1.png", "original"] {
        assert_eq!(objects.world.get(&format!("{}/document/{pk}/{rest}", objects.exam)).await.status, 404);
    }
}

#[tokio::test]
async fn by_dicomweb_a_session_for_images_alone_gets_no_document_either() {
    for (show, all) in [("2", true), ("3", false)] {
        let names = ["report.dcm", "pdf.dcm", "mp4.dcm"];
        let objects = Objects::with(customer(), &names, &[("ShowType", show)]).await;
        let root = format!("{}/dicom-web/studies", objects.exam.split("/exam/").next().unwrap());
        let get = async |path: &str| objects.world.get(&format!("{root}{path}")).await;
        let (study, json) = ("2.25.8800", "accept=application/dicom%2Bjson");
        let metadata = get(&format!("/{study}/metadata?{json}")).await;
        assert_eq!(metadata.status, 200);
        let read: serde_json::Value = serde_json::from_str(&metadata.text()).unwrap();
        assert_eq!(read.as_array().unwrap().len(), if all { 3 } else { 1 });
        assert_eq!(metadata.text().contains("右肺上叶小结节"), all);
        let zip = get(&format!("/{study}?accept=application/zip")).await;
        let name = |uid: &str| zip.body.windows(uid.len()).any(|part| part == uid.as_bytes());
        assert_eq!((zip.status, name("2.25.8802.dcm"), name("2.25.8804.dcm")), (200, all, all));
        let pdf = format!("/{study}/series/2.25.8800.4/instances/2.25.8804");
        for path in ["/bulkdata/00420011?accept=application/octet-stream", "/metadata", "?accept=application/dicom"] {
            assert_eq!(get(&format!("{pdf}{path}")).await.status, if all { 200 } else { 404 }, "{path}");
        }
        for level in ["series", "instances"] {
            let found: serde_json::Value =
                serde_json::from_str(&get(&format!("/{study}/{level}?{json}")).await.text()).unwrap();
            assert_eq!(found.as_array().unwrap().len(), if all { 3 } else { 1 }, "{level}");
        }
    }
}

#[tokio::test]
async fn a_video_is_given_by_ranges_over_all_its_fragments() {
    let objects = Objects::with(customer(), &["mp4.dcm", "pieces.dcm", "raw.dcm"], &[]).await;
    let film = std::fs::read(objects.path().join("film.bin")).unwrap();
    let page = objects.tab("video").await;
    let players = addresses(&page, "<video controls preload=\"metadata\" src=\"");
    assert_eq!(players.len(), 2, "{page}");
    assert!(page.contains("浏览器不支持该视频的编码方式") && page.contains("胃镜录像"));
    assert!(!page.contains("tab=images&#38;s=2"));
    for address in &players {
        let whole = objects.world.get(address).await;
        assert_eq!((whole.status, whole.header("content-type")), (200, "video/mp4"));
        assert_eq!(whole.header("accept-ranges"), "bytes");
        let other = (0..film.len()).find(|at| whole.body.get(*at) != film.get(*at));
        assert_eq!(other, None, "of {} bytes, {} were given", film.len(), whole.body.len());
        let part = objects.world.get_with(address, "range", "bytes=2000-8999").await;
        assert_eq!((part.status, &part.body[..]), (206, &film[2000..9000]));
        assert_eq!(part.header("content-range"), format!("bytes 2000-8999/{}", whole.body.len()));
        assert_eq!(objects.world.get_with(address, "range", "bytes=99999999-").await.status, 416);
    }
    let raw = addresses(&page, "href=\"").into_iter().rfind(|href| href.contains("/video/")).unwrap();
    let recorded = "SELECT COUNT(*) AS n FROM audit WHERE action = 'download_video'";
    assert_eq!(objects.world.count(recorded).await, 0, "the page and what plays in it are looks");
    // What no browser plays is saved, whatever the address says.
    for (address, count) in [(raw.as_str(), 1), (raw.trim_end_matches("?download=1"), 2)] {
        let raw = objects.world.get(address).await;
        assert_eq!((raw.status, raw.header("content-type")), (200, "video/h265"));
        assert!(raw.header("content-disposition").starts_with("attachment"));
        assert_eq!(objects.world.count(recorded).await, count);
    }
}

/// The exam as a visitor with its printed code sees it.
async fn visited(world: &World) -> String {
    let sql = "INSERT INTO qr_link (id, exam_report_pk, created_at) VALUES ('abcdefghijklmnopqrstuvwxy4', 1, 0)";
    world.execute(sql, vec![]).await;
    world.post("/q/abcdefghijklmnopqrstuvwxy4", "factor=0019").await.header("location").to_owned()
}

#[tokio::test]
async fn who_may_only_look_takes_no_object_along_and_an_image_is_nobodys_document() {
    const REPORT: &str = "SELECT id AS n FROM instance WHERE sop_instance_uid = '2.25.8802'";
    const PDF: &str = "SELECT id AS n FROM instance WHERE sop_instance_uid = '2.25.8804'";
    const MP4: &str = "SELECT id AS n FROM instance WHERE sop_instance_uid = '2.25.8807'";
    const HEVC: &str = "SELECT id AS n FROM instance WHERE sop_instance_uid = '2.25.8809'";
    const SLICE: &str = "SELECT i.id AS n FROM instance i JOIN series r ON r.id = i.series_pk WHERE r.kind = 'image'";
    let denied = Customer { download: Permission::Denied, ..customer() };
    // A document is like a report's file, which a visitor has on paper; an object is not.
    for (customer, is_visitor, pdf, object) in
        [(customer(), false, 200, 200), (customer(), true, 200, 403), (denied, false, 403, 403)]
    {
        let objects = Objects::with(customer, &["report.dcm", "pdf.dcm", "mp4.dcm", "raw.dcm"], &[]).await;
        let world = &objects.world;
        let exam = if is_visitor { visited(world).await } else { objects.exam.clone() };
        let status = async |sql, address: fn(i64) -> String| {
            let pk = world.count(sql).await;
            world.get(&format!("{exam}/{}", address(pk))).await.status
        };
        assert_eq!(status(SLICE, |pk| format!("frame/{pk}/1.jpg")).await, 200);
        assert_eq!(status(SLICE, |pk| format!("document/{pk}/original")).await, 404);
        assert_eq!(status(MP4, |pk| format!("document/{pk}/original")).await, 404);
        assert_eq!(status(PDF, |pk| format!("document/{pk}/page/1.png")).await, 200);
        assert_eq!(status(PDF, |pk| format!("document/{pk}/original")).await, pdf);
        assert_eq!(status(REPORT, |pk| format!("document/{pk}/original")).await, object);
        assert_eq!(status(MP4, |pk| format!("video/{pk}")).await, 200, "it plays in the page");
        assert_eq!(status(MP4, |pk| format!("video/{pk}?download=1")).await, object);
        assert_eq!(status(HEVC, |pk| format!("video/{pk}")).await, object);
        // One document after the other: the report, then the PDF.
        for (tab, expected) in [("documents&s=1", object), ("documents&s=2", pdf), ("video", object)] {
            let page = world.get(&format!("{exam}?tab={tab}")).await.text();
            assert_eq!(page.contains("download=1"), expected == 200, "{tab}: {page}");
        }
        let root = exam.split("/exam/").next().unwrap();
        let instance = format!("{root}/dicom-web/studies/2.25.8800/series/2.25.8800.4/instances/2.25.8804");
        let document = world.get(&format!("{instance}/bulkdata/00420011?accept=application/octet-stream")).await;
        assert_eq!(document.status, object, "{}", document.text());
        let metadata = world.get(&format!("{instance}/metadata?accept=application/dicom%2Bjson")).await.text();
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(metadata[0]["00420011"].get("InlineBinary").is_some(), object == 200, "{metadata}");
        let recorded = "SELECT COUNT(*) AS n FROM audit WHERE action IN ('download_document', 'download_video')";
        let expected = [pdf, object, object, object].iter().filter(|status| **status == 200).count();
        assert_eq!(world.count(recorded).await, expected as i64);
    }
}

#[tokio::test]
async fn a_clip_is_a_video_and_no_image_and_what_has_pictures_is_images_for_page_and_viewer() {
    let names = ["clip.dcm", "still.dcm", "mp4.dcm", "endoscopy.dcm"];
    let objects = Objects::with(customer(), &names, &[]).await;
    let json = objects.world.get(&format!("{}/viewer.json", objects.exam)).await.text();
    let described: serde_json::Value = serde_json::from_str(&json).unwrap();
    let series = described["series"].as_array().unwrap().iter().map(|one| {
        let number = |name: &str| one[name].as_i64().unwrap();
        (one["series"].as_str().unwrap(), one["kind"].as_str().unwrap(), number("instances"), number("frames"))
    });
    let here: Vec<_> = series.filter(|(uid, ..)| uid.starts_with("2.25.8800.")).collect();
    assert_eq!(here, [("2.25.8800.11", "image", 1, 1), ("2.25.8800.12", "image", 1, 1)]);
    for number in 1..=3 {
        let page = objects.tab(&format!("images&s={number}")).await;
        assert!(page.contains("data-position>1 / 1<"), "the clip is no picture: {page}");
        let pictures = addresses(&page, "<img src=\"");
        assert_eq!(pictures.len(), 4, "three in the strip, one large");
        for picture in pictures {
            assert_eq!(objects.world.get(&picture).await.status, 200, "{picture}");
        }
    }
    let list = objects.world.open("ClinicExamList", &[("IDCardNO", "990101199001010019")]).await;
    let list = objects.world.get(&list).await.text();
    assert!(list.contains(">影像<") && list.contains(">视频<") && !list.contains(">波形<"), "{list}");
    let videos = objects.tab("video").await;
    assert_eq!(addresses(&videos, "<video controls preload=\"metadata\" src=\"").len(), 2);
}

#[tokio::test]
async fn d_i5_a_film_that_came_as_a_pdf_is_read_page_by_page_and_is_no_empty_stack_of_the_viewers() {
    for show in ["0", "3"] {
        let objects = Objects::with(customer(), &["film_pdf.dcm"], &[("ShowType", show)]).await;
        let page = objects.tab("film").await;
        assert!(!page.contains("tab=documents"), "a film is no document: {page}");
        let pages = addresses(&page, "<img class=\"page\" src=\"");
        let strip = addresses(&page, "<img src=\"");
        assert_eq!((pages.len(), strip.len()), (2, 1), "{page}");
        for address in pages.iter().chain(&strip) {
            let drawn = objects.world.get(address).await;
            assert_eq!((drawn.status, drawn.header("content-type")), (200, "image/png"), "{address}");
        }
        let json = objects.world.get(&format!("{}/viewer.json", objects.exam)).await.text();
        assert!(json.contains(r#""kind":"image""#) && !json.contains(r#""kind":"film""#), "{json}");
    }
}

#[tokio::test]
async fn curves_of_all_groups_are_true_to_the_millimetre() {
    let objects = Objects::with(customer(), &["curves.dcm"], &[]).await;
    let page = objects.tab("waveform").await;
    assert!(page.contains("心电 · 3 × 25 s") && page.contains("血压 · 1 × 25 s") && page.contains("00:00:20"));
    assert!(page.contains("窦性心律 &#60;b&#62;"));
    let drawing = addresses(&page, "aria-label=\"心电波形\"><img src=\"").remove(0);
    let svg = objects.world.get(&drawing).await.text();
    // Row two of three rows of 30 mm below a margin of 5 mm; 25 mm a second behind 15 mm; 10 mm a millivolt.
    let middle = 5.0 + 45.0;
    let path = svg.split("<path d=\"").filter(|path| path.starts_with("M15.00 ") && path.contains('L')).nth(1).unwrap();
    let points: BTreeMap<u64, f64> = path
        .split('"')
        .next()
        .unwrap()
        .split(['M', 'L'])
        .filter_map(|point| point.split_once(' '))
        .map(|(x, y)| ((x.parse::<f64>().unwrap() * 100.0).round() as u64, y.parse().unwrap()))
        .collect();
    let millivolts = std::fs::read_to_string(objects.path().join("curves.txt")).unwrap();
    let expected: Vec<f64> = millivolts.split(' ').map(|value| value.parse().unwrap()).collect();
    assert_eq!(expected.len(), 1000);
    for (sample, value) in expected.iter().enumerate() {
        let x = 1500 + sample as u64 * 25;
        let y = points.get(&x).unwrap_or_else(|| panic!("nothing at {x} in {points:?}"));
        assert!((middle - value * 10.0 - y).abs() < 0.006, "sample {sample} is drawn at {y}, {value} mV");
    }
    assert!(page.contains(">心电波形<") && !page.contains(">波形<"));
    let english = addresses(&objects.tab("waveform&lang=en").await, "aria-label=\"ECG\"><img src=\"").remove(0);
    assert!(english.ends_with("&lang=en"), "a drawing has words, and is kept under its address: {english}");
    objects.tab("waveform&lang=zh").await;
    let slow = objects.world.get(&drawing.replace("speed=25", "speed=50").replace("gain=10", "gain=20")).await.text();
    assert!(slow.contains("width=\"545.0mm\""), "10.5 s at 50 mm/s, with margins and pulse");
    let pressure = objects.world.get(&drawing.replace("g=1", "g=2")).await.text();
    assert!(pressure.contains("mm[Hg]"));
    let last = objects.world.get(&drawing.replace("t=0", "t=20")).await.text();
    assert!(last.contains("20 – 25 s"));
    assert_ne!(objects.world.get(&drawing.replace("t=0", "t=99")).await.status, 200);
}

#[tokio::test]
async fn curves_are_called_electrocardiograms_when_they_are() {
    for (file, name) in [
        ("twelve.dcm", "心电波形"),
        ("general.dcm", "心电波形"),
        ("ambulatory.dcm", "心电波形"),
        ("other.dcm", "心电波形"),
        ("HD.dcm", "波形"),
        ("EEG.dcm", "波形"),
        ("RESP.dcm", "波形"),
    ] {
        let objects = Objects::with(customer(), &[file], &[]).await;
        let page = objects.tab("waveform").await;
        assert!(page.contains(&format!("aria-current=\"page\">{name}<")), "{file}: {page}");
        assert!(page.contains(&format!("aria-label=\"{name}\"")), "{file}: {page}");
    }
}
