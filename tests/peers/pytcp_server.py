"""An instrument program's pytcp server: it owns a dictionary and sends the whole of it whenever it differs.

Its defects: it accepts once in its life; after its client is gone, which it notices when it sends, its thread
is dead and its sockets stay open, so that a second connection succeeds and is silent for ever; it cannot bind
its port again while the old connection lingers; and of two dictionaries that follow at once, it may never see
the first.

Commands: `set DICTIONARY` states the whole, `put DICTIONARY` sets some keys.
"""

import copy
import json
import struct
import threading
import zlib

import peer


class Server:
    def __init__(self, program, listener):
        self.program = program
        self.listener = listener
        self.connection = None
        self.data = {}
        self.changed = threading.Event()
        program.thread("server", self.serve)

    def set(self, data):
        self.data = data
        self.changed.set()

    def serve(self):
        self.connection, _ = self.listener.accept()
        self.program.callback("connect")
        options = self.program.options
        if options.duration:
            self.run(f"{options.rate} {options.duration}")
        last = {}
        while True:
            self.changed.wait()
            self.changed.clear()
            if self.data != last:  # In Python's sense: 1 == 1.0 == True.
                last = copy.deepcopy(self.data)
                self.send(last)

    def send(self, data):
        self.program.record("sent", data)
        content = json.dumps(data).encode()
        header = struct.pack(">BII", 0xA5, len(content), zlib.crc32(content))
        self.connection.sendall(header + content + b"\x5a")

    def run(self, rest):
        rate, duration = map(float, rest.split())
        self.program.run(rate, duration, peer.dictionaries(self.program.options.seed), self.set)


def main():
    options = peer.arguments(__doc__, 12345).parse_args()
    program = peer.Peer(options)
    server = Server(program, peer.listen(options, reuse=False))
    program.obey(
        {
            "set": lambda text: server.set(peer.untagged(text)),
            "put": lambda text: server.set({**server.data, **peer.untagged(text)}),
            "run": server.run,
        }
    )


if __name__ == "__main__":
    main()
