"""An FTP server (pyftpdlib) for one test: folder, tls (none, explicit, implicit), encoding, certificate, key."""
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.log import config_logging
from pyftpdlib.servers import FTPServer

folder, tls, encoding, certificate, key = sys.argv[1:6]
config_logging(level=50)
authorizer = DummyAuthorizer()
authorizer.add_user("reader", "synthetic", folder, perm="elr")

if tls == "none":
    class Handler(FTPHandler):
        pass
else:
    from OpenSSL import SSL
    from pyftpdlib.handlers import TLS_FTPHandler

    class Handler(TLS_FTPHandler):
        ssl_protocol = SSL.TLS_SERVER_METHOD
        certfile = certificate
        keyfile = key
        tls_control_required = True
        tls_data_required = True

        def handle(self):
            if tls == "implicit":
                self.secure_connection(self.ssl_context)
            super().handle()

Handler.authorizer = authorizer
Handler.encoding = encoding
# What it says of itself is not believed: a client that did would connect to nobody.
Handler.masquerade_address = "203.0.113.9"
server = FTPServer(("127.0.0.1", 0), Handler)
print(server.socket.getsockname()[1], flush=True)
server.serve_forever()
