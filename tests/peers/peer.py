"""What the peers share: a journal, commands on standard input, a report, and made-up dictionaries and
messages.

A peer does what a program of one of the four older systems does, each of its defects included, so that tests
can drive our programs with it. Only the standard library of Python 3.9 or later is used.

It prints JSON, an object a line: `{"ready": PORT}` when it listens or is connected, `{"failed": WHY}` when it
cannot, and `{"report": ...}` whenever it is asked to and when it ends. It takes these commands on standard
input, besides its own:

    report              prints what was seen so far
    run RATE SECONDS    sends made-up data, so many a second for so long
    pause, resume       stops reading what is sent to it, and goes on
    stop                prints a report and ends, as the end of the input does

Values in commands, journal and report are JSON in the `$` form: binary is {"$binary": "base64"}.
"""

import argparse
import base64
import collections
import itertools
import json
import os
import random
import socket
import sys
import threading
import time


def arguments(description, port):
    """The options that every peer has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--journal", help="a file for what is sent and received, a JSON object a line")
    parser.add_argument("--rate", type=float, default=200.0, help="how much is made up and sent, a second")
    parser.add_argument(
        "--duration", type=float, default=0.0, help="for how long, in seconds, from the first connection on"
    )
    parser.add_argument("--seed", type=int, default=1, help="what is made up depends on it alone")
    return parser


class Peer:
    """One program: what it sent and saw, and what became of its threads."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.reading = threading.Event()
        self.reading.set()
        self.journal = options.journal and open(options.journal, "w", encoding="ascii", buffering=1)
        self.entries = itertools.count(1)
        self.callbacks = collections.Counter()
        self.order = []
        self.counts = collections.Counter()
        self.messages = collections.deque(maxlen=20)
        self.runs = collections.Counter()
        self.ended = collections.Counter()
        self.died = {}
        self.more = dict  # what else a report has, as a function

    def record(self, what, value=None, **more):
        """Writes a line of the journal: `sent` before it is sent, since what arrives has to be in it."""
        with self.lock:
            self.counts[what] += 1
            if what == "received":
                self.messages.append(value)
            if self.journal:
                line = {
                    "n": next(self.entries),
                    "time": time.time(),
                    "what": what,
                    "value": tagged(value),
                    **more,
                }
                self.journal.write(json.dumps(line) + "\n")

    def callback(self, name):
        """Counts a call of the function that the program's user gave for `name`."""
        with self.lock:
            self.callbacks[name] += 1
            if self.order and self.order[-1][0] == name:
                self.order[-1][1] += 1
            else:
                self.order.append([name, 1])

    def thread(self, name, function, *values):
        """Runs a function on a thread; the report tells whether it runs, ended, or what it died of."""

        def run():
            died = None
            try:
                function(*values)
            except Exception as error:  # As the interpreter does: this thread is dead, the others go on.
                died = f"{type(error).__name__}: {error}"
                self.record("died", f"{name} of {died}")
            with self.lock:
                self.runs[name] -= 1
                if died:
                    self.died[name] = died
                else:
                    self.ended[name] += 1

        with self.lock:
            self.runs[name] += 1
        threading.Thread(target=run, name=name, daemon=True).start()

    def run(self, rate, duration, items, send):
        """Sends made-up items on a thread of their own, called `run`."""

        def send_all():
            for item in itertools.islice(paced(rate, items), round(rate * duration)):
                send(item)

        self.thread("run", send_all)

    def report(self):
        with self.lock:
            report = {
                "sent": self.counts["sent"],
                "received": self.counts["received"],
                "messages": [tagged(message) for message in self.messages],
                "callbacks": dict(self.callbacks),
                "order": self.order,
                "runs": dict(+self.runs),
                "ended": dict(self.ended),
                "died": self.died,
                "cpu": time.process_time(),
                **self.more(),
            }
        say(report=report)

    def obey(self, commands):
        """Does what standard input says until it ends, and then ends the process, whatever its threads do."""
        commands = {
            "report": self.report,
            "pause": self.reading.clear,
            "resume": self.reading.set,
            **commands,
        }
        for line in sys.stdin:
            word, *rest = line.split(maxsplit=1)
            if word == "stop":
                break
            try:
                commands[word](*rest)
            except OSError as error:
                self.record("failed", f"{word}: {error}")
        self.report()
        os._exit(0)


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def listen(options, reuse=True):
    """A listening socket; the process ends if there can be none."""
    listener = socket.socket()
    if reuse:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
        listener.listen(128)
    except OSError as error:
        say(failed=str(error))
        sys.exit(1)
    say(ready=listener.getsockname()[1])
    return listener


def connect(options):
    """A connection; the process ends if there can be none."""
    try:
        connection = socket.create_connection((options.host, options.port))
    except OSError as error:
        say(failed=str(error))
        sys.exit(1)
    say(ready=connection.getsockname()[1])
    return connection


def tagged(value):
    """A value in the `$` form; NaN and the infinities stay bare words."""
    if isinstance(value, bytes):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [tagged(item) for item in value]
    if isinstance(value, dict):
        entries = {str(key): tagged(item) for key, item in value.items()}
        return {"$dict": entries} if len(entries) == 1 and next(iter(entries)).startswith("$") else entries
    return value


def untagged(text):
    """The value of a command."""

    def resolve(entries):
        if list(entries) == ["$binary"]:
            return base64.b64decode(entries["$binary"])
        return entries["$dict"] if list(entries) == ["$dict"] else entries

    return json.loads(text, object_hook=resolve)


def paced(rate, items):
    """The items, each when it is due; those that are late at once."""
    start = time.monotonic()
    for number, item in enumerate(items):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        yield item


def dictionaries(seed):
    """A program's dictionary over time, for ever; some do not differ from the one before."""
    chance = random.Random(seed)
    now = {"run": seed}
    for number in itertools.count():
        if chance.random() < 0.8:
            for _ in range(chance.randrange(1, 4)):
                key = chance.choice(["V", "I", "on", "µV", "温度", "list", "", "a b", "k0", "k1", "k2", "k3"])
                if chance.random() < 0.1:
                    now.pop(key, None)
                else:
                    now[key] = made_up(chance, number)
        yield dict(now)


def messages(kind, seed):
    """Messages, for ever; a fifth of them repeat the one before."""
    chance = random.Random(seed)
    message = {"json": {"cmd": "fire"}, "string": "fire", "binary": b"fire"}[kind]
    for number in itertools.count():
        if chance.random() >= 0.2:
            if kind == "json":
                message = chance.choice([{"cmd": "fire"}, {"n": number, "µ": made_up(chance, number)}])
            elif kind == "string":
                message = chance.choice(["fire", "", "Müller µV 中😀", f"line {number}\n\0", "x" * 2_000])
            else:
                message = chance.choice(
                    [b"", bytes(range(256)), chance.randbytes(chance.randrange(1, 2_000))]
                )
        yield message


NAN = float("nan")


def made_up(chance, number):
    """Any value that JSON of Python's can say."""
    return chance.choice(
        [
            NAN, float("inf"), -float("inf"), 1, 1.0, True, False, None, number, number / 8, -1.5e-09, 1e300,
            2**69 + number, -(2**69) - number, 10**100 + number, "", "Müller 中😀", f'"\\\n\0 {number}',
            [1, "two", None, [NAN]], {"ch1": {"V": number / 2, "on": True}, "": []},
        ]
    )  # fmt: skip
