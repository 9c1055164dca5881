"""A pingpong server: it answers whatever one read returns with `pong`.

Its defects: it answers the end of the input too; it serves one connection at a time, and keeps each until it
has accepted the next.
"""

import peer


class Server:
    def __init__(self, program, listener):
        self.program = program
        self.listener = listener
        self.connection = None
        program.thread("server", self.serve)

    def serve(self):
        while True:
            self.connection, _ = self.listener.accept()  # The one before is closed by this, and not earlier.
            self.program.callback("connect")
            try:
                while self.answer():
                    pass
            except OSError as error:
                self.program.record("failed", str(error))

    def answer(self):
        self.program.reading.wait()
        data = self.connection.recv(1024)
        self.program.record("received", data)
        self.program.record("sent", "pong")
        self.connection.sendall(b"pong")
        return data


def main():
    options = peer.arguments(__doc__, 8889).parse_args()
    program = peer.Peer(options)
    Server(program, peer.listen(options))
    program.obey({})


if __name__ == "__main__":
    main()
