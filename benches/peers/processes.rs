//! Programs that benches compare with: where they are, their folders and ports.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// DCMTK answers in two segments; with Nagle's algorithm each answer then waits for a delayed acknowledgement.
pub fn without_delay(mut command: Command) -> Command {
    command.env("TCP_NODELAY", "1");
    command
}

/// A program of the path, or the command that installs it.
pub fn installed(program: &str, package: &str) -> Command {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    Command::new(found.unwrap_or_else(|| panic!("{program} is missing; install it with: apt-get install -y {package}")))
}

/// An empty folder.
pub fn fresh(folder: &Path) -> PathBuf {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).expect("the folder can be made");
    folder.canonicalize().expect("it is there")
}

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
