//! A sender that is not of our making: pynetdicom, which can send a file's data set as it is.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use crate::harness::python;

/// How one file fared.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The response's status in hex, or `lost`.
    pub status: String,
    /// (0002,0003)
    pub sop_instance_uid: String,
    /// What was sent.
    pub path: PathBuf,
}

impl Answer {
    /// Whether the archive has promised to keep it.
    pub fn is_acknowledged(&self) -> bool {
        self.status == "0000"
    }
}

/// A sender at work.
#[derive(Debug)]
pub struct Sender {
    child: Child,
}

impl Sender {
    /// Begins to send; each answer goes to `answers` as soon as it is there.
    pub fn start(to: SocketAddr, paths: &[PathBuf], answers: mpsc::Sender<Answer>) -> Self {
        let mut child = Command::new(python())
            .arg("-c")
            .arg(include_str!("send_raw.py"))
            .args([&to.port().to_string(), "YINGKU", "PACS01"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let list = paths.iter().map(|path| format!("{}\n", path.display())).collect::<String>();
        child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut words = line.splitn(3, ' ').map(str::to_owned);
                let (Some(status), Some(sop_instance_uid), Some(path)) = (words.next(), words.next(), words.next())
                else {
                    continue;
                };
                // Nobody listens any more: the test has ended.
                let _ = answers.send(Answer { status, sop_instance_uid, path: PathBuf::from(path) });
            }
        });
        Self { child }
    }

    /// Waits until it has tried all its files.
    pub fn wait(mut self) {
        self.child.wait().unwrap();
    }
}

/// Sends files one after another and gives all answers.
pub fn send_all(to: SocketAddr, paths: &[PathBuf]) -> Vec<Answer> {
    let (answers, answered) = mpsc::channel();
    Sender::start(to, paths, answers).wait();
    answered.iter().collect()
}

/// All DICOM files below a folder, by content.
pub fn dicom_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(dicom_files(&path));
        } else if is_part10(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_part10(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(132).read_to_end(&mut head));
    read.is_ok() && head.get(128..132) == Some(b"DICM")
}
