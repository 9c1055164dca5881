"""A comms client: messages both ways.

It reads and writes as the server does, with the same defects; and these are its own: after a reset it
connects again once, 1 s later, and dies if that is refused; when it succeeds, two threads read one socket and
take each other's headers and payloads; and it gives up when it cannot send for 3 s.

Commands: `send MESSAGE`.
"""

import socket
import struct
import time

import comms_server
import peer

PATIENCE = 3


class Client:
    def __init__(self, program):
        self.program = program
        self.format = comms_server.Format(program.options)
        self.gave_up = False
        self.readers = 0
        program.more = lambda: {"gave_up": self.gave_up}
        self.use(peer.connect(program.options))
        if program.options.duration:
            self.run(f"{program.options.rate} {program.options.duration}")

    def use(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
        self.connection = connection
        self.readers += 1
        self.program.callback("connect")
        self.program.thread(f"reader {self.readers}", self.receive)

    def receive(self):
        while True:
            self.program.reading.wait()
            try:
                message, came = self.format.read(self.connection)
            except OSError:
                self.program.callback("close")
                time.sleep(1)
                options = self.program.options
                self.use(socket.create_connection((options.host, options.port)))
                continue  # And the thread that reads for the new connection is not the only one.
            self.on_message(message, came)

    def on_message(self, message, came):
        if came:
            self.program.record("received", message)
        self.program.callback("message")

    def send(self, message):
        if self.gave_up:
            return
        self.program.record("sent", message)
        try:
            self.gave_up = not self.format.write(self.connection, message)
        except BlockingIOError:
            self.gave_up = True

    def run(self, rest):
        rate, duration = map(float, rest.split())
        items = peer.messages(self.format.outgoing, self.program.options.seed)
        self.program.run(rate, duration, items, self.send)


def main():
    parser = peer.arguments(__doc__, 3000)
    comms_server.Format.add_arguments(parser)
    program = peer.Peer(parser.parse_args())
    client = Client(program)
    program.obey({"send": lambda text: client.send(peer.untagged(text)), "run": client.run})


if __name__ == "__main__":
    main()
