//! The operator's commands, run as programs.

mod audit;
mod conflicts;
mod customers;
mod delete;
mod echo;
mod import;
mod inbox;
mod jobs;
mod people;
mod qr;
mod recognition;
mod schema;
mod unreadable;

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::dataset::{CT_IMAGE, DataSet, EXPLICIT_LE};
use crate::harness::{base_toml, run};

const CONFIGURATION: &str = "yingku.toml";

/// A folder with a configuration that has no fault.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let database = format!("sqlite://{}/yingku.db", folder.path().display());
    let objects = format!("file://{}/objects", folder.path().display());
    std::fs::write(folder.path().join(CONFIGURATION), base_toml(any, any, &database, &objects)).unwrap();
    folder
}

fn yingku(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yingku"));
    command.args(arguments).current_dir(folder).env("YINGKU_CONFIG", CONFIGURATION);
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn part10(sop_instance_uid: &str) -> Vec<u8> {
    let mut file = yingku::dicom::part10::meta(CT_IMAGE, sop_instance_uid, EXPLICIT_LE, "");
    file.extend(DataSet::ct(sop_instance_uid).encode());
    file
}

#[test]
fn the_reference_of_the_configuration_is_the_one_in_the_documentation() {
    let printed = run(&mut yingku(folder().path(), &["check-config", "--reference"]));
    let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    assert!(
        String::from_utf8(printed.stdout).unwrap() == kept,
        "write it anew: yingku check-config --reference > docs/configuration.md"
    );
}

#[test]
fn every_fault_is_told_at_once_with_its_key() {
    let folder = folder();
    let faulty = r#"
        [http]
        listen = "0.0.0.0:0"
        [dicom]
        listen = "0.0.0.0:0"
        [database]
        url = "mysql://here"
        [[customer]]
        guid = "no-guid"
        secret = "key"
        organization = "ORG-X"
    "#;
    std::fs::write(folder.path().join(CONFIGURATION), faulty).unwrap();

    let checked = yingku(folder.path(), &["check-config"]).output().unwrap();
    let served = yingku(folder.path(), &["serve"]).output().unwrap();

    assert!(!checked.status.success() && !served.status.success());
    for words in ["database.url", "customer.0", "ORG-X", "dicom.listen", "GUID", "shorter than 16"] {
        assert!(text(&checked).contains(words), "{words} is not told in:\n{}", text(&checked));
        assert!(text(&served).contains(words), "{words} is not told in:\n{}", text(&served));
    }
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    let folder = folder();
    std::fs::write(folder.path().join(CONFIGURATION), "[http]\nlisten_on = \"127.0.0.1:1\"\n").unwrap();
    let checked = yingku(folder.path(), &["check-config"]).output().unwrap();
    assert!(!checked.status.success());
    assert!(text(&checked).contains("listen_on"), "{}", text(&checked));
}

#[test]
fn a_variable_of_the_environment_wins_over_the_file_and_secrets_come_from_files() {
    let folder = folder();
    std::fs::write(folder.path().join("secret"), "too short\n").unwrap();
    let mut command = yingku(folder.path(), &["check-config"]);
    command.env("YINGKU__DICOM__AE_TITLE", "OTHER").env("YINGKU__CUSTOMER__0__SECRET_FILE", "secret");
    let checked = command.output().unwrap();
    assert!(text(&checked).contains("shorter than 16"), "{}", text(&checked));

    std::fs::write(folder.path().join("secret"), "a secret that is long enough\n").unwrap();
    let checked = command.output().unwrap();
    assert!(checked.status.success() && text(&checked).contains("as OTHER"), "{}", text(&checked));
}

#[test]
fn d_x7_sample_values_and_short_ones_are_refused_as_secrets_and_not_told() {
    let folder = folder();
    for (variable, key) in [
        ("YINGKU__CUSTOMER__0__SECRET", "customer.0"),
        ("YINGKU__CLIENT__0__KEY", "client.0.key"),
        ("YINGKU__SENDER__0__APP_ID", "sender.0.app_id"),
    ] {
        let short = "yz".repeat(7);
        for (secret, why) in [
            ("unit-test-secret-1", "is a sample value"),
            ("ChangeMe-ChangeMe-1", "is a sample value"),
            ("0123456789abcdef0123", "is a sample value"),
            ("aaaaaaaaaaaaaaaaaaaa", "is a sample value"),
            (short.as_str(), "is shorter than 16 characters"),
        ] {
            for arguments in [["check-config"], ["serve"]] {
                let told = yingku(folder.path(), &arguments).env(variable, secret).output().unwrap();
                assert!(!told.status.success(), "{variable} {arguments:?}");
                assert!(text(&told).contains(key) && text(&told).contains(why), "{variable}: {}", text(&told));
                assert!(!text(&told).contains(secret), "{variable} is told: {}", text(&told));
            }
        }
    }
}

#[test]
fn migrate_makes_the_schema_and_can_be_repeated() {
    let folder = folder();
    for _ in 0..2 {
        let done = run(&mut yingku(folder.path(), &["migrate"]));
        assert!(text(&done).contains("up to date"));
    }
    assert!(folder.path().join("yingku.db").is_file());
}

#[test]
fn sign_link_prints_an_address_whose_token_is_right() {
    let folder = folder();
    let signed = run(&mut yingku(folder.path(), &["sign-link", "AccessionNumber=A 1+B/2"]));
    let address = url::Url::parse(text(&signed).trim()).unwrap();
    assert_eq!(address.path(), "/IDCAS/Interface/ClinicExam");
    let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    let [signed @ .., (last, token)] = pairs.as_slice() else { panic!("{address}") };
    assert_eq!(last, "token");
    assert!(signed.contains(&("AccessionNumber".to_owned(), "A 1+B/2".to_owned())));
    let values: Vec<(&str, &str)> = signed.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let expected = yingku::domain::token::sign(&values, "only-for-these-tests-7Qm2");
    assert_eq!(*token, expected.rsplit_once('=').unwrap().1);
}

#[test]
fn sign_link_refuses_what_the_page_would_not_use_and_takes_a_time() {
    let folder = folder();
    for (arguments, words) in [
        (&["--page", "Nothing", "AccessionNumber=A1"][..], "RelatedExamList"),
        (&["Sex=M"][..], "no parameter of ClinicExam"),
        (&["UserUID=a", "customerguid=b"][..], "twice"),
    ] {
        let refused = yingku(folder.path(), &[&["sign-link"], arguments].concat()).output().unwrap();
        assert!(!refused.status.success() && text(&refused).contains(words), "{}", text(&refused));
    }
    let signed = run(&mut yingku(folder.path(), &["sign-link", "AccessionNumber=A1", "Timestamp=1700000000"]));
    assert_eq!(text(&signed).matches("Timestamp=").count(), 1, "{}", text(&signed));
    assert!(text(&signed).contains("Timestamp=1700000000"), "{}", text(&signed));
}

#[test]
fn a_secret_file_that_cannot_be_read_is_told_with_its_key() {
    let folder = folder();
    for (variable, key) in [
        ("YINGKU__CUSTOMER__0__SECRET_FILE", "customer.0.secret_file: /nonexist: No such file"),
        ("YINGKU__DATABASE__PASSWORD_FILE", "database.password_file: /nonexist: No such file"),
    ] {
        let checked = yingku(folder.path(), &["check-config"]).env(variable, "/nonexist").output().unwrap();
        assert!(!checked.status.success() && text(&checked).contains(key), "{}", text(&checked));
    }
}

#[test]
fn import_takes_folders_can_be_repeated_and_tells_what_it_did() {
    let folder = folder();
    let inbox = folder.path().join("inbox/deep");
    std::fs::create_dir_all(&inbox).unwrap();
    std::fs::write(inbox.join("one.dcm"), part10("2.25.1")).unwrap();
    std::fs::write(inbox.join("two"), part10("2.25.2")).unwrap();
    std::fs::write(inbox.join("copy of two"), part10("2.25.2")).unwrap();
    std::fs::write(inbox.join("notes.txt"), "no image").unwrap();
    // Cut inside its meta information, and cut inside its pixels: neither may take the place of the whole file.
    let cut = part10("2.25.3");
    std::fs::write(inbox.join("cut.dcm"), &cut[..300]).unwrap();
    std::fs::write(inbox.join("shorter.dcm"), &cut[..cut.len() - 2]).unwrap();

    let first = yingku(folder.path(), &["import", "inbox"]).output().unwrap();
    assert!(!first.status.success(), "one file cannot be kept: {}", text(&first));
    assert!(text(&first).contains("2 stored, 1 already there"), "{}", text(&first));
    assert!(text(&first).contains("1 not DICOM, 2 failed"), "{}", text(&first));
    assert!(text(&first).contains("cut.dcm"), "{}", text(&first));

    std::fs::write(inbox.join("cut.dcm"), cut).unwrap();
    std::fs::remove_file(inbox.join("shorter.dcm")).unwrap();
    let second = run(&mut yingku(folder.path(), &["import", "inbox"]));
    assert!(text(&second).contains("1 stored, 3 already there"), "{}", text(&second));

    let verified = run(&mut yingku(folder.path(), &["verify"]));
    assert!(text(&verified).contains("3 object(s)") && text(&verified).contains("0 fault(s), 0 leftover(s)"));
}

#[test]
fn verify_finds_what_is_missing_and_fails() {
    let folder = folder();
    std::fs::write(folder.path().join("one.dcm"), part10("2.25.1")).unwrap();
    run(&mut yingku(folder.path(), &["import", "one.dcm"]));
    std::fs::remove_dir_all(folder.path().join("objects/segment")).unwrap();
    let verified = yingku(folder.path(), &["verify"]).output().unwrap();
    assert!(!verified.status.success());
    assert!(text(&verified).contains("object is missing"), "{}", text(&verified));
}
