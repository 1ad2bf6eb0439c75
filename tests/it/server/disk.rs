//! Little room on a disk is told before it is full.

use std::time::Duration;

use crate::harness::{ServerProcess, eventually, http_get};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_little_room_says_so_and_goes_on() {
    for (low_bytes, room) in [("9000000000000000000", false), ("0", true)] {
        let mut server =
            ServerProcess::start_with(&format!("\n[disk]\nlow_bytes = {low_bytes}\ncheck_ms = 100\n")).await;
        let address = server.http();
        let free = |folder: &str, metrics: &str| {
            let begin = format!("yingku_disk_free_bytes{{folder=\"{folder}\"}} ");
            metrics.lines().find_map(|line| line.strip_prefix(&begin)?.parse::<f64>().ok())
        };
        eventually(Duration::from_secs(120), "the folders have been measured", || async move {
            let metrics = http_get(address, "/metrics")?.1;
            let found = [free("objects", &metrics)?, free("database", &metrics)?];
            found.iter().all(|bytes| *bytes > 0.0).then_some(())
        })
        .await;
        let said = format!("\"room\":{room}");
        eventually(Duration::from_secs(120), "it is ready, and says whether there is room", || async {
            http_get(address, "/readyz").filter(|(status, body)| *status == 200 && body.contains(&said))
        })
        .await;
        assert!(server.terminate().await.success());
        assert_eq!(server.log().contains("little room is left"), !room, "{}", server.log());
    }
}
