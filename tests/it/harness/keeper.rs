//! A child process that ends when this process ends, also when this process is killed.
//!
//! The script runs in a shell whose standard input is a pipe that we hold. When we are gone the pipe closes, the
//! shell's `read` returns, and the script's own ending runs.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs `start` (which must leave a child in `$child`) and stops that child when this process ends.
///
/// `$1`, `$2`, … in the script are `arguments`; the script's folder is removed at the end.
pub fn keep(folder: &Path, start: &str, arguments: &[&str]) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let script = format!(
        "cd \"$0\" || exit 1\n{start}\nread -r _\nkill -INT \"$child\" 2>/dev/null\nwait \"$child\"\ncd /\nrm -rf \"$0\"\n"
    );
    Command::new("/bin/sh")
        .arg("-c")
        .arg(script)
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
