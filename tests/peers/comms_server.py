"""A comms server: messages both ways, to and from any number of clients.

Its defects: it writes a header and a payload by themselves and does not look at how much was written; it
reads each with one `recv`, so that a message that comes in pieces makes it lose the thread; at an orderly end
of its input a string or binary server calls back with empty messages for ever, and a JSON server's thread for
that client dies, as of any length of 0; it broadcasts from threads that do not wait for one another; it
cannot send to a handle, and does not say so; and its callbacks do not tell who it was.

Commands: `broadcast MESSAGE`, `send-index NUMBER MESSAGE`, `send-handle NUMBER MESSAGE`. What `run` makes up
goes to the first client.
"""

import itertools
import json
import time

import peer


class Format:
    """What both ends agreed on, and how an original reads and writes it."""

    def __init__(self, options):
        self.type = options.type
        self.outgoing = options.send or options.type
        self.order = options.order
        self.gap = options.gap

    @staticmethod
    def add_arguments(parser):
        types = ["json", "string", "binary"]
        parser.add_argument("--type", choices=types, default="json", help="what comes in")
        parser.add_argument("--send", choices=types, help="what goes out; as --type, if not given")
        parser.add_argument("--order", choices=["little", "big"], default="little")
        parser.add_argument("--gap", type=float, default=0.0, help="seconds between a header and its payload")

    def write(self, connection, message):
        encode = {"json": lambda value: json.dumps(value).encode(), "string": str.encode, "binary": bytes}
        payload = encode[self.outgoing](message)
        sent = connection.send(len(payload).to_bytes(4, self.order))
        time.sleep(self.gap)
        sent += connection.send(payload)
        return sent == 4 + len(payload)

    def read(self, connection):
        """A message, and whether anything came at all: at the end of the input the empty message comes for ever."""
        header = connection.recv(4)
        payload = connection.recv(int.from_bytes(header, self.order))
        decode = {"json": lambda text: json.loads(text.decode()), "string": bytes.decode, "binary": bytes}
        return decode[self.type](payload), bool(header)


class Server:
    def __init__(self, program, listener):
        self.program = program
        self.format = Format(program.options)
        self.listener = listener
        self.connections = []
        self.numbers = itertools.count(1)
        program.thread("accept", self.accept)

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            self.connections.append(connection)
            self.program.callback("connect")
            self.program.thread(f"client {next(self.numbers)}", self.receive, connection)
            options = self.program.options
            if options.duration and self.program.callbacks["connect"] == 1:
                self.run(f"{options.rate} {options.duration}")

    def receive(self, connection):
        try:
            while True:
                self.program.reading.wait()
                self.on_message(*self.format.read(connection))
        except OSError:
            self.connections.remove(connection)
            self.program.callback("close")

    def on_message(self, message, came):
        if came:
            self.program.record("received", message)
        self.program.callback("message")
        if self.program.options.relay:
            self.broadcast(message)

    def broadcast(self, message):
        self.program.record("sent", message)
        for connection in list(self.connections):
            self.program.thread("broadcast", self.format.write, connection, message)

    def send(self, client, message):
        if isinstance(client, int):
            self.program.record("sent", message)
            self.format.write(self.connections[client], message)

    def send_to(self, text, client):
        number, message = text.split(maxsplit=1)
        self.send(client(int(number)), peer.untagged(message))

    def run(self, rest):
        rate, duration = map(float, rest.split())
        items = peer.messages(self.format.outgoing, self.program.options.seed)
        self.program.run(rate, duration, items, lambda message: self.send(0, message))


def main():
    parser = peer.arguments(__doc__, 3000)
    Format.add_arguments(parser)
    parser.add_argument(
        "--relay", action="store_true", help="sends what one client said to all, as the example does"
    )
    options = parser.parse_args()
    program = peer.Peer(options)
    server = Server(program, peer.listen(options))
    program.obey(
        {
            "broadcast": lambda text: server.broadcast(peer.untagged(text)),
            "send-index": lambda text: server.send_to(text, lambda number: number),
            "send-handle": lambda text: server.send_to(text, lambda number: server.connections[number]),
            "run": server.run,
        }
    )


if __name__ == "__main__":
    main()
