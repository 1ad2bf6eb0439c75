//! The whole story as a stranger sees it: `yingku serve --demo` in an empty folder, then the printed links in Chromium.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use image::imageops::FilterType;
use image::{GrayImage, imageops};
use tempfile::TempDir;

use crate::harness::{Package, eventually, free_port, run, tool};

struct Demo {
    child: Child,
    folder: TempDir,
    base: String,
    text: String,
}

impl Demo {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (http, dicom) = (free_port(), free_port());
        let base = format!("http://127.0.0.1:{http}");
        let log = File::create(folder.path().join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_yingku"))
            .args(["serve", "--demo"])
            .current_dir(folder.path())
            .env("YINGKU__HTTP__LISTEN", format!("127.0.0.1:{http}"))
            .env("YINGKU__HTTP__PUBLIC_URL", &base)
            .env("YINGKU__DICOM__LISTEN", format!("127.0.0.1:{dicom}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let path = folder.path().join("log");
        let text = eventually(Duration::from_secs(300), "the demo prints its links", || {
            let text = std::fs::read_to_string(&path).unwrap();
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the demo ended: {ended:?}\n{text}");
            async move { text.contains("ctrl-c stops the server").then_some(text) }
        })
        .await;
        Self { child, folder, base, text }
    }

    fn links(&self) -> Vec<String> {
        let begin = format!("{}/IDCAS/", self.base);
        self.text.split_whitespace().filter(|word| word.starts_with(&begin)).map(str::to_owned).collect()
    }

    fn screenshot(&self, address: &str) -> GrayImage {
        // The browser before may still be leaving its own profile.
        let profile = tempfile::tempdir_in(self.folder.path()).unwrap();
        let picture = self.folder.path().join("page.png");
        screenshot(profile.path(), &picture, address);
        image::open(&picture).unwrap().into_luma8()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn screenshot(profile: &Path, picture: &Path, address: &str) {
    let mut chromium = Command::new(tool("chromium", Package::Debian("chromium")));
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    chromium.args([
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1280,1400",
        "--force-device-scale-factor=2",
    ]);
    chromium.arg(format!("--user-data-dir={}", profile.display()));
    chromium.arg(format!("--screenshot={}", picture.display())).arg(address);
    run(&mut chromium);
}

/// The text of the QR code in the picture's top right quarter, if it shows one.
fn qr_text(picture: &GrayImage) -> Option<String> {
    let (width, height) = (picture.width() / 2, picture.height() / 2);
    let corner = imageops::crop_imm(picture, width, 0, width, height).to_image();
    // The reader is choosy about how many dots a module has, and that depends on the screen: several sizes are tried.
    [100, 150, 75, 200, 125, 60].into_iter().find_map(|percent| {
        let (width, height) = (width * percent / 100, height * percent / 100);
        let sized = imageops::resize(&corner, width, height, FilterType::CatmullRom);
        let dot = |x: usize, y: usize| sized.get_pixel(x as u32, y as u32).0[0];
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width as usize, height as usize, dot);
        prepared.detect_grids().iter().find_map(|grid| grid.decode().ok()).map(|(_, text)| text)
    })
}

/// How many of the picture's dots are neither black nor white: a page of text has few, a drawn image many.
fn grey_dots(picture: &GrayImage) -> usize {
    picture.pixels().filter(|dot| (60..200).contains(&dot.0[0])).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_reports_with_their_code_and_images() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let demo = Demo::start().await;
    let links = demo.links();
    assert_eq!(links.len(), 7, "{}", demo.text);

    // The first exam: its report page carries a code that leads to its own landing page.
    let shown = || async { qr_text(&demo.screenshot(&links[0])) };
    let code = eventually(Duration::from_secs(120), "the report shows a QR code", shown).await;
    let link = code.strip_prefix(&format!("{}/q/", demo.base)).expect("the code leads to this server");
    assert!(link.len() >= 26 && link.chars().all(|c| c.is_ascii_alphanumeric()), "{link}");
    let landing = reqwest::get(&code).await.unwrap();
    assert_eq!(landing.status(), 200);
    let landing = landing.text().await.unwrap();
    assert!(
        !landing.contains("测试甲") && !landing.contains("DEMO0001"),
        "nothing of the patient without second factor"
    );

    // Its images, drawn by the server.
    let page = reqwest::get(&links[0]).await.unwrap();
    let clean = page.url().clone();
    assert!(clean.query().is_none() && clean.path().starts_with("/t/"), "{clean}");
    let text = page.text().await.unwrap();
    assert!(text.contains("测试甲") && text.contains("示例医院"), "{text}");
    let images = format!("{clean}?tab=images&basic=1");
    let drawn = || async { (grey_dots(&demo.screenshot(&images)) > 20_000).then_some(()) };
    eventually(Duration::from_secs(120), "the CT slice is there", drawn).await;

    // Everybody else's links open as well, and the list shows the patient's records.
    for link in &links[1..6] {
        let page = reqwest::get(link).await.unwrap();
        assert_eq!(page.status(), 200, "{link}");
    }
    let list = reqwest::get(&links[6]).await.unwrap().text().await.unwrap();
    for number in ["DEMO0001", "DEMO0005", "DEMO0006", "LB0001", "LB0006"] {
        assert!(list.contains(number), "{number} is missing in the list");
    }
    assert!(!list.contains("DEMO0002"), "another patient's exam is not in the list");

    // No secret of the demo's configuration and no patient is in the log.
    let configuration = std::fs::read_to_string(demo.folder.path().join("storage/demo.toml")).unwrap();
    let secret = configuration.lines().find_map(|line| line.strip_prefix("secret = ")).unwrap().trim_matches('"');
    let log = std::fs::read_to_string(demo.folder.path().join("log")).unwrap();
    assert!(!log.contains(secret));
    let logged: String = log.lines().filter(|line| line.contains(" INFO ") || line.contains(" WARN ")).collect();
    for private in ["测试甲", "990101199001010019", "token="] {
        assert!(!logged.contains(private), "{private} is in the log");
    }
}
