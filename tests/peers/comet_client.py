"""A comet client program: requests to servers by name, each answered on a connection of its own.

Its defects: it waits for an answer for ever, and whatever is asked of that server next waits too; and one
connection that is refused, or ends without a whole answer, spoils the object that stands for that server for
good.

Commands: `ask NAME ACTION VALUE` waits for the answer before the next `ask` of any server, `post NAME ACTION
VALUE` does not wait, `binary NAME HEX` posts bytes. An action is a JSON value too, without spaces. What `run`
makes up goes to the first server.
"""

import json
import queue
import socket
import struct
import threading

import comet_server
import peer


class Client:
    """What stands for one server in a program: one request at a time."""

    def __init__(self, program, name, host, port):
        self.program = program
        self.name = name
        self.address = (host, port)
        self.turn = threading.Lock()
        self.spoiled = None
        self.answered = 0

    def request(self, kind, encoding, content):
        """The answer's content; `None` for ever after something went wrong once."""
        with self.turn:
            if self.spoiled:
                return None
            try:
                content = self.exchange(kind, encoding, content)
            except (OSError, EOFError, ValueError, KeyError) as error:
                self.spoiled = f"{type(error).__name__}: {error}"
                return None
            self.answered += 1
            return content

    def exchange(self, kind, encoding, content):
        with socket.create_connection(self.address) as connection:
            connection.sendall(comet_server.frame(kind, encoding, content))
            length = struct.unpack(">H", take(connection, 2))[0]
            header = json.loads(take(connection, length))
            return take(connection, header["content-length"])

    def ask(self, action, value):
        self.program.record("sent", {"action": action, "value": value}, to=self.name)
        content = json.dumps({"action": action, "value": value}, ensure_ascii=False).encode()
        answer = self.request("text/json", "utf-8", content)
        if answer is not None:
            answer = json.loads(answer)
            self.program.record("received", {"action": action, **answer}, to=self.name)

    def binary(self, content):
        self.program.record("sent", content, to=self.name)
        answer = self.request("binary/custom-client-binary-type", "binary", content)
        if answer is not None:
            self.program.record("received", answer, to=self.name)


def take(connection, count):
    taken = b""
    while len(taken) < count:
        part = connection.recv(count - len(taken))
        if not part:
            raise EOFError("the connection ended before the answer did")
        taken += part
    return taken


class Program:
    def __init__(self, program):
        self.program = program
        self.asked = queue.Queue()
        options = program.options
        targets = dict(target.split("=") for target in options.client)
        addresses = {name: address.rsplit(":", 1) for name, address in targets.items()}
        addresses = addresses or {"server": (options.host, options.port)}
        self.clients = {
            name: Client(program, name, host, int(port)) for name, (host, port) in addresses.items()
        }
        program.more = lambda: {
            "clients": {
                name: {"spoiled": client.spoiled, "answered": client.answered, "busy": client.turn.locked()}
                for name, client in self.clients.items()
            }
        }
        peer.say(ready=0)
        program.thread("asker", self.ask_in_turn)
        if options.duration:
            self.run(f"{options.rate} {options.duration}")

    def ask_in_turn(self):
        while True:
            client, action, value = self.asked.get()
            client.ask(action, value)

    def ask(self, text):
        self.asked.put(self.parse(text))

    def post(self, text):
        client, action, value = self.parse(text)
        self.program.thread("post", client.ask, action, value)

    def binary(self, text):
        name, content = text.split()
        self.program.thread("post", self.clients[name].binary, bytes.fromhex(content))

    def parse(self, text):
        name, action, value = text.split(maxsplit=2)
        return self.clients[name], json.loads(action), peer.untagged(value)

    def run(self, rest):
        rate, duration = map(float, rest.split())
        client = next(iter(self.clients.values()))
        values = peer.dictionaries(self.program.options.seed)
        self.program.run(rate, duration, values, lambda value: client.ask("data", value))


def main():
    parser = peer.arguments(__doc__, 65432)
    parser.add_argument("--client", action="append", default=[], metavar="NAME=HOST:PORT", help="its server")
    program = peer.Peer(parser.parse_args())
    comet = Program(program)
    program.obey({"ask": comet.ask, "post": comet.post, "binary": comet.binary, "run": comet.run})


if __name__ == "__main__":
    main()
