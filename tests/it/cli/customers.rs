//! `yingku customer`, and links of customers that it keeps.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{CONFIGURATION, folder, text, yingku};
use crate::harness::run;

const KEY: &str = "\n[pages]\ncustomer_key = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"\n";

fn with_key() -> tempfile::TempDir {
    let folder = folder();
    let path = folder.path().join(CONFIGURATION);
    let configuration = std::fs::read_to_string(&path).unwrap();
    // Sections come before lists of tables.
    std::fs::write(&path, KEY.to_owned() + &configuration).unwrap();
    folder
}

fn said(command: &mut Command) -> String {
    text(&run(command))
}

fn value<'t>(printed: &'t str, name: &str) -> &'t str {
    let line = printed.lines().find(|line| line.starts_with(name)).expect("the line is printed");
    line.split_whitespace().nth(1).unwrap()
}

#[test]
fn a_customer_is_added_listed_given_a_new_secret_and_shut_out() {
    let folder = with_key();
    let run_it = |arguments: &[&str]| said(&mut yingku(folder.path(), arguments));
    let added = run_it(&["customer", "add", "--organization", "ORG-T01", "--name", "示例系统", "--scope", "region"]);
    let (guid, secret) = (value(&added, "guid").to_owned(), value(&added, "secret").to_owned());
    assert_eq!((guid.len(), secret.len()), (36, 32));

    let listed = run_it(&["customer", "list"]);
    assert!(listed.contains(&guid) && listed.contains("示例系统") && listed.contains("configuration"), "{listed}");
    assert!(!listed.contains(&secret), "a secret is shown once");
    let link = run_it(&["sign-link", "--customer", &guid, "AccessionNumber=A0001"]);
    assert!(link.contains("token=") && !link.contains("sign="), "{link}");
    let link = run_it(&["sign-link", "--customer", &guid, "--hmac", "AccessionNumber=A0001"]);
    assert!(link.contains("sign=") && !link.contains("token="), "{link}");

    let rotated = run_it(&["customer", "rotate", &guid]);
    assert_ne!(value(&rotated, "secret"), secret);
    run_it(&["customer", "set", &guid, "--frame-ancestors", "https://his.example.test", "--signature", "hmac"]);
    run_it(&["customer", "retire", &guid]);
    run_it(&["customer", "disable", &guid]);
    assert!(run_it(&["customer", "list"]).contains("[disabled "));
    let refused = yingku(folder.path(), &["sign-link", "--customer", &guid, "AccessionNumber=A0001"]).output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("no such customer"));
}

#[test]
fn what_the_configuration_would_refuse_a_customer_is_refused_too() {
    let folder = with_key();
    for (arguments, words) in [
        (vec!["customer", "add"], "organization is missing"),
        (vec!["customer", "add", "--organization", "ORG-X"], "ORG-X"),
        (vec!["customer", "add", "--organization", "ORG-T01", "--guid", "x"], "GUID"),
        (
            vec!["customer", "add", "--organization", "ORG-T01", "--guid", "11111111-2222-4333-8444-555555555555"],
            "with this GUID",
        ),
        (vec!["customer", "add", "--organization", "ORG-T01", "--frame-ancestors", "https://a;b"], "no site"),
        (vec!["customer", "rotate", "99999999-2222-4333-8444-555555555555"], "not"),
        (vec!["customer", "set", "99999999-2222-4333-8444-555555555555"], "no such customer"),
    ] {
        let output = yingku(folder.path(), &arguments).output().unwrap();
        assert!(!output.status.success() && text(&output).contains(words), "{arguments:?}: {}", text(&output));
    }
    let without_key = super::folder();
    let output = yingku(without_key.path(), &["customer", "add", "--organization", "ORG-T01"]).output().unwrap();
    assert!(!output.status.success() && text(&output).contains("openssl rand -hex 32"), "{}", text(&output));
}

#[test]
fn a_password_is_read_from_standard_input_and_never_shown() {
    let folder = folder();
    let mut command = yingku(folder.path(), &["customer", "hash-password"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("示例口令\n".as_bytes()).unwrap();
    let printed = text(&child.wait_with_output().unwrap());
    assert!(printed.starts_with("pbkdf2-sha256$") && !printed.contains("示例"), "{printed}");
}
