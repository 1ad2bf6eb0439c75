"""A small DICOMweb service: keeps what STOW-RS brings, answers QIDO-RS; told to lie, it says yes and keeps nothing.
With a certificate, its key and an authority it speaks TLS, to those that show a certificate from that authority."""
import http.server
import io
import json
import os
import ssl
import sys

import pydicom

folder, mode, *tls = sys.argv[1:]
SOP_CLASS, SOP_INSTANCE = "00081150", "00081155"
stores = 0


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while True:
            length = int(self.rfile.readline().strip(), 16)
            whole += self.rfile.read(length)
            self.rfile.readline()
            if length == 0:
                return whole

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        global stores
        body = self.body()
        stores += 1
        if self.headers.get("Authorization") != "Bearer synthetic-token":
            return self.answer(401, {})
        if mode == "stumbling" and stores == 1:
            return self.answer(503, {})
        boundary = self.headers["Content-Type"].split("boundary=")[1].strip('"').encode()
        stored, failed = [], []
        for part in body.split(b"--" + boundary)[1:-1]:
            content = part.split(b"\r\n\r\n", 1)[1][:-2]
            dataset = pydicom.dcmread(io.BytesIO(content), force=True)
            item = {
                SOP_CLASS: {"vr": "UI", "Value": [dataset.SOPClassUID]},
                SOP_INSTANCE: {"vr": "UI", "Value": [dataset.SOPInstanceUID]},
            }
            if dataset.InstanceNumber == 2 and mode == "refusing":
                item["00081197"] = {"vr": "US", "Value": [0xA900]}
                failed.append(item)
                continue
            stored.append(item)
            if mode != "lying":
                with open(os.path.join(folder, dataset.SOPInstanceUID), "wb") as file:
                    file.write(content)
        answer = {"00081199": {"vr": "SQ", "Value": stored}}
        if failed:
            answer["00081198"] = {"vr": "SQ", "Value": failed}
        self.answer(202 if failed else 200, answer)

    def do_GET(self):
        found = [{"00080018": {"vr": "UI", "Value": [name]}} for name in sorted(os.listdir(folder))]
        self.answer(200, found)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
if tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls[0], tls[1])
    context.load_verify_locations(tls[2])
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
