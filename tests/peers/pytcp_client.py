"""A script's pytcp client: it receives dictionaries in the background and keeps the last.

Its defects: it sends nothing, ever, and never connects again; JSON that Python does not read is the death of
its thread, an integer of more than 4,300 digits included; and after a damaged frame it skips as far as that
frame's length said.

Commands: `read` prints what `get_last_received_data` returns, and whether it was new.
"""

import json
import struct
import zlib

import peer


class Client:
    def __init__(self, program, connection):
        self.program = program
        self.connection = connection
        self.last = {}
        self.updated = False
        self.damaged = 0
        program.more = lambda: {
            "last": peer.tagged(self.last),
            "updated": self.updated,
            "damaged": self.damaged,
        }
        program.thread("client", self.receive)

    def get_last_received_data(self):
        self.updated = False
        return self.last

    def receive(self):
        while True:
            if self.take(1) != b"\xa5":
                continue
            length, checksum = struct.unpack(">II", self.take(8))
            content, stop = self.take(length), self.take(1)
            if zlib.crc32(content) != checksum or stop != b"\x5a":
                self.damaged += 1
                continue
            self.last = json.loads(content)
            self.updated = True
            self.program.record("received", self.last)

    def take(self, count):
        taken = b""
        while len(taken) < count:
            self.program.reading.wait()
            part = self.connection.recv(min(count - len(taken), 1 << 16))
            if not part:
                raise EOFError("the server is gone")
            taken += part
        return taken

    def read(self):
        updated = self.updated
        peer.say(read=peer.tagged(self.get_last_received_data()), updated=updated)


def main():
    options = peer.arguments(__doc__, 12345).parse_args()
    program = peer.Peer(options)
    client = Client(program, peer.connect(options))
    program.obey({"read": client.read})


if __name__ == "__main__":
    main()
