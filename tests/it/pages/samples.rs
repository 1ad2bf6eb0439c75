//! The integrators' samples in `docs/interfaces/samples` sign as we do, where they can be run here.

use std::path::PathBuf;
use std::process::Command;

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
    assert_eq!(printed(command.arg(sample("sign-link-postgresql.sql"))), [TOKEN, SIGN]);
}
