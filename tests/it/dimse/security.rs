//! TLS, user identity and permissions by service, with DCMTK and pynetdicom as peers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use yingku::dimse::scu::{Association, Proposal, ScuTarget};
use yingku::dimse::{DicomConfig, PeerConfig};
use yingku::domain::AeTitle;
use yingku::tls::{ClientCertificate, PeerTlsConfig, TlsConfig, TlsVersion};

use super::peers::{dcmtk, said};
use super::{TestListener, ct_file};
use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{
    Authority, Certificate, Orthanc, Package, data_set_of, eventually, free_port, python_script, small_instance, tool,
};

const PEER: &str = "ae_title = 'PACS01'\nhost = '127.0.0.1'\norganization = 'ORG-T01'\n";

fn tls(authority: &Authority, client_certificate: ClientCertificate) -> DicomConfig {
    let own = authority.issue("yingku");
    let tls = TlsConfig {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        certificate_file: Some(own.certificate),
        key_file: Some(own.key),
        client_ca_file: Some(authority.certificate().to_owned()),
        client_certificate,
        min_version: TlsVersion::Tls12,
        ..TlsConfig::default()
    };
    DicomConfig { tls, ..DicomConfig::default() }
}

/// DCMTK's options for a caller that shows a certificate and checks ours.
fn with(certificate: &Certificate, authority: &Authority) -> Vec<String> {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let own = [path(&certificate.key), path(&certificate.certificate)];
    [&["+tls".to_owned()], &own[..], &["+cf".to_owned(), path(authority.certificate())]].concat()
}

