// A hospital's program on .NET Framework: registers a document and asks for it, by form and by SOAP 1.1, as HttpWebRequest
// does it: with Expect: 100-continue, and a SOAPAction in quotation marks. Prints the four results, one after the other.
// Arguments: the service's address, a file with the document, the key, an identity number.
using System;
using System.IO;
using System.Net;
using System.Security;
using System.Text;

static class DotNetClient {
    static string Post(string url, string contentType, string soapAction, string body) {
        var request = (HttpWebRequest)WebRequest.Create(url);
        request.Method = "POST";
        request.ContentType = contentType;
        request.Proxy = null;
        request.Timeout = 120000;
        request.ServicePoint.Expect100Continue = true;
        if (soapAction != null) request.Headers.Add("SOAPAction", "\"" + soapAction + "\"");
        var bytes = new UTF8Encoding(false).GetBytes(body);
        request.ContentLength = bytes.Length;
        using (var stream = request.GetRequestStream()) stream.Write(bytes, 0, bytes.Length);
        using (var response = (HttpWebResponse)request.GetResponse())
        using (var reader = new StreamReader(response.GetResponseStream(), Encoding.UTF8))
            return (int)response.StatusCode + " " + reader.ReadToEnd();
    }

    static string Form(string url, string method, string[] fields) {
        var body = new StringBuilder();
        for (var at = 0; at < fields.Length; at += 2)
            body.Append(at == 0 ? "" : "&").Append(fields[at]).Append('=').Append(Uri.EscapeDataString(fields[at + 1]));
        return Post(url + "/" + method, "application/x-www-form-urlencoded", null, body.ToString());
    }

    static string Soap(string url, string method, string[] fields) {
        var body = new StringBuilder("<?xml version=\"1.0\" encoding=\"utf-8\"?>"
            + "<soap:Envelope xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
            + " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">"
            + "<soap:Body><" + method + " xmlns=\"http://tempuri.org/\">");
        for (var at = 0; at < fields.Length; at += 2)
            body.Append("<" + fields[at] + ">" + SecurityElement.Escape(fields[at + 1]) + "</" + fields[at] + ">");
        body.Append("</" + method + "></soap:Body></soap:Envelope>");
        return Post(url, "text/xml; charset=utf-8", "http://tempuri.org/" + method, body.ToString());
    }

    static void Main(string[] arguments) {
        Console.OutputEncoding = new UTF8Encoding(false);
        var url = arguments[0];
        var report = new[] { "strReportInfo", File.ReadAllText(arguments[1], Encoding.UTF8) };
        var query = new[] {
            "strIDNO", "", "strSSID", arguments[3], "strStartTime", "", "strEndTime", "",
            "strCredential", "region", "strKey", arguments[2],
        };
        foreach (var told in new[] {
            Form(url, "ArchiveAutoReport", report), Soap(url, "ArchiveAutoReport", report),
            Form(url, "GetExamInfo", query), Soap(url, "GetExamInfo", query),
        }) Console.WriteLine(told.Replace("\r", " ").Replace("\n", " "));
    }
}
