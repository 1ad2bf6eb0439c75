//! dicomweb-client against the server as it is configured.

use crate::harness::{TestServer, free_port, python_script, small_instance};

const SCRIPT: &str = r#"
import io, sys
import numpy, pydicom, requests
from dicomweb_client.api import DICOMwebClient

url, key, folder = sys.argv[1:]
session = requests.Session()
session.trust_env = False
session.headers["Authorization"] = "Bearer " + key
client = DICOMwebClient(url, session=session)
written = [pydicom.dcmread(f"{folder}/{number}.dcm") for number in range(4)]
for dataset in written:
    items = [pydicom.Dataset(), pydicom.Dataset()]
    for number, item in enumerate(items):
        item.ScheduledProcedureStepID, item.RequestedProcedureID = f"S{number + 1}", f"P{number + 1}"
    dataset.RequestAttributesSequence = items
    dataset.PerformedProcedureStepStartDate, dataset.PerformedProcedureStepStartTime = "20240322", "1030"

answer = client.store_instances(written)
assert len(answer.ReferencedSOPSequence) == 4, answer
assert "FailedSOPSequence" not in answer, answer

studies = client.search_for_studies(search_filters={"PatientID": "L0001"}, fields=["StudyDescription"])
assert [s["0020000D"]["Value"][0] for s in studies] == ["2.25.7001"], studies
assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
assert len(client.search_for_series("2.25.7001")) == 1
step, procedure = "RequestAttributesSequence.ScheduledProcedureStepID", "00400275.00401001"
for filters, expected in [
    ({step: "S1"}, 1),
    ({step: "S1", procedure: "P1", "PerformedProcedureStepStartDate": "20240322"}, 1),
    ({step: "S*", procedure: "P1"}, 1),
    ({step: "S1", procedure: "P2"}, 0),
    ({"PerformedProcedureStepStartDate": "20240323-"}, 0),
]:
    found = client.search_for_series(search_filters=filters)
    assert len(found) == expected, (filters, found)
series = pydicom.Dataset.from_json(client.search_for_series("2.25.7001", search_filters={step: "S1"})[0])
assert series.PerformedProcedureStepStartDate == "20240322" and series.PerformedProcedureStepStartTime == "1030", series
[request] = series.RequestAttributesSequence
assert (request.ScheduledProcedureStepID, request.RequestedProcedureID) == ("S1", "P1"), request
assert len(client.search_for_instances("2.25.7001", "2.25.7001.1", limit=3)) == 3

def same(read, original):
    assert read.SOPInstanceUID == original.SOPInstanceUID
    for element in original:
        assert read[element.tag] == element, (read[element.tag], element)

by_uid = {d.SOPInstanceUID: d for d in written}
for read in client.retrieve_study("2.25.7001"):
    same(read, by_uid.pop(read.SOPInstanceUID))
assert not by_uid
first = written[0]
uids = ("2.25.7001", "2.25.7001.1", first.SOPInstanceUID)
same(client.retrieve_instance(*uids), first)
assert len(client.retrieve_series("2.25.7001", "2.25.7001.1")) == 4

metadata = client.retrieve_study_metadata("2.25.7001")
assert len(metadata) == 4
read = pydicom.Dataset.from_json(client.retrieve_instance_metadata(*uids), bulk_data_uri_handler=lambda uri: None)
assert read.PatientName == first.PatientName, (read.PatientName, first.PatientName)

frames = client.retrieve_instance_frames(*uids, frame_numbers=[1])
assert frames[0] == first.PixelData, "frame"
bulk = client.retrieve_bulkdata(metadata[0]["7FE00010"]["BulkDataURI"])
assert b"".join(bulk) == first.PixelData, "bulk"
picture = client.retrieve_instance_rendered(*uids, media_types=("image/png",))
assert picture[:4] == b"\x89PNG", picture[:10]
frame = client.retrieve_instance_frames_rendered(*uids, frame_numbers=[1], media_types=("image/jpeg",))
assert frame[:2] == b"\xff\xd8"

bad = DICOMwebClient(url, headers={"Authorization": "Bearer wrong"})
try:
    bad.search_for_studies()
    raise SystemExit("a wrong key was accepted")
except requests.HTTPError as error:
    assert error.response.status_code == 401, error
print("done")
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dicomweb_client_stores_searches_and_retrieves() {
    let key = "synthetic-key-of-the-client";
    let port = free_port();
    let server = TestServer::start_with(|config| {
        config.http.listen.set_port(port);
        config.http.public_url = format!("http://127.0.0.1:{port}");
        let text = format!("id = 'web'\nkey = '{key}'\ndicomweb = 'read_and_store'\norganizations = ['ORG-T01']");
        config.client.push(toml::from_str(&text).unwrap());
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    for number in 0..4 {
        small_instance(number, 16 * 16 * 2).write_to(&folder.path().join(format!("{number}.dcm")));
    }
    let url = format!("http://127.0.0.1:{port}/dicom-web");
    let path = folder.path().to_str().unwrap().to_owned();
    let said = tokio::task::spawn_blocking(move || python_script(SCRIPT, &[&url, key, &path])).await.unwrap();
    assert_eq!(said.trim(), "done");
    server.stop().await;
}
