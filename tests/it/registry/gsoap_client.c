/* A client that gSOAP made from the WSDL: registers a document and asks for it, in SOAP 1.1 or 1.2.
 * Arguments: address, 11 or 12, document, key, identity. Prints what it was told. */
#include <stdio.h>
#include <string.h>
#include "soapH.h"
#include "IAutoReportSoap.nsmap"

static int failed(struct soap *soap)
{
    soap_print_fault(soap, stderr);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    int is_12 = strcmp(argv[2], "12") == 0;
    struct soap *soap = soap_new1(SOAP_C_UTFSTRING);
    soap_set_namespaces(soap, namespaces);
    soap_set_version(soap, is_12 ? 2 : 1);

    struct _tempuri__ArchiveAutoReport report = { .strReportInfo = argv[3] };
    struct _tempuri__ArchiveAutoReportResponse told;
    memset(&told, 0, sizeof told);
    int (*registers)(struct soap *, const char *, const char *, struct _tempuri__ArchiveAutoReport *,
        struct _tempuri__ArchiveAutoReportResponse *)
        = is_12 ? soap_call___tempuri__ArchiveAutoReport_ : soap_call___tempuri__ArchiveAutoReport;
    if (registers(soap, argv[1], NULL, &report, &told))
        return failed(soap);
    printf("%s\n", told.ArchiveAutoReportResult);

    struct _tempuri__GetExamInfo query = { .strIDNO = argv[5], .strCredential = "region", .strKey = argv[4] };
    struct _tempuri__GetExamInfoResponse found;
    memset(&found, 0, sizeof found);
    int (*asks)(struct soap *, const char *, const char *, struct _tempuri__GetExamInfo *,
        struct _tempuri__GetExamInfoResponse *)
        = is_12 ? soap_call___tempuri__GetExamInfo_ : soap_call___tempuri__GetExamInfo;
    if (asks(soap, argv[1], NULL, &query, &found))
        return failed(soap);
    printf("%s\n", found.GetExamInfoResult);
    soap_end(soap);
    soap_free(soap);
    return 0;
}
