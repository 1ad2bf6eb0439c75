//! HTTPS: curl with certificates, callers that are known by them, and a certificate that is renewed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use yingku::tls::{ClientCertificate, TlsConfig, TlsVersion};

use crate::harness::{Authority, Certificate, Package, TestServer, count_rows, eventually, tool};

const KEY: &str = "synthetic-key-of-a-reader";

fn tls(authority: &Authority, own: &Certificate) -> TlsConfig {
    TlsConfig {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        certificate_file: Some(own.certificate.clone()),
        key_file: Some(own.key.clone()),
        client_ca_file: Some(authority.certificate().to_owned()),
        client_certificate: ClientCertificate::Optional,
        min_version: TlsVersion::Tls12,
        reload_ms: 1,
    }
}

/// Status of the answer, or nothing when there is none.
async fn curl(url: String, authority: &Path, shown: Option<&Certificate>, more: &[&str]) -> Option<u16> {
    let mut command = Command::new(tool("curl", Package::Debian("curl")));
    command.args([
        "--silent",
        "--noproxy",
        "*",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        "--max-time",
        "20",
    ]);
    command.arg("--cacert").arg(authority).args(more).arg(url);
    if let Some(shown) = shown {
        command.arg("--cert").arg(&shown.certificate).arg("--key").arg(&shown.key);
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8(output.stdout).unwrap().parse().ok().filter(|status| output.status.success() && *status > 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_known_by_its_certificate_and_by_no_other() {
    let (authority, others) = (Authority::new(), Authority::new());
    let own = authority.issue("server");
    let (reader, stranger) = (authority.issue("reader"), authority.issue("stranger"));
    let (forged, pinned) = (others.issue("reader"), others.self_signed("pinned"));
    let server = TestServer::start_with(|config| {
        config.http.tls = tls(&authority, &own);
        let client = |id: &str, certificate: &str, more: &str| {
            let text = format!(
                "id = '{id}'\ncertificate = ['{certificate}']\ndicomweb = 'read'\napi = 'query'\norganizations = ['ORG-T01']\n{more}"
            );
            toml::from_str(&text).unwrap()
        };
        config.client.push(client("a", "cn:reader", &format!("key = '{KEY}'")));
        config.client.push(client("b", &format!("sha256:{}", pinned.fingerprint()), ""));
        assert_eq!(config.faults(), []);
    })
    .await;
    let https = format!("https://localhost:{}", server.https().unwrap().port());
    let (studies, ca) = (format!("{https}/dicom-web/studies"), authority.certificate());
    let (right, wrong) = (format!("Authorization: Bearer {KEY}"), "Authorization: Bearer synthetic-key-of-nobody");

    assert_eq!(curl(format!("{https}/livez"), ca, None, &[]).await, Some(200));
    assert_eq!(curl(format!("{https}/livez"), others.certificate(), None, &[]).await, None, "not its authority");
    assert_eq!(curl(format!("{https}/livez"), ca, None, &["--tls-max", "1.1"]).await, None, "too old");
    assert_eq!(curl(studies.clone(), ca, Some(&reader), &[]).await, Some(204));
    assert_eq!(curl(studies.clone(), ca, Some(&reader), &["--tls-max", "1.2"]).await, Some(204));
    assert_eq!(curl(studies.clone(), ca, Some(&pinned), &[]).await, Some(204));
    assert_eq!(curl(studies.clone(), ca, Some(&reader), &["--header", &right]).await, Some(204));
    assert_eq!(curl(studies.clone(), ca, Some(&reader), &["--header", wrong]).await, Some(401));
    assert_eq!(curl(studies.clone(), ca, Some(&stranger), &[]).await, Some(401));
    assert_eq!(curl(studies.clone(), ca, Some(&stranger), &["--header", &right]).await, Some(401));
    assert_eq!(curl(studies.clone(), ca, None, &["--header", &right]).await, Some(401), "the key alone is not enough");
    assert_eq!(curl(studies.clone(), ca, Some(&forged), &[]).await, None, "the same name, from another authority");
    let reports = format!("{https}/api/v1/reports?patient_id=P1");
    assert_eq!(curl(reports.clone(), ca, None, &["--header", &right]).await, Some(401), "nor for reports");
    let with_certificate = curl(reports, ca, Some(&reader), &[]).await;
    assert!(with_certificate.is_some_and(|status| status != 401), "{with_certificate:?}");
    let plain = format!("http://{}/dicom-web/studies", server.http());
    assert_eq!(curl(plain, ca, Some(&reader), &[]).await, Some(401), "no certificate is shown in the clear");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_r28_a_sender_registers_with_its_certificate_and_a_proxy_lends_nobody_its_own() {
    let authority = Authority::new();
    let (own, ris) = (authority.issue("server"), authority.issue("ris"));
    let server = TestServer::start_with(|config| {
        config.http.tls = tls(&authority, &own);
        config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        let text = "name = 'ris2'\ncertificate = ['dns:localhost', 'cn:ris']\norganizations = ['ORG-T01']";
        config.sender = vec![toml::from_str(text).unwrap()];
        assert_eq!(config.faults(), []);
    })
    .await;
    let body = "<root><exammaster><item org_code='ORG-T01' report_form_no='R1' patient_id='P1' event_type='1' \
                event_no='E1' pacs_id='A1' state='3'/></exammaster></root>";
    let path = format!("localhost:{}/sehr.service.auto/IAutoReport.asmx", server.https().unwrap().port());
    let post = ["--header", "Content-Type: text/xml", "--data", body];
    let registered = async || count_rows(&server.database(), "SELECT COUNT(*) AS n FROM exam_report").await;
    let forwarded = [&post[..], &["--header", "X-Forwarded-For: 192.0.2.7"]].concat();

    curl(format!("https://{path}"), authority.certificate(), None, &post).await;
    assert_eq!(registered().await, 0, "no certificate");
    curl(format!("https://{path}"), authority.certificate(), Some(&ris), &forwarded).await;
    assert_eq!(registered().await, 0, "the certificate is the proxy's, not the caller's");
    assert_eq!(curl(format!("https://{path}"), authority.certificate(), Some(&ris), &post).await, Some(200));
    assert_eq!(registered().await, 1);
    server.stop().await;
}

/// The certificate that the server shows, as OpenSSL prints its fingerprint.
async fn fingerprint(address: SocketAddr) -> Option<String> {
    let openssl = tool("openssl", Package::Debian("openssl"));
    let output = tokio::task::spawn_blocking(move || {
        let mut client = Command::new(&openssl);
        client.args(["s_client", "-connect", &address.to_string()]);
        let shown = client.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), shown.stdout).unwrap();
        Command::new(&openssl)
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
            .arg(file.path())
            .output()
            .unwrap()
    });
    let text = String::from_utf8(output.await.unwrap().stdout).unwrap();
    text.trim().rsplit('=').next().filter(|digits| digits.contains(':')).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let authority = Authority::new();
    let (own, renewed) = (authority.issue("server"), authority.issue("renewed"));
    let server = TestServer::start_with(|config| config.http.tls = tls(&authority, &own)).await;
    let address = server.https().unwrap();
    let before = own.fingerprint();
    assert_eq!(fingerprint(address).await, Some(before));

    std::fs::copy(&renewed.key, &own.key).unwrap();
    std::fs::copy(&renewed.certificate, &own.certificate).unwrap();
    let after = renewed.fingerprint();
    eventually(Duration::from_secs(120), "the renewed certificate is shown", || {
        let after = after.clone();
        async move { fingerprint(address).await.filter(|shown| *shown == after) }
    })
    .await;

    std::fs::write(&own.key, "no key").unwrap();
    let url = format!("https://localhost:{}/livez", address.port());
    assert_eq!(curl(url.clone(), authority.certificate(), None, &[]).await, Some(200));
    assert_eq!(fingerprint(address).await, Some(after), "the one from before stays in use");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_are_told_to_stay_with_https_and_metrics_are_for_watchers_there_too() {
    let authority = Authority::new();
    let own = authority.issue("server");
    let folder = tempfile::tempdir().unwrap();
    for (public_url, hsts_seconds, told) in [
        ("https://localhost", 86_400, Some("strict-transport-security: max-age=86400")),
        ("https://localhost", 0, None),
        ("http://localhost", 86_400, None),
    ] {
        let server = TestServer::start_with(|config| {
            config.http.tls = tls(&authority, &own);
            config.http.public_url = public_url.to_owned();
            config.http.hsts_seconds = hsts_seconds;
            config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        let https = format!("https://localhost:{}", server.https().unwrap().port());
        let plain = format!("http://{}", server.http());
        let (ca, file) = (authority.certificate(), folder.path().join("headers"));
        let dump = ["--dump-header", file.to_str().unwrap()];
        let headers = || std::fs::read_to_string(&file).unwrap().to_ascii_lowercase();

        assert_eq!(curl(format!("{https}/livez"), ca, None, &dump).await, Some(200));
        let found = headers();
        let line = found.lines().map(str::trim).find(|line| line.starts_with("strict-transport-security"));
        assert_eq!(line, told, "{public_url}");
        assert_eq!(curl(format!("{plain}/livez"), ca, None, &dump).await, Some(200));
        assert!(!headers().contains("strict-transport-security"), "never in the clear");
        assert_eq!(curl(format!("{https}/metrics"), ca, None, &[]).await, Some(200));
        let from = ["--header", "X-Forwarded-For: 192.0.2.7"];
        assert_eq!(curl(format!("{https}/metrics"), ca, None, &from).await, Some(403));
        server.stop().await;
    }
}