async fn echo(address: SocketAddr, tls: &[String]) -> (bool, String) {
    let port = address.port().to_string();
    let calling = ["-v", "-aet", "PACS01", "-aec", "YINGKU", "127.0.0.1", &port];
    let arguments: Vec<&str> = tls.iter().map(String::as_str).chain(calling).collect();
    let output = dcmtk("echoscu", &arguments).await;
    (output.status.success(), said(&output))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storescu_stores_over_mutual_tls_and_who_shows_no_good_certificate_is_shut_out() {
    let (authority, other) = (Authority::new(), Authority::new());
    let listener = TestListener::start_with_peers(tls(&authority, ClientCertificate::Required), &[PEER]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.dcm");
    std::fs::write(&file, ct_file("2.25.1")).unwrap();
    let address = listener.tls.unwrap();

    let port = address.port().to_string();
    let known = with(&authority.issue("PACS01"), &authority);
    let calling = ["-xe", "-aet", "PACS01", "-aec", "YINGKU", "127.0.0.1", &port, file.to_str().unwrap()];
    let arguments: Vec<&str> = known.iter().map(String::as_str).chain(calling).collect();
    let sent = dcmtk("storescu", &arguments).await;

    assert!(sent.status.success(), "{}", said(&sent));
    assert_eq!(listener.data_set("2.25.1").await.unwrap(), DataSet::ct("2.25.1").encode());
    let anonymous = ["+tla".to_owned(), "+cf".to_owned(), authority.certificate().to_str().unwrap().to_owned()];
    for (what, options) in [
        ("no certificate", anonymous.to_vec()),
        ("a stranger's certificate", with(&other.issue("PACS01"), &authority)),
        ("no TLS", Vec::new()),
    ] {
        let (opened, words) = echo(address, &options).await;
        assert!(!opened, "{what}: {words}");
    }
    let (opened, words) = echo(listener.address, &[]).await;
    assert!(opened, "the plain listener is beside it: {words}");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_certificate_on_our_side_only_any_known_caller_is_served_and_can_tell_us_from_others() {
    let (authority, other) = (Authority::new(), Authority::new());
    let listener = TestListener::start_with_peers(tls(&authority, ClientCertificate::None), &[PEER]).await;
    let anonymous = |authority: &Authority| {
        ["+tla".to_owned(), "+cf".to_owned(), authority.certificate().to_str().unwrap().to_owned()]
    };

    let (opened, words) = echo(listener.tls.unwrap(), &anonymous(&authority)).await;
    assert!(opened, "{words}");
    let (opened, words) = echo(listener.tls.unwrap(), &anonymous(&other)).await;
    assert!(!opened && words.contains("certificate"), "{words}");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_can_be_bound_to_its_certificate_in_each_way() {
    let authority = Authority::new();
    let (own, same_authority) = (authority.issue("scanner"), authority.issue("somebody"));
    let own_making = authority.self_signed("homemade");
    for (certificate, bound) in [
        (&own, "cn:scanner".to_owned()),
        (&own, "dns:localhost".to_owned()),
        (&own, format!("sha256:{}", own.fingerprint())),
        (&own_making, format!("sha256:{}", own_making.fingerprint())),
    ] {
        let peer = format!("ae_title = 'PACS01'\norganization = 'ORG-T01'\ncertificate = ['{bound}']\n");
        let listener = TestListener::start_with_peers(tls(&authority, ClientCertificate::Required), &[&peer]).await;

        let (opened, words) = echo(listener.tls.unwrap(), &with(certificate, &authority)).await;
        assert!(opened, "{bound}: {words}");
        let (opened, words) = echo(listener.address, &[]).await;
        assert!(!opened && words.contains("Calling AE Title Not Recognized"), "{bound}, in the clear: {words}");
        if !bound.starts_with("dns") {
            let (opened, words) = echo(listener.tls.unwrap(), &with(&same_authority, &authority)).await;
            assert!(!opened && words.contains("Calling AE Title Not Recognized"), "{bound}, another's: {words}");
        }
        listener.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_does_not_shake_hands_is_closed_after_artim() {
    let authority = Authority::new();
    let config = DicomConfig { artim_timeout_ms: 2000, ..tls(&authority, ClientCertificate::None) };
    let listener = TestListener::start_with_peers(config, &[PEER]).await;
    let address = listener.tls.unwrap();

    let ended = tokio::task::spawn_blocking(move || {
        // The beginning of a ClientHello, and no more.
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.read_to_end(&mut Vec::new()).is_ok()
    });

    assert!(ended.await.unwrap(), "the server closed it");
    listener.stop().await;
}

#[test]
fn a_listener_with_tls_that_cannot_be_is_told_before_the_start() {
    let faults = |more: &str| {
        let config: DicomConfig = toml::from_str(more).unwrap();
        config.faults(&[]).join("\n")
    };
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let files = format!("certificate_file = '{0}'\nkey_file = '{0}'", empty.display());
    assert!(faults("[tls]\nlisten = '127.0.0.1:0'").contains("needs certificate_file and key_file"));
    let told = faults(&format!("[tls]\nlisten = '127.0.0.1:0'\n{files}"));
    assert!(told.contains("dicom.tls.certificate_file") && told.contains("empty.pem"), "{told}");
    let bound: PeerConfig =
        toml::from_str("ae_title = 'A'\nhost = 'h'\norganization = 'O'\ncertificate = ['cn:a']\n[tls]\n").unwrap();
    let told = DicomConfig::default().faults(&[bound]).join("\n");
    assert!(told.contains("can never call") && told.contains("needs ca_file"), "{told}");
}

/// DCMTK's storescp with TLS, killed at the end.
struct StoreScp {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl StoreScp {
    async fn start(own: &Certificate, authority: &Authority) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut command = Command::new(tool("storescp", Package::Debian("dcmtk")));
        command.args(with(own, authority)).arg("-od").arg(folder.path()).args(["+xa", &port.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let scp = Self { child, port, folder };
        eventually(Duration::from_secs(120), "storescp listens", || async {
            TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        scp
    }

    fn target(&self, tls: PeerTlsConfig) -> ScuTarget {
        let title = |text| AeTitle::parse(text).unwrap();
        let mut target = ScuTarget::new("127.0.0.1", self.port, title("YINGKU"), title("STORESCP"));
        target.timeout = Duration::from_secs(120);
        target.tls = Some(tls);
        target
    }
}

impl Drop for StoreScp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_store_to_storescp_over_tls_when_its_certificate_and_ours_are_good() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (its, ours) = (authority.issue("storescp"), authority.issue("yingku"));
    let scp = StoreScp::start(&its, &authority).await;
    let proposals = [Proposal::storage(CT_IMAGE, EXPLICIT_LE)];
    let fingerprint =
        |certificate: &Certificate| Some(format!("sha256:{}", certificate.fingerprint()).try_into().unwrap());
    let good = PeerTlsConfig {
        ca_file: Some(authority.certificate().to_owned()),
        certificate_file: Some(ours.certificate.clone()),
        key_file: Some(ours.key.clone()),
        ..PeerTlsConfig::default()
    };

    for (number, tls) in [
        good.clone(),
        PeerTlsConfig { server_name: Some("localhost".to_owned()), ..good.clone() },
        PeerTlsConfig { ca_file: None, fingerprint: fingerprint(&its), ..good.clone() },
        PeerTlsConfig { fingerprint: fingerprint(&its), min_version: TlsVersion::Tls13, ..good.clone() },
    ]
    .into_iter()
    .enumerate()
    {
        let mut association = Association::connect(&scp.target(tls), &proposals).await.unwrap();
        let answer = association.store(&ct_file(&format!("2.25.{number}"))).await.unwrap();
        assert!(answer.status.is_done(), "{answer:?}");
        association.release().await.unwrap();
    }
    assert_eq!(std::fs::read_dir(scp.folder.path()).unwrap().count(), 4);

    for (what, tls) in [
        ("another authority", PeerTlsConfig { ca_file: Some(other.certificate().to_owned()), ..good.clone() }),
        ("another name", PeerTlsConfig { server_name: Some("pacs.example.test".to_owned()), ..good.clone() }),
        ("another fingerprint", PeerTlsConfig { fingerprint: fingerprint(&ours), ..good.clone() }),
        ("no certificate of ours", PeerTlsConfig { certificate_file: None, key_file: None, ..good.clone() }),
        ("nothing to know it by", PeerTlsConfig { ca_file: None, ..good.clone() }),
    ] {
        let refused = Association::connect(&scp.target(tls), &proposals).await;
        assert!(refused.is_err(), "{what}");
    }
}

/// Its entry as a destination of ours.
fn destination(scp: &StoreScp, authority: &Authority, ours: &Certificate) -> String {
    format!(
        "ae_title = 'STORESCP'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\n[tls]\nca_file = '{}'\n\
         certificate_file = '{}'\nkey_file = '{}'\n",
        scp.port,
        authority.certificate().display(),
        ours.certificate.display(),
        ours.key.display()
    )
}

/// Stores an instance in the clear.
async fn store(listener: &TestListener, uid: &str) {
    let mut association = listener.connect().await.unwrap();
    assert!(association.store(&ct_file(uid)).await.unwrap().status.is_done());
    association.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_of_c_move_is_sent_to_over_tls_and_one_with_a_strange_certificate_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ours = authority.issue("yingku");
    // It would take our certificate, but its own is not from the authority that we were told.
    for (its, sent) in [(authority.issue("storescp"), true), (other.issue("storescp"), false)] {
        let scp = StoreScp::start(&its, &authority).await;
        let peers = [PEER.to_owned(), destination(&scp, &authority, &ours)];
        let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
        let listener = TestListener::start_with_peers(DicomConfig::default(), &peers).await;
        store(&listener, "2.25.1").await;
        let study = DataSet::ct("2.25.1").encode();

        let port = listener.address.port().to_string();
        let asking = ["-v", "-S", "-aet", "PACS01", "-aec", "YINGKU", "-aem", "STORESCP", "127.0.0.1", &port];
        let keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1000"];
        let words = said(&dcmtk("movescu", &[&asking[..], &keys].concat()).await);

        let arrived: Vec<_> =
            std::fs::read_dir(scp.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(words.contains("Received Final Move Response (Success)"), sent, "{words}");
        assert_eq!(arrived.len(), usize::from(sent));
        if sent {
            let file = std::fs::read(&arrived[0]).unwrap();
            assert!(data_set_of(&file) == study, "byte for byte");
        } else {
            assert!(words.contains("Received Final Move Response ("), "{words}");
        }
        listener.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findscu_asks_over_mutual_tls() {
    let authority = Authority::new();
    let listener = TestListener::start_with_peers(tls(&authority, ClientCertificate::Required), &[PEER]).await;
    store(&listener, "2.25.1").await;
    let port = listener.tls.unwrap().port().to_string();
    let keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", "StudyInstanceUID", "-k", "SOPInstanceUID=2.25.1"];
    let asking = ["-v", "-S", "-aet", "PACS01", "-aec", "YINGKU", "127.0.0.1", &port];
    for (certificate, found) in [(authority.issue("PACS01"), true), (Authority::new().issue("PACS01"), false)] {
        let options = with(&certificate, &authority);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();

        let output = dcmtk("findscu", &[&options[..], &asking, &keys].concat()).await;

        let words = said(&output);
        assert_eq!(output.status.success(), found, "{words}");
        assert_eq!(words.contains("[2.25.1"), found, "{words}");
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_stores_asks_and_is_sent_to_over_tls_both_ways() {
    let authority = Authority::new();
    let (its, ours) = (authority.issue("orthanc"), authority.issue("us"));
    let port = free_port();
    let orthanc = Orthanc::start_over_tls("ORTHANC", port, &its, &authority).await;
    let mut config = tls(&authority, ClientCertificate::Required);
    config.tls.listen = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    let peer = format!(
        "ae_title = 'ORTHANC'\nhost = '127.0.0.1'\nport = {}\norganization = 'ORG-T01'\ncertificate = ['cn:orthanc']\n\
         [tls]\nca_file = '{}'\ncertificate_file = '{}'\nkey_file = '{}'\n",
        orthanc.dicom(),
        authority.certificate().display(),
        ours.certificate.display(),
        ours.key.display()
    );
    let listener = TestListener::start_with_peers(config, &[PEER, &peer]).await;
    let instance = small_instance(1, 4096);
    let uid = &instance.sop_instance_uid;

    orthanc.post("/modalities/yingku/echo", "").await;
    let id = orthanc.post("/instances", instance.bytes()).await["ID"].as_str().unwrap().to_owned();
    orthanc.post("/modalities/yingku/store", json!([id]).to_string()).await;
    assert!(listener.data_set(uid).await.unwrap() == instance.data_set, "it came as it was");
    orthanc.delete(&format!("/instances/{id}")).await;
    assert_eq!(orthanc.count(), 0);
    let query = json!({ "Level": "Study", "Query": { "StudyInstanceUID": "2.25.7001" } }).to_string();
    let query = orthanc.post("/modalities/yingku/query", query).await;
    orthanc.post(&format!("/queries/{}/retrieve", query["ID"].as_str().unwrap()), "ORTHANC").await;

    assert!(data_set_of(&orthanc.file(uid).await) == instance.data_set, "and went back as it was");
    listener.stop().await;
}

async fn call(listener: &TestListener, wanted: Value) -> Value {
    let port = listener.address.port().to_string();
    let told = tokio::task::spawn_blocking(move || {
        python_script(include_str!("security_peer.py"), &[&port, &wanted.to_string()])
    });
    serde_json::from_str(told.await.unwrap().trim()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_a_passcode_must_show_it_and_gets_its_response() {
    let peer = format!("{PEER}user = 'ct1'\npasscode = 'synthetic-code'\n");
    let listener = TestListener::start_with_peers(DicomConfig::default(), &[&peer]).await;

    let right = call(&listener, json!({ "user": "ct1", "passcode": "synthetic-code" })).await;

    assert_eq!((&right["open"], &right["identity"]), (&json!(true), &json!(true)), "{right}");
    for wrong in [
        json!({}),
        json!({ "user": "ct1" }),
        json!({ "user": "ct1", "passcode": "synthetic-codf" }),
        json!({ "user": "ct2", "passcode": "synthetic-code" }),
    ] {
        let refused = call(&listener, wrong.clone()).await;
        assert_eq!(refused["rejected"], json!(true), "{wrong}: {refused}");
        // Permanent, by the service user, no reason given.
        assert_eq!(refused["reason"], json!([1, 1, 1]), "{wrong}");
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_needs_no_identity_may_show_one_and_other_items_are_answered_or_borne() {
    let listener = TestListener::start_with_peers(DicomConfig::default(), &[PEER]).await;

    let told = call(&listener, json!({ "user": "anybody", "passcode": "anything" })).await;

    assert_eq!((&told["open"], &told["identity"]), (&json!(true), &json!(true)), "{told}");
    assert_eq!(told["operations"], json!([1, 1]), "one operation at a time");
    assert_eq!((&told["contexts"]["store"], &told["echo"]), (&json!(0), &json!(0)), "{told}");
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contexts_of_services_that_a_peer_may_not_use_are_refused() {
    for (services, accepted) in [
        ("['echo', 'store']", &["echo", "store"][..]),
        ("['find', 'move']", &["find", "move"]),
        ("['commit']", &["commit"]),
        ("[]", &[]),
    ] {
        let peer = format!("{PEER}services = {services}\n");
        let listener = TestListener::start_with_peers(DicomConfig::default(), &[&peer]).await;

        let told = call(&listener, json!({})).await;

        for (service, result) in told["contexts"].as_object().unwrap() {
            // 1 is user-rejection (PS3.8 table 9-18).
            let expected = if accepted.contains(&service.as_str()) { 0 } else { 1 };
            assert_eq!(*result, json!(expected), "{services}: {service} in {told}");
        }
        listener.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_may_only_get_has_contexts_to_receive_and_cannot_store_over_them() {
    let peer = format!("{PEER}services = ['get']\n");
    let listener = TestListener::start_with_peers(DicomConfig::default(), &[&peer]).await;

    let told = call(&listener, json!({ "role": true, "store": true })).await;

    assert_eq!((&told["contexts"]["get"], &told["contexts"]["store"]), (&json!(0), &json!(0)), "{told}");
    assert_eq!(told["stored"], json!(0x0124), "not authorised: {told}");
    assert!(listener.rows("SELECT id FROM instance").await.is_empty());
    let without_role = call(&listener, json!({})).await;
    assert_eq!(without_role["contexts"]["store"], json!(1), "{without_role}");
    listener.stop().await;
}
