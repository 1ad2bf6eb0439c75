//! Embeds the built viewer: every file that `web/dist/embedded.txt` names, as it was compressed by `web/build.mjs`.
//!
//! Without that file the crate builds all the same and offers the basic page only.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    let list = std::fs::read_to_string(root.join("web/dist/embedded.txt")).unwrap_or_default();
    std::fs::write(Path::new(&variable("OUT_DIR")?).join("viewer_files.rs"), table(&list))
}

fn variable(name: &str) -> std::io::Result<String> {
    std::env::var(name).map_err(|error| std::io::Error::other(format!("{name}: {error}")))
}

/// The lines are `entry NAME`, `preload NAME`, `style NAME` and `file NAME`.
fn table(list: &str) -> String {
    let named =
        |kind: &str| list.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' ')).collect::<Vec<_>>();
    let mut out = String::new();
    let _ = writeln!(out, "static ENTRY: Option<&str> = {:?};", named("entry").first());
    let _ = writeln!(out, "static PRELOADS: &[&str] = &{:?};", named("preload"));
    let _ = writeln!(out, "static STYLES: &[&str] = &{:?};", named("style"));
    let _ = writeln!(out, "static FILES: &[ViewerFile] = &[");
    for name in named("file") {
        // By the folder at the crate's compilation: a build folder that is kept may serve another clone next time.
        let bytes = |ending: &str| {
            format!("include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))", format!("/web/dist/{name}.{ending}"))
        };
        let _ = writeln!(out, "    ViewerFile {{ name: {name:?}, brotli: {}, gzip: {} }},", bytes("br"), bytes("gz"));
    }
    let _ = writeln!(out, "];");
    out
}
