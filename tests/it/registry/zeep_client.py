"""Registers a report and asks for it, through each port that the WSDL names.

Arguments: the WSDL's address, the document, the key of the client "region".
"""
import sys
import xml.etree.ElementTree as ElementTree

import zeep

wsdl, document, key = sys.argv[1:]
client = zeep.Client(wsdl)
for port in ("IAutoReportSoap", "IAutoReportSoap12"):
    service = client.bind("IAutoReport", port)
    acknowledgement = ElementTree.fromstring(service.ArchiveAutoReport(strReportInfo=document).encode())
    answer = ElementTree.fromstring(
        service.GetExamInfo(strSSID="990101199001010019", strCredential="region", strKey=key).encode()
    )
    number = answer.find("exammaster/REPORT_FORM_NO").text
    print(port, acknowledgement.find("items/item").get("status"), number)
