"""Reads the archive as a FHIR client does: fhirpy fetches and pages, fhir.resources checks every resource (R4B)."""

import asyncio
import base64
import importlib
import json
import sys

from fhirpy import AsyncFHIRClient

root, key = sys.argv[1:]
client = AsyncFHIRClient(f"{root}/fhir", authorization=f"Bearer {key}")


def checked(resource):
    """Validates a resource; gives it back as plain JSON."""
    plain = json.loads(json.dumps(resource.serialize() if hasattr(resource, "serialize") else resource))
    kind = plain["resourceType"]
    module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
    getattr(module, kind).model_validate(plain)
    return plain


async def everything(kind, **parameters):
    """All pages of a search, with small pages."""
    return [checked(found) for found in await client.resources(kind).search(**parameters).limit(2).fetch_all()]


async def main():
    checked(await client.execute("metadata", method="get"))
    checked(await client.execute("DiagnosticReport", method="get", params={"_count": 2}))
    patients = await everything("Patient", identifier="urn:oid:2.16.156.10011.1.3|990101199001010019")
    patient = patients[0]
    reports = await everything("DiagnosticReport", patient=f"Patient/{patient['id']}")
    observations = await everything("Observation", patient=patient["id"])
    studies = await everything("ImagingStudy", patient=patient["id"])
    documents = await everything("DocumentReference", patient=patient["id"])
    for found in [*patients, *reports, *observations, *studies, *documents]:
        read = checked(await client.reference(found["resourceType"], found["id"]).to_resource())
        assert read == found, (read, found)
    files = []
    for document in documents:
        attachment = document["content"][0]["attachment"]
        kind, number = attachment["url"].rsplit("/", 2)[-2:]
        file = checked(await client.reference(kind, number).to_resource())
        files.append({"type": file["contentType"], "said": attachment["contentType"],
                      "starts": base64.b64decode(file["data"])[:5].decode()})
    labs = await everything("DiagnosticReport", category="LAB", date="ge2024-01-01")
    by_code = await everything("Observation", patient=patient["id"], code="WBC")
    since = await everything("DiagnosticReport", patient=patient["id"], _lastUpdated="ge2000-01-01")
    before = await everything("DiagnosticReport", patient=patient["id"], _lastUpdated="lt2000-01-01")
    bundle = await client.execute("DiagnosticReport", method="get", params={
        "patient": patient["id"], "_include": "DiagnosticReport:subject", "flavour": "none"})
    checked(bundle)
    by_id = await everything("DiagnosticReport", _id=",".join(report["id"] for report in reports[:2]))
    print(json.dumps({
        "patients": patients, "reports": reports, "observations": observations, "studies": studies,
        "documents": documents, "files": files, "labs": [report["id"] for report in labs], "by_id": len(by_id),
        "by_code": len(by_code), "since": len(since), "before": len(before),
        "modes": [entry["search"]["mode"] for entry in bundle["entry"]],
    }))


asyncio.run(main())
