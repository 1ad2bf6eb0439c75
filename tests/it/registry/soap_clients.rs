//! SOAP clients of other makes: zeep and gSOAP read the WSDL, register and ask, in both versions of SOAP; a program of .NET
//! does so by forms and by SOAP that it writes itself.

use std::path::Path;
use std::process::Command;

use super::{KEY, Service, exam};
use crate::harness::{Package, TestDatabase, python, run, tool};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zeep_registers_and_asks_by_what_the_wsdl_says() {
    let service = Service::start(TestDatabase::sqlite()).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/registry/zeep_client.py");
    let arguments = [format!("{}?wsdl", service.url), exam(&[]), KEY.to_owned()];

    let output = tokio::task::spawn_blocking(move || run(Command::new(python()).arg(script).args(arguments))).await;

    let printed = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(printed, "IAutoReportSoap stored EX0001\nIAutoReportSoap12 duplicate EX0001\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gsoap_registers_and_asks_with_the_code_that_it_makes_of_the_wsdl() {
    let service = Service::start(TestDatabase::sqlite()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("service.wsdl"), service.get("?wsdl").await.text).unwrap();
    let (at, url) = (folder.path().to_owned(), service.url.clone());

    let told = tokio::task::spawn_blocking(move || {
        build_gsoap_client(&at);
        ["11", "12"].map(|version| {
            let mut client = Command::new(at.join("client"));
            client.args([&url, version, &exam(&[]), KEY, "C00000001"]);
            String::from_utf8(run(&mut client).stdout).unwrap()
        })
    });

    let [first, second] = told.await.unwrap();
    assert!(first.contains("status=\"stored\"") && first.contains("<REPORT_FORM_NO>EX0001</"), "{first}");
    assert!(second.contains("status=\"duplicate\"") && second.contains("<NAME>测试甲</NAME>"), "{second}");
    assert_eq!(service.count("SELECT id FROM exam_report WHERE name = '测试甲'").await, 1);
}

fn build_gsoap_client(folder: &Path) {
    let gsoap = Package::Debian("gsoap libgsoap-dev");
    let within = |mut command: Command, arguments: &[&str]| run(command.args(arguments).current_dir(folder));
    let program = |name| Command::new(tool(name, gsoap));
    within(program("wsdl2h"), &["-c", "-o", "service.h", "service.wsdl"]);
    within(program("soapcpp2"), &["-c", "-C", "-L", "-x", "-I/usr/share/gsoap/import", "service.h"]);
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/registry/gsoap_client.c");
    let compiler = Command::new(tool("cc", Package::Debian("gcc")));
    within(compiler, &["-I.", "-o", "client", client, "soapC.c", "soapClient.c", "-lgsoap"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_r2_a_form_that_waits_for_the_word_to_continue_is_taken_as_dot_net_posts_it() {
    let service = Service::start(TestDatabase::sqlite()).await;
    let url = format!("{}/ArchiveAutoReport", service.url);
    // More than a megabyte, so that nobody sends it before the word comes.
    let long = "描".repeat(400_000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.xml");
    std::fs::write(&file, exam(&[("image_descr", &long)])).unwrap();
    let field = format!("strReportInfo@{}", file.display());

    let told = tokio::task::spawn_blocking(move || {
        let mut curl = Command::new(tool("curl", Package::Debian("curl")));
        curl.args(["--silent", "--show-error", "--include", "--max-time", "120", "--expect100-timeout", "110"]);
        curl.args(["--header", "Expect: 100-continue", "--user-agent", ""]);
        curl.args(["--header", "Content-Type: application/x-www-form-urlencoded; charset=utf-8"]);
        String::from_utf8(run(curl.args(["--data-urlencode", &field, &url])).stdout).unwrap()
    });

    let told = told.await.unwrap();
    assert!(told.starts_with("HTTP/1.1 100 Continue"), "{told}");
    assert!(told.contains("HTTP/1.1 200 OK") && told.contains("status=&quot;stored&quot;"), "{told}");
    let kept = service.row("SELECT image_descr, notes FROM exam_report").await;
    assert_eq!(kept.text("image_descr").unwrap(), long);
    assert!(kept.text("notes").unwrap().contains("E1004:Image_Descr"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_r2_d_q9_a_program_of_dot_net_registers_and_asks_by_form_and_by_soap() {
    let service = Service::start(TestDatabase::sqlite()).await;
    let folder = tempfile::tempdir().unwrap();
    let (document, program) = (folder.path().join("report.xml"), folder.path().join("client.exe"));
    std::fs::write(&document, exam(&[])).unwrap();
    let url = service.url.clone();

    let told = tokio::task::spawn_blocking(move || {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/registry/dot_net_client.cs");
        let compiler = tool("mcs", Package::Debian("mono-mcs"));
        run(Command::new(compiler).arg(format!("-out:{}", program.display())).arg(source));
        let mut client = Command::new(tool("mono", Package::Debian("mono-runtime")));
        client.arg(program).arg(url).arg(document).args([KEY, "990101199001010019"]);
        String::from_utf8(run(&mut client).stdout).unwrap()
    });

    let told = told.await.unwrap();
    let told: Vec<&str> = told.lines().collect();
    let [form, soap, form_query, soap_query] = told[..] else { panic!("{told:#?}") };
    assert!(told.iter().all(|answer| answer.starts_with("200 ")), "{told:#?}");
    assert!(form.contains("<string xmlns=") && form.contains("status=&quot;stored&quot;"), "{form}");
    assert!(soap.contains("<ArchiveAutoReportResult>") && soap.contains("status=&quot;duplicate&quot;"), "{soap}");
    for answer in [form_query, soap_query] {
        assert!(answer.contains("&lt;REPORT_FORM_NO&gt;EX0001&lt;/"), "{answer}");
        assert!(answer.contains("&lt;NAME&gt;测试甲&lt;/"), "{answer}");
    }
    assert!(soap_query.contains("<GetExamInfoResult>"), "{soap_query}");
    let kept = service.rows("SELECT headers FROM inbox_message", Vec::new()).await;
    let kept: Vec<String> = kept.iter().map(|row| row.text("headers").unwrap()).collect();
    assert_eq!(kept.iter().filter(|headers| headers.contains(r#""expect":"100-continue""#)).count(), 4, "{kept:#?}");
    for method in ["ArchiveAutoReport", "GetExamInfo"] {
        let action = format!(r#"\"http://tempuri.org/{method}\""#);
        assert_eq!(kept.iter().filter(|headers| headers.contains(&action)).count(), 1, "{kept:#?}");
    }
}
