//! Peers written in Python (pydicom, pynetdicom, zeep, moto) live in a virtual environment below `target/`.

use std::path::PathBuf;
use std::process::Command;

use super::run;

/// The interpreter of the tests' virtual environment.
pub fn python() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_BIN_EXE_yingku")).ancestors().nth(2).unwrap().to_owned();
    let python = target.join("venv/bin/python");
    assert!(
        python.is_file(),
        "{} is missing; make it with: make venv (python3 -m venv target/venv && target/venv/bin/pip install \
         -r tests/requirements.txt)",
        python.display()
    );
    python
}

/// Runs a Python program to its end and gives what it printed.
pub fn python_script(script: &str, arguments: &[&str]) -> String {
    let output = run(Command::new(python()).arg("-c").arg(script).args(arguments));
    String::from_utf8(output.stdout).unwrap()
}
