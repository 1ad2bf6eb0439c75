//! The integrators' samples in `docs/interfaces/samples` sign as we do, where they can be run here.

use std::path::PathBuf;
use std::process::Command;

use yingku::domain::page::Page;
use yingku::domain::token::sign_by_hmac;

use crate::harness::{Package, TestDatabase, run, tool};

const TOKEN: &str = "EDC12F2114C9181950D3F51E3F216C52";
const SIGN: &str = "724acc8b715865a865f0b39be3f43bd6abd3f74ba72b2a87563029b38bc06ea1";

fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/interfaces/samples").join(name)
}

fn printed(command: &mut Command) -> Vec<String> {
    let output = run(command);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_javascript_sample_makes_the_vectors() {
    let node = tool("node", Package::Debian("nodejs"));
    assert_eq!(printed(Command::new(node).arg(sample("sign-link.mjs"))), [TOKEN, SIGN]);
}

#[test]
fn the_java_sample_makes_the_vectors() {
    tool("javac", Package::Debian("default-jdk-headless"));
    let java = tool("java", Package::Debian("default-jdk-headless"));
    assert_eq!(printed(Command::new(java).arg(sample("SignLink.java"))), [TOKEN, SIGN]);
}

#[test]
fn the_c_sharp_sample_makes_the_vectors() {
    let compiler = tool("mcs", Package::Debian("mono-mcs"));
    let mono = tool("mono", Package::Debian("mono-runtime"));
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("sign-link.exe");
    // System.Core is a package of its own: libmono-system-core4.0-cil.
    run(Command::new(compiler)
        .arg("-r:System.Core")
        .arg(format!("-out:{}", program.display()))
        .arg(sample("SignLink.cs")));
    assert_eq!(printed(Command::new(mono).arg(program)), [TOKEN, SIGN]);
}

#[test]
fn the_postgresql_sample_makes_the_vectors() {
    let psql = tool("psql", Package::Debian("postgresql-client"));
    let database = TestDatabase::postgres();
    let mut command = Command::new(psql);
    command.args(["-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &database.config().url, "-f"]);
    command.arg(sample("sign-link-postgresql.sql"));
    // The whole address, in the same session: an empty value, and one that needs percent signs.
    command.args([
        "-c",
        "select pg_temp.yingku_link('https://archive.example.test', 'ClinicExam', \
         array['CustomerGuid', 'UserName', 'MedRecNO', 'AccessionNumber'], \
         array['11111111-2222-4333-8444-555555555555', '测试 医生+甲', '', 'A0001'], 'unit-test-secret-1')",
    ]);
    let printed = printed(&mut command);
    assert_eq!(printed[..2], [TOKEN, SIGN]);
    assert_signed(&printed[2], "");
}

#[test]
fn the_delphi_sample_makes_the_vectors_and_a_whole_link() {
    let compiler = tool("fpc", Package::Debian("fp-compiler fp-units-base"));
    let folder = tempfile::tempdir().unwrap();
    run(Command::new(compiler)
        .arg(format!("-FE{}", folder.path().display()))
        .arg(format!("-FU{}", folder.path().display()))
        .arg(sample("SignLinkVectors.dpr")));
    let printed = printed(&mut Command::new(folder.path().join("SignLinkVectors")));
    assert_eq!(printed[..2], [TOKEN, SIGN]);
    assert_signed(&printed[2], "&MedRecNO=");
}

/// A whole link with an empty value, which may be left out, and one that needs percent signs; its sign must be ours.
fn assert_signed(link: &str, empty: &str) {
    let (link, sign) = link.split_once("&sign=").unwrap();
    let (query, timestamp) = link.split_once("&Timestamp=").unwrap();
    assert_eq!(
        query,
        format!(
            "https://archive.example.test/IDCAS/Interface/ClinicExam?CustomerGuid=11111111-2222-4333-8444-555555555555\
             &UserName=%E6%B5%8B%E8%AF%95%20%E5%8C%BB%E7%94%9F%2B%E7%94%B2{empty}&AccessionNumber=A0001"
        )
    );
    let parameters = [
        ("CustomerGuid", "11111111-2222-4333-8444-555555555555"),
        ("UserName", "测试 医生+甲"),
        ("AccessionNumber", "A0001"),
        ("Timestamp", timestamp),
    ];
    let ours = sign_by_hmac(Page::ClinicExam, &parameters, "unit-test-secret-1");
    assert_eq!(ours.split_once("sign=").unwrap().1, sign);
}
