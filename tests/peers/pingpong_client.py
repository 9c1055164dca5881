"""A pingpong client: it sends readings of a sensor and tells how long each answer took.

Its defects: it pairs answers with what it sent by counting, an answer being whatever one read returns; it
never connects again; a reading was taken one interval before it is sent.

It prints `{"round_trip": SECONDS}` for each answer, `{"lost": SECONDS}` when one took so long. Commands:
`send TEXT`.
"""

import datetime
import itertools
import json
import threading
import time

import peer


class Client:
    def __init__(self, program, connection):
        self.program = program
        self.connection = connection
        self.begun = threading.Event()
        self.sent = []
        self.answers = 0
        self.round_trips = []
        self.lost = 0
        program.more = lambda: {"round_trips": self.round_trips, "answers": self.answers, "lost": self.lost}
        program.thread("receiver", self.receive)
        program.thread("sender", self.send_readings)

    def send(self, text):
        self.program.record("sent", text)
        self.sent.append(time.monotonic())
        self.connection.sendall(text.encode())

    def receive(self):
        while True:
            self.program.reading.wait()
            data = self.connection.recv(1024)
            if not data:
                raise EOFError("the server is gone")
            self.program.record("received", data)
            taken = time.monotonic() - self.sent[self.answers]
            self.answers += 1
            self.round_trips.append(taken)
            peer.say(round_trip=taken)
            self.begun.set()

    def send_readings(self):
        self.send("ping")
        self.begun.wait(self.program.options.loss)
        self.report_loss()
        readings = itertools.islice(self.readings(), self.program.options.count)
        for reading in readings:
            time.sleep(self.program.options.interval)
            while self.program.options.patient and self.answers < len(self.sent):
                time.sleep(0.001)
            self.send(f"ping / {reading}")
            self.report_loss()

    def readings(self):
        values = itertools.cycle([102, 21.5, -3, 1e-05, 2**70, peer.NAN])
        for number, value in enumerate(values):
            now = datetime.datetime.now()
            if number % 3 == 0:  # As one time in a million: without its fraction.
                now = now.replace(microsecond=0)
            yield (str(now), value)

    def report_loss(self):
        for at in self.sent[self.answers + self.lost :]:
            taken = time.monotonic() - at
            if taken >= self.program.options.loss:
                self.lost += 1
                peer.say(lost=taken)


def main():
    parser = peer.arguments(__doc__, 8889)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two readings")
    parser.add_argument(
        "--patient",
        action="store_true",
        help="sends after the answer to the last; as good as always so in a second, not in less",
    )
    parser.add_argument("--count", type=int, help="how many readings are sent; no end, if not given")
    parser.add_argument(
        "--loss", type=float, default=10.0, help="seconds after which an answer counts as lost"
    )
    options = parser.parse_args()
    program = peer.Peer(options)
    client = Client(program, peer.connect(options))
    program.obey({"send": lambda text: client.send(json.loads(text))})


if __name__ == "__main__":
    main()
