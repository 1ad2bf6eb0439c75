//! `yingku echo`: peers that answer, that refuse, and that are not there.

use super::{CONFIGURATION, folder, text, yingku};
use crate::harness::{TestServer, free_port};

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
    let said = async |titles: &[&str]| {
        let mut command = yingku(folder.path(), &["echo"]);
        command.args(titles);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.success(), text(&output))
    };

    let (done, told) = said(&["GOOD"]).await;
    assert!(done && told.contains("PACS01 calls YINGKU: answered 0000H in "), "{told}");
    let (done, told) = said(&["WRONG"]).await;
    assert!(!done && told.contains("association rejected") && told.contains("called AE title"), "{told}");
    let (done, told) = said(&["AWAY", "GOOD"]).await;
    assert!(!done && told.contains(&format!("127.0.0.1:{nobody}")) && told.contains("answered 0000H"), "{told}");
    let (done, told) = said(&["NOBODY"]).await;
    assert!(!done && told.contains("no [[peer]] is called `NOBODY`"), "{told}");
    let (done, told) = said(&["CALLER"]).await;
    assert!(!done && told.contains("has no host"), "{told}");
    let (_, told) = said(&[]).await;
    for title in ["GOOD  ", "WRONG  ", "AWAY  "] {
        assert!(told.contains(title), "{title} of all: {told}");
    }
    server.stop().await;
}
