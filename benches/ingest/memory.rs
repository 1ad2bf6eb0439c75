//! Resident memory of a server with all its child processes, from /proc.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(50);

/// Watches one process and its descendants.
pub struct Memory {
    root: u32,
    peak_kb: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Memory {
    /// Begins to watch.
    pub fn watch(root: u32) -> Self {
        let (peak_kb, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (peak, stopped) = (peak_kb.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                peak.fetch_max(resident_kb(root), Ordering::Relaxed);
                std::thread::sleep(EVERY);
            }
        });
        Self { root, peak_kb, stop }
    }

    /// Forgets the peak.
    pub fn reset(&self) {
        self.peak_kb.store(resident_kb(self.root), Ordering::Relaxed);
    }

    /// The highest since the last reset.
    pub fn peak_mb(&self) -> f64 {
        self.peak_kb.load(Ordering::Relaxed).max(resident_kb(self.root)) as f64 / 1024.0
    }

    /// Now.
    pub fn now_mb(&self) -> f64 {
        resident_kb(self.root) as f64 / 1024.0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn resident_kb(root: u32) -> u64 {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold blanks; the parent is the second word behind it.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut all = vec![root];
    let mut sum = 0;
    while let Some(pid) = all.pop() {
        all.extend(children.get(&pid).into_iter().flatten());
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        sum += line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    }
    sum
}
