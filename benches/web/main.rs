//! How soon a browser shows the first image: Yingku's viewer, OHIF over Orthanc's DICOMweb and over Yingku's, and Orthanc's own
//! web viewer.
//!
//! `make bench-web` stores the same CT series in both archives; `web/bench/measure.mjs` opens each viewer in Chromium, on
//! loopback and over an emulated line that lies before all of them alike. Variables are described in `docs/performance.md`.

#[path = "../../tests/it/harness/element.rs"]
mod elements;
mod orthanc;
#[path = "../peers/processes.rs"]
#[expect(dead_code, reason = "the programs are shared with benches that speak DICOM to them")]
mod processes;
mod series;
#[path = "../peers/yingku.rs"]
#[expect(dead_code, reason = "the server is shared with benches that watch it longer")]
mod yingku_process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use yingku::domain::token::sign;
use yingku_process::Yingku;

const GUID: &str = "22222222-2222-4333-8444-555555555555";
const SECRET: &str = "only-for-benches-7Qm2-web";

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target folder");
    let ohif = target.join("web-bench/ohif/package/dist");
    assert!(ohif.join("index.html").is_file(), "OHIF is missing; fetch it with: make packages-web-bench");
    assert!(yingku::web::viewer_is_embedded(), "the viewer is not in this binary; build it with: make web");
    let folder =
        std::env::var_os("YINGKU_BENCH_FOLDER").map_or_else(|| PathBuf::from("target/bench-web"), PathBuf::from);
    let folder = processes::fresh(&folder);
    let files = processes::fresh(&folder.join("files"));
    series::write(&files);

    let customer = format!(
        "[[customer]]\nguid = \"{GUID}\"\nsecret = \"{SECRET}\"\norganization = \"ORG-T01\"\n\
         [customer.token]\nmax_age_s = 86400\n[pages]\nopens_per_minute_address = 100000\n\
         opens_per_minute_customer = 100000\n"
    );
    let database = format!("sqlite://{}", folder.join("yingku/yingku.db").display());
    let mut yingku = Yingku::start(&folder.join("yingku"), &database, &customer);
    yingku.kill();
    let imported = yingku.command("import").arg(&files).output().expect("the import runs");
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    yingku.start_again();
    let orthanc = orthanc::Orthanc::start(&folder.join("orthanc"));
    let in_orthanc = orthanc.store(&files);

    let mut node = processes::installed("node", "nodejs");
    node.arg(root.join("web/bench/measure.mjs"));
    node.env("CHROMIUM", processes::installed("chromium", "chromium").get_program());
    node.env("YINGKU", format!("http://{}", yingku.http())).env("YINGKU_KEY", yingku_process::KEY).env("LINK", link());
    node.env("OHIF", ohif).env("ORTHANC", orthanc.http()).env("ORTHANC_SERIES", in_orthanc);
    node.env("STUDY", series::STUDY).env("OUT", &folder);
    run(node);
}

/// A link as a hospital's system makes it, which leads to the images.
fn link() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs().to_string();
    let parameters = [
        ("CustomerGuid", GUID),
        ("UserID", "bench"),
        ("UserName", "bench"),
        ("AccessionNumber", series::ACCESSION),
        ("ShowType", "2"),
        ("Timestamp", &now),
    ];
    format!("/IDCAS/Interface/ClinicExam?{}", sign(&parameters, SECRET))
}

fn run(mut command: Command) {
    let done = command.status().expect("node runs");
    assert!(done.success(), "a viewer did not show its image");
}
