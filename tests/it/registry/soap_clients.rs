//! A SOAP client of another make: zeep reads the WSDL, registers and asks, in both versions of SOAP.

use std::process::Command;

use super::{KEY, Service, exam};
use crate::harness::{TestDatabase, python, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zeep_registers_and_asks_by_what_the_wsdl_says() {
    let service = Service::start(TestDatabase::sqlite()).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/registry/zeep_client.py");
    let arguments = [format!("{}?wsdl", service.url), exam(&[]), KEY.to_owned()];

    let output = tokio::task::spawn_blocking(move || run(Command::new(python()).arg(script).args(arguments))).await;

    let printed = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(printed, "IAutoReportSoap stored EX0001\nIAutoReportSoap12 duplicate EX0001\n");
}
