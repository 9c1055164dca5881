"""A comet server program: functions are called in turn with (action, value), and the first true answer is
sent.

Its defects: content that is JSON but no dictionary is left unanswered, the connection open. With `--silent`
it answers nothing at all, as a program does that hangs in one of its functions.
"""

import json
import struct
import sys

import peer


class Server:
    def __init__(self, program, listener):
        self.program = program
        self.listener = listener
        self.functions = []
        self.unanswered = []  # Kept, or they would be closed.
        program.more = lambda: {"unanswered": len(self.unanswered)}
        program.thread("accept", self.accept)

    def register(self, function):
        self.functions.append(function)

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            self.program.callback("connect")
            self.program.thread("exchange", self.exchange, connection)

    def exchange(self, connection):
        stream = connection.makefile("rb")
        (length,) = struct.unpack(">H", stream.read(2))
        header = json.loads(stream.read(length).decode())
        for required in ("byteorder", "content-length", "content-type", "content-encoding"):
            if required not in header:
                raise ValueError(f"Missing required header '{required}'.")
        content = stream.read(header["content-length"])
        if header["content-type"] == "text/json":
            answer = self.answer(json.loads(content.decode(header["content-encoding"])))
        else:
            self.program.record("received", content)
            content = b"First 10 bytes of request: " + content[:10]
            answer = "binary/custom-server-binary-type", "binary", content
        if answer is None or self.program.options.silent:
            self.unanswered.append((connection, stream))
            return
        self.program.record("sent", answer[2])
        connection.sendall(frame(*answer))
        stream.close()
        connection.close()

    def answer(self, request):
        """Content type, encoding and content; nothing for what is no dictionary."""
        self.program.record("received", request)
        if not isinstance(request, dict):
            return None
        action, value = request.get("action"), request.get("value")
        if action and value:
            answers = (function(action, value) for function in self.functions)
            result = next((answer for answer in answers if answer), None)
        else:
            result = f"Error: invalid action and or value {action}, {value}"
        return "text/json", "utf-8", json.dumps({"result": result}, ensure_ascii=False).encode()


def frame(kind, encoding, content):
    """What is sent, either way."""
    header = {
        "byteorder": sys.byteorder,
        "content-type": kind,
        "content-encoding": encoding,
        "content-length": len(content),
    }
    header = json.dumps(header, ensure_ascii=False).encode()
    return struct.pack(">H", len(header)) + header + content


def for_action(program, text):
    """A function of the program's user: `ACTION=ANSWER` answers one action, `=` any with what it got."""
    wanted, answer = text.split("=", 1)

    def function(action, value):
        program.callback(text)
        if not wanted:
            return {"got": value}
        return json.loads(answer) if action == wanted else None

    return function


def main():
    parser = peer.arguments(__doc__, 65432)
    parser.add_argument("--silent", action="store_true", help="answers nothing")
    parser.add_argument(
        "--function", action="append", default=[], metavar="ACTION=ANSWER", help="called in this order"
    )
    options = parser.parse_args()
    program = peer.Peer(options)
    server = Server(program, peer.listen(options))
    for text in options.function:
        server.register(for_action(program, text))
    program.obey({})


if __name__ == "__main__":
    main()
