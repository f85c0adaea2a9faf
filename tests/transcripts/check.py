#!/usr/bin/env python3
"""Plays transcripts against a real memcached or redis-server, to prove that they are right.

    check.py [FILE...]                    default: memcached/*.txt and resp/*.txt beside this script
    check.py --magpie PROGRAM [FILE...]   the same over sockets against magpie

What lies below a folder named `resp` is for Redis.
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def unescape(text):
    text = re.sub(r"\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}
    out, i = b"", 0
    for m in re.finditer(r"\\(x[0-9a-fA-F]{2}|.)", text):
        out += text[i : m.start()].encode()
        what = m[1]
        out += bytes([int(what[1:], 16)]) if what[0] == "x" and len(what) == 3 else simple.get(what, what.encode())
        i = m.end()
    return out + text[i:].encode()


def parse(path):
    settings, steps = {}, []
    for number, line in enumerate(path.read_text().split("\n"), 1):
        mark, _, rest = line.partition(" ")
        if mark in ("", "#"):
            continue
        if mark == "%":
            name, _, value = rest.partition(" ")
            settings[name] = value
        elif mark in (">", "<"):
            steps.append((number, mark, unescape(rest) + b"\r\n"))
        elif mark in (">|", "<|"):
            steps.append((number, mark[0], unescape(rest)))
        elif mark in ("~", "="):
            steps.append((number, mark, rest))
        else:
            raise SystemExit(f"{path}:{number}: {line}")
    return settings, steps


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    process = None

    def start(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.connect().close()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("the server does not start")

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(1)
        return connection


class Magpie(Server):
    def __init__(self, program, settings, is_resp):
        self.port = free_port()
        mine, other = ("--port", "--memcached-port") if is_resp else ("--memcached-port", "--port")
        command = [program, other, "0", mine, str(self.port)]
        for name, value in settings.items():
            command += [f"--{name}", value]
        self.start(command)


class Redis(Server):
    def __init__(self, settings):
        self.port = free_port()
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        # DEBUG RELOAD leaves a dump behind.
        self.folder = tempfile.TemporaryDirectory()
        options += ["--dir", self.folder.name]
        self.start(["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no", *options])


class Memcached(Server):
    def __init__(self, settings):
        self.port = free_port()
        options = []
        self.authfile = None
        for name, value in settings.items():
            if name == "max-item-size":
                options += ["-I", value.removesuffix("b")]
            elif name == "requirepass":
                self.authfile = tempfile.NamedTemporaryFile("w", suffix=".auth")
                self.authfile.write(f"default:{value}\n")
                self.authfile.flush()
                pathlib.Path(self.authfile.name).chmod(0o644)
                options += ["-Y", self.authfile.name]
            elif name == "enable-shutdown":
                options += ["-A"]
            else:
                raise SystemExit(f"no option of memcached's for {name}")
        self.start(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-p", str(self.port), *options])


def receive(connection, count, patience):
    """What comes within `patience` seconds, until at least `count` bytes are there; None at the end: closed."""
    data, until = b"", time.monotonic() + patience
    while len(data) < count and time.monotonic() < until:
        connection.settimeout(max(until - time.monotonic(), 0.001))
        try:
            got = connection.recv(1 << 20)
        except (TimeoutError, socket.timeout):
            break
        except ConnectionResetError:
            got = b""
        if not got:
            return data, True
        data += got
    return data, False


def fill(text, captures):
    for name, value in captures.items():
        text = text.replace(b"{" + name + b"}", value)
    return text


def expect(connection, pending, expected, captures):
    """Takes `expected` off the replies; None when they are different."""
    parts = re.split(rb"\{(\w+)\}", fill(expected, captures))
    pattern = re.compile(b"".join(re.escape(p) if i % 2 == 0 else b"(?P<" + p + rb">\d+)" for i, p in enumerate(parts)))
    until = time.monotonic() + 2
    while True:
        found = pattern.match(pending)
        if found and (len(found[0]) < len(pending) or expected.endswith(b"\n")):
            captures.update({name.encode(): value for name, value in found.groupdict().items()})
            return pending[found.end() :]
        got, closed = receive(connection, 1, 0.5)
        pending += got
        if closed or time.monotonic() > until:
            print(f"   got {pending[:300]!r}")
            return None


def play(path, magpie):
    settings, steps = parse(path)
    is_resp = "resp" in path.parts
    if magpie:
        server = Magpie(magpie, settings, is_resp)
    else:
        server = Redis(settings) if is_resp else Memcached(settings)
    connection, pending, captures = server.connect(), b"", {}
    try:
        for i, (number, mark, what) in enumerate(steps):
            if mark == ">":
                # Requests that stand together are sent together.
                block = fill(what, captures)
                if i and steps[i - 1][1] == ">":
                    continue
                for _, next_mark, more in steps[i + 1 :]:
                    if next_mark != ">":
                        break
                    block += fill(more, captures)
                connection.sendall(block)
            elif mark == "<":
                pending = expect(connection, pending, what, captures)
                if pending is None:
                    print(f"{path}:{number}: expected {what[:300]!r}")
                    return False
            else:
                more, closed = receive(connection, 1 << 30, 0.1)
                if pending + more:
                    print(f"{path}:{number}: unexpected {(pending + more)[:300]!r}")
                    return False
                if mark == "~":
                    time.sleep(int(what.removesuffix("ms")) / 1000)
                elif what == "closed" and not closed:
                    print(f"{path}:{number}: not closed")
                    return False
                elif what == "new":
                    connection = server.connect()
        more, _ = receive(connection, 1 << 30, 0.1)
        if pending + more:
            print(f"{path}: unexpected at the end: {(pending + more)[:300]!r}")
            return False
        return True
    finally:
        server.process.kill()
        server.process.wait()


def main():
    names = sys.argv[1:]
    magpie = None
    if names[:1] == ["--magpie"]:
        magpie, names = names[1], names[2:]
    paths = [pathlib.Path(name).resolve() for name in names]
    paths = paths or sorted([*(HERE / "memcached").glob("*.txt"), *(HERE / "resp").glob("*.txt")])
    failed = [path for path in paths if not play(path, magpie)]
    print(f"{len(paths) - len(failed)} of {len(paths)} transcripts agree with {magpie or 'the real servers'}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
