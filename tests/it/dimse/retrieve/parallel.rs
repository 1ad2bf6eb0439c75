//! Several associations of one C-MOVE, and what breaks on the way.

use super::*;

/// The study of four, and whom it is sent to.
fn study() -> Json {
    asking("move", "STUDY", &[("StudyInstanceUID", "2.25.1")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_c_move_opens_as_many_associations_as_it_may_and_its_instances_are_worth() {
    for (associations_per_move, instances_per_association, expected) in [(2, 1, 2), (4, 1, 4), (4, 3, 2), (4, 8, 1)] {
        let port = free_port();
        let mut config = DicomConfig::default();
        config.retrieve.associations_per_move = associations_per_move;
        config.retrieve.instances_per_association = instances_per_association;
        let listener = world_with(config, &[("ARCHIVE", port)]).await;
        // It answers nobody before so many objects have come at the same time.
        let destination = Destination::start(port, json!({ "manner": "together", "together": expected }));

        let answer = ask(&listener, study()).await;

        assert_eq!((&answer["last"]["status"], &answer["last"]["completed"]), (&json!("0000"), &json!(4)), "{answer}");
        let got = destination.end().await;
        assert_eq!(received(&got), ["2.25.1.1.1", "2.25.1.1.2", "2.25.1.2.1", "2.25.1.2.2"]);
        assert_eq!(got["associations"], expected, "{associations_per_move} of {instances_per_association}");
        listener.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_association_is_opened_again_as_often_as_it_may_and_goes_on_with_what_was_on_its_way() {
    // Each association breaks at its third, or at its first object.
    for (reconnects, after, status, completed, associations) in
        [(2, 3, "0000", 4, 2), (0, 3, "B000", 2, 1), (2, 1, "A702", 0, 3)]
    {
        let port = free_port();
        let mut config = DicomConfig::default();
        config.retrieve.reconnects = reconnects;
        let listener = world_with(config, &[("ARCHIVE", port)]).await;
        let destination = Destination::start(port, json!({ "manner": "break", "after": after }));

        let answer = ask(&listener, study()).await;

        let case = format!("{reconnects} reconnects, {after}: {answer}");
        assert_eq!(
            (&answer["last"]["status"], &answer["last"]["completed"]),
            (&json!(status), &json!(completed)),
            "{case}"
        );
        assert_eq!(answer["failed"].as_array().unwrap().len(), 4 - completed, "{case}");
        assert_eq!(answer["alive"], true, "the caller's own association goes on");
        let got = destination.end().await;
        assert_eq!(got["associations"], associations, "{case}");
        listener.stop().await;
    }
}
