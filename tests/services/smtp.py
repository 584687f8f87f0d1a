"""A real SMTP server for the tests: STARTTLS required, AUTH required, mails kept as files.

usage: smtp.py FOLDER CERTIFICATE KEY USER PASSWORD; prints its port, then serves until stopped.
"""

import asyncio
import ssl
import sys
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder, certificate, key, user, password = sys.argv[1:6]


class Keep:
    def __init__(self):
        self.number = 0

    async def handle_DATA(self, server, session, envelope):
        self.number += 1
        part = Path(folder) / f".{self.number}.part"
        part.write_bytes(envelope.content)
        part.rename(Path(folder) / f"{self.number:04}.eml")
        return "250 kept"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=good, handled=False)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
controller = Controller(
    Keep(),
    hostname="127.0.0.1",
    port=0,
    tls_context=context,
    require_starttls=True,
    auth_required=True,
    auth_require_tls=True,
    authenticator=authenticate,
)
# The controller wants to know its port before it listens; port 0 is resolved by hand.
import socket

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    controller.port = probe.getsockname()[1]
controller.start()
print(controller.port, flush=True)
asyncio.new_event_loop().run_forever()
