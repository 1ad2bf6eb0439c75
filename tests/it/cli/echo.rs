//! `yingku echo`: peers that answer, that refuse, and that are not there.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{CONFIGURATION, folder, text, yingku};
use crate::harness::{Orthanc, Package, TestServer, eventually, free_port, tool};

/// Whether the command ended well, and what it said.
async fn echo(folder: &Path, titles: &[&str]) -> (bool, String) {
    let mut command = yingku(folder, &["echo"]);
    command.args(titles);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.success(), text(&output))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_whether_a_peer_answers_and_why_it_does_not() {
    let server = TestServer::start().await;
    let (far, nobody) = (server.dicom().port(), free_port());
    let folder = folder();
    let file = folder.path().join(CONFIGURATION);
    let peer = |title: &str, port: u16, called: &str| {
        format!(
            "\n[[peer]]\nae_title = '{title}'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n\
             [peer.scu]\ncalling_ae_title = 'PACS01'\ncalled_ae_title = '{called}'\n"
        )
    };
    let mut config = std::fs::read_to_string(&file).unwrap();
    config += &(peer("GOOD", far, "YINGKU") + &peer("WRONG", far, "OTHER") + &peer("AWAY", nobody, "YINGKU"));
    config += "\n[[peer]]\nae_title = 'CALLER'\nhost = ''\norganization = 'ORG-T01'\naddresses = ['127.0.0.1/32']\n";
    std::fs::write(&file, config).unwrap();

    let (done, told) = echo(folder.path(), &["GOOD"]).await;
    assert!(done && told.contains("PACS01 calls YINGKU: answered 0000H in "), "{told}");
    let (done, told) = echo(folder.path(), &["WRONG"]).await;
    assert!(!done && told.contains("association rejected") && told.contains("called AE title"), "{told}");
    let (done, told) = echo(folder.path(), &["AWAY", "GOOD"]).await;
    assert!(!done && told.contains(&format!("127.0.0.1:{nobody}")) && told.contains("answered 0000H"), "{told}");
    let (done, told) = echo(folder.path(), &["NOBODY"]).await;
    assert!(!done && told.contains("no [[peer]] is called `NOBODY`"), "{told}");
    let (done, told) = echo(folder.path(), &["CALLER"]).await;
    assert!(!done && told.contains("has no host"), "{told}");
    let (_, told) = echo(folder.path(), &[]).await;
    for title in ["GOOD  ", "WRONG  ", "AWAY  "] {
        assert!(told.contains(title), "{title} of all: {told}");
    }
    server.stop().await;
}

/// DCMTK's storescp, killed at the end.
struct StoreScp {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl StoreScp {
    async fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut command = Command::new(tool("storescp", Package::Debian("dcmtk")));
        command.arg("-od").arg(folder.path()).arg(port.to_string());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let scp = Self { child, port, _folder: folder };
        eventually(Duration::from_secs(120), "storescp listens", || async {
            TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        scp
    }
}

impl Drop for StoreScp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storescp_and_orthanc_answer_and_orthanc_says_whom_it_does_not_know() {
    let storescp = StoreScp::start().await;
    let orthanc = Orthanc::start("ORTHANC", free_port()).await;
    let folder = folder();
    let file = folder.path().join(CONFIGURATION);
    let peer = |title: &str, port: u16, called: &str| {
        format!(
            "\n[[peer]]\nae_title = '{title}'\nhost = '127.0.0.1'\nport = {port}\norganization = 'ORG-T01'\n\
             [peer.scu]\ncalled_ae_title = '{called}'\n"
        )
    };
    let mut config = std::fs::read_to_string(&file).unwrap();
    config += &peer("STORESCP", storescp.port, "STORESCP");
    config += &(peer("ORTHANC", orthanc.dicom(), "ORTHANC") + &peer("MISNAMED", orthanc.dicom(), "OTHER"));
    std::fs::write(&file, config).unwrap();

    let (done, told) = echo(folder.path(), &["STORESCP", "ORTHANC"]).await;
    assert!(done, "{told}");
    for title in ["STORESCP", "ORTHANC"] {
        assert!(told.contains(&format!("YINGKU calls {title}: answered 0000H in ")), "{title}: {told}");
    }
    let (done, told) = echo(folder.path(), &["MISNAMED"]).await;
    assert!(!done && told.contains("YINGKU calls OTHER: association rejected"), "{told}");
}
