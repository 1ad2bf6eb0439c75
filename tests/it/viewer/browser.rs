//! Runs a spec of `web/e2e` with Node and Debian's Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Package, tool};

/// With what pictures are drawn.
#[derive(Debug, Clone, Copy)]
pub enum Renderer {
    Gpu,
    Cpu,
}

/// Runs a spec to its end; what it says is the failure's text.
pub async fn spec(name: &str, renderer: Renderer, environment: &[(&str, String)]) {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    assert!(
        web.join("node_modules/playwright-core").is_dir(),
        "the viewer's tools are missing; install them with: make web"
    );
    assert!(yingku::web::viewer_is_embedded(), "the viewer is not in this binary; build it with: make web");
    let mut command = Command::new(tool("node", Package::Debian("nodejs")));
    command.arg(format!("e2e/{name}.mjs")).current_dir(&web);
    command.env("CHROMIUM", tool("chromium", Package::Debian("chromium")));
    command.env("OUT", out());
    command.env("RENDERER", if matches!(renderer, Renderer::Gpu) { "gpu" } else { "cpu" });
    command.envs(environment.iter().map(|(key, value)| (*key, value.as_str())));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{name} {renderer:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn out() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web/e2e/out")
}
