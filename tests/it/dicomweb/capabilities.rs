//! What the service says that it can do, and that it does it.

use reqwest::Method;

use super::world::{OWN, REGION, World};
use crate::harness::small_instance;

#[tokio::test]
async fn everything_that_is_described_is_there() {
    let world = World::start().await;
    world.store(&[small_instance(0, 16 * 64 * 2).bytes()]).await;
    let ask = |path: &'static str, method: Method, key: &'static str, accept: &'static str| {
        let world = &world;
        async move { world.ask(method, path, key, &[("accept", accept)], Vec::new()).await }
    };
    for (path, method) in
        [("/dicom-web/", Method::OPTIONS), ("/dicom-web", Method::OPTIONS), ("/dicom-web/", Method::GET)]
    {
        let answer = ask(path, method, OWN, "application/vnd.sun.wadl+xml").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/vnd.sun.wadl+xml"), "{path}");
        assert!(answer.text().contains("id=\"StoreInstances\""));
    }
    let described = ask("/dicom-web/", Method::OPTIONS, OWN, "application/json").await.json();
    assert_eq!(described["base"], format!("http://{}/dicom-web", world.address));
    let names = [
        ("{study}", "2.25.7001"),
        ("{series}", "2.25.7001.1"),
        ("{instance}", "2.25.7001.1.1"),
        ("{path}", "7FE00010"),
        ("{frames}", "1"),
    ];
    for resource in described["resources"].as_array().unwrap() {
        let path = names
            .iter()
            .fold(resource["path"].as_str().unwrap().to_owned(), |path, (name, value)| path.replace(name, value));
        for method in resource["methods"].as_array().unwrap().iter().filter(|method| method["name"] == "GET") {
            for kind in method["gives"].as_array().unwrap() {
                let answer = world.get(&format!("/dicom-web/{path}"), kind.as_str().unwrap()).await;
                assert_eq!(answer.status, 200, "{path} as {kind}: {}", answer.text());
                let bare = kind.as_str().unwrap().split(';').next().unwrap();
                assert!(answer.header("content-type").starts_with(bare), "{path} as {kind}");
            }
        }
    }
    let reader = ask("/dicom-web/", Method::OPTIONS, REGION, "*/*").await;
    assert!(!reader.text().contains("StoreInstances"), "it may not store");
    assert_eq!(ask("/dicom-web/", Method::OPTIONS, "wrong", "*/*").await.status, 401);
    assert_eq!(ask("/dicom-web/", Method::OPTIONS, OWN, "text/html").await.status, 406);
}
