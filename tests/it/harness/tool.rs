//! Programs that tests use, and what to say when one is missing.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Where a missing program comes from.
#[derive(Debug, Clone, Copy)]
pub enum Package {
    /// A Debian package.
    Debian(&'static str),
}

/// The path of a program; a missing one fails the test with the command that installs it.
pub fn tool(name: &str, package: Package) -> PathBuf {
    let found = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).map(|folder| folder.join(name)).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .find(|file| file.is_file());
    let Package::Debian(package) = package;
    found.unwrap_or_else(|| panic!("{name} is missing; install it with: apt-get install -y {package}"))
}

/// Runs a program to its end; anything but success fails the test and shows what it said.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
