#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
"""A client of keyd (tests/ports/keyd/): conversations.py PROGRAM TEST. Every byte of every answer is compared."""
import os, selectors, signal, socket, subprocess, sys, tempfile, time

PROGRAM = sys.argv[1]
PATIENCE = 60  # seconds until a wait of the test fails


class Server:
    """keyd as a child, on an address of the loopback network that no other process uses."""

    def __init__(self, *options):
        pid = os.getpid()
        address = f"127.{pid >> 16 & 127}.{pid >> 8 & 255}.{pid & 255 or 1}"
        self.process = subprocess.Popen([PROGRAM, *options, address, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on "), (line, self.process.stderr.read())
        host, port = line.split()[-1].split(":")
        self.place = host, int(port)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if self.process.poll() is None:
            self.process.kill()
        if kind:
            sys.stderr.write(self.process.stderr.read().decode())

    def end(self, keys, said=b""):
        """By SIGTERM; in order, and with nothing on standard error but `said`."""
        self.process.send_signal(signal.SIGTERM)
        out, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, self.process.returncode
        assert out == b"ended with %d keys\n" % keys, out
        assert errors == said, errors


class Client:
    def __init__(self, server):
        self.socket = socket.create_connection(server.place)
        self.socket.settimeout(PATIENCE)

    def send(self, *words):
        self.raw(command(*words))

    def raw(self, text):
        self.socket.sendall(text)

    def expect(self, wanted):
        got = b""
        while len(got) < len(wanted):
            part = self.socket.recv(len(wanted) - len(got))
            if not part:
                break
            got += part
        assert got == wanted, (got[:200], wanted[:200])

    def ask(self, wanted, *words):
        self.send(*words)
        self.expect(wanted)

    def ends(self):
        rest = self.socket.recv(1)
        assert rest == b"", rest
        self.socket.close()

    def await_info(self, wanted):
        """Asks until INFO has that word."""
        until = time.monotonic() + PATIENCE
        while True:
            self.send("INFO")
            size = int(self.line()[1:])
            text = self.exactly(size + 2).decode().split()
            if wanted in text:
                return
            assert time.monotonic() < until, (text, wanted)
            time.sleep(0.01)

    def exactly(self, n):
        got = b""
        while len(got) < n:
            part = self.socket.recv(n - len(got))
            assert part
            got += part
        return got

    def line(self):
        got = b""
        while not got.endswith(b"\r\n"):
            got += self.exactly(1)
        return got[:-2]


def command(*words):
    text = b"*%d\r\n" % len(words)
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        text += b"$%d\r\n%s\r\n" % (len(word), word)
    return text


def bulk(text):
    text = text if isinstance(text, bytes) else text.encode()
    return b"$%d\r\n%s\r\n" % (len(text), text)


OK, NONE = b"+OK\r\n", b"$-1\r\n"


def commands():
    """Each command, its errors, and input that makes no sense; whole, byte by byte, and many at once."""
    wrong_kind = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    binary = bytes(range(256))
    talk = [
        (b"+PONG\r\n", "PING"), (bulk(binary), "ECHO", binary), (b"-ERR unknown command 'x'\r\n", "x"),
        (b"-ERR wrong number of arguments for 'get' command\r\n", "GET"), (NONE, "GET", "a"), (OK, "SET", "a", binary),
        (bulk(binary), "get", "a"), (b"-ERR value is not an integer or out of range\r\n", "INCR", "a"),
        (OK, "SET", "n", "41"), (b":42\r\n", "INCR", "n"), (b":1\r\n", "INCR", "m"), (bulk("42"), "GET", "n"),
        (b":2\r\n", "EXISTS", "a", "b", "n"), (b":-1\r\n", "PTTL", "a"), (b":-2\r\n", "PTTL", "b"),
        (b":3\r\n", "RPUSH", "l", "1", "2", "3"), (b":4\r\n", "LPUSH", "l", "0"), (b":4\r\n", "LLEN", "l"),
        (bulk("0"), "LPOP", "l"), (b"*2\r\n" + bulk("l") + bulk("1"), "BLPOP", "l", "0"), (wrong_kind, "GET", "l"),
        (wrong_kind, "LPOP", "a"), (wrong_kind, "INCR", "l"), (NONE, "LPOP", "none"), (b":0\r\n", "LLEN", "none"),
        (b"-ERR invalid expire time\r\n", "SET", "a", "1", "EX", "0"), (b"-ERR syntax error\r\n", "SET", "a", "1", "2"),
        (b":4\r\n", "DBSIZE"), (b":2\r\n", "DEL", "a", "l", "none"), (b":0\r\n", "PUBLISH", "c", "text"),
        (OK, "SAVE"), (OK, "FLUSHALL"), (b":0\r\n", "DBSIZE"),
    ]
    with Server() as server:
        client = Client(server)
        for answer, *words in talk:
            client.ask(answer, *words)
        for answer, *words in talk:
            for byte in command(*words):
                client.raw(bytes([byte]))
            client.expect(answer)
        client.raw(b"".join(command(*words) for answer, *words in talk) * 20)
        client.expect(b"".join(answer for answer, *words in talk) * 20)
        client.raw(b"PING\r\n  SET  a  b \nGET a\r\n\r\nQUIT\r\n")
        client.expect(b"+PONG\r\n" + OK + bulk("b") + OK)
        client.ends()
        for text, error in ((b"*x\r\n", b"invalid multibulk length"), (b"*1\r\n$x\r\n", b"invalid bulk length"),
                            (b"*1\r\n$9999999\r\n", b"invalid bulk length"), (b"x " * 99 + b"\n", b"too many arguments")):
            client = Client(server)
            client.raw(text)
            client.expect(b"-ERR Protocol error: " + error + b"\r\n")
            client.ends()
        big = os.urandom(1000000)
        client = Client(server)
        client.ask(OK, "SET", "big", big)
        client.ask(bulk(big), "GET", "big")
        server.end(0)


def expiry():
    """What has expired is gone, for those who ask, and for the thread that removes it."""
    with Server() as server:
        client = Client(server)
        client.ask(OK, "SET", "long", "1", "EX", "1000")
        client.ask(OK, "SET", "short", "1", "PX", "150")
        client.ask(OK, "SET", "kept", "1", "PX", "50")
        client.ask(OK, "SET", "kept", "2")
        client.ask(OK, "SET", "soon", "1")
        start = time.monotonic()
        client.ask(b":1\r\n", "PEXPIRE", "soon", "100")
        client.ask(b":0\r\n", "PEXPIRE", "none", "100")
        client.await_info("keys:2")  # nobody asks for them
        assert time.monotonic() - start >= 0.09
        client.ask(NONE, "GET", "short")
        client.ask(b":2\r\n", "EXISTS", "long", "kept", "soon")
        client.send("PTTL", "long")
        assert 900000 < int(client.line()[1:]) <= 1000000
        server.end(0)


def lists():
    """200 clients wait for items: each item goes to one; waits end by time."""
    with Server() as server:
        waiting = [Client(server) for i in range(200)]
        client = Client(server)
        for i, one in enumerate(waiting):
            one.send("BLPOP", "list", "0")
            client.await_info(f"waiting:{i + 1}")
        for i in range(0, 200, 20):
            for k in range(20):
                client.send("RPUSH", "list", f"item {i + k}")
                assert client.line()[:1] == b":"
        got = []
        for one in waiting:
            one.expect(b"*2\r\n" + bulk("list"))
            size = one.line()
            got.append((size, one.exactly(int(size[1:]) + 2)))
        assert sorted(got) == sorted((b"$%d" % len(f"item {i}"), b"item %d\r\n" % i) for i in range(200))
        client.ask(b":0\r\n", "LLEN", "list")
        start = time.monotonic()
        client.ask(b"*-1\r\n", "BLPOP", "list", "1")
        assert 0.99 <= time.monotonic() - start < 30
        server.end(0)


def vanish():
    """Clients that go while they wait, or amid a command, or that never read: nothing is lost, and nobody waits for them."""
    with Server() as server:
        client = Client(server)
        for i in range(10):
            gone = Client(server)
            gone.send("BLPOP", "list", "0")
            client.await_info("waiting:1")
            gone.socket.close()
        client.await_info("waiting:0")
        client.ask(b":1\r\n", "RPUSH", "list", "kept")
        client.ask(bulk("kept"), "LPOP", "list")
        for i in range(100):
            gone = Client(server)
            gone.raw(command("SET", "half", "x" * 1000)[:i * 5])
            if i % 2:  # by a reset
                gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gone.socket.close()
        deaf = Client(server)
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.ask(OK, "SET", "big", b"x" * 1000000)
        for i in range(20):
            deaf.send("GET", "big")
        client.ask(b"+PONG\r\n", "PING")
        deaf.socket.close()
        client.await_info("clients:1")
        client.ask(b":0\r\n", "EXISTS", "half")
        server.end(0)


def publish():
    """Subscribers get what is published, whole and in order, also while they talk themselves."""
    with Server() as server:
        subscribers = [Client(server) for i in range(50)]
        for i, one in enumerate(subscribers):
            one.ask(b"*3\r\n" + bulk("subscribe") + bulk(f"channel {i % 2}") + b":1\r\n", "SUBSCRIBE", f"channel {i % 2}")
        client = Client(server)
        for i in range(100):
            client.ask(b":25\r\n", "PUBLISH", f"channel {i % 2}", f"text {i}")
        for i, one in enumerate(subscribers):
            for k in range(i % 2, 100, 2):
                one.expect(b"*3\r\n" + bulk("message") + bulk(f"channel {i % 2}") + bulk(f"text {k}"))
            one.ask(b"+PONG\r\n", "PING")
        subscribers.pop().socket.close()
        client.await_info("clients:50")
        client.ask(b":24\r\n", "PUBLISH", "channel 1", "last")
        server.end(0)


def many():
    """1,000 clients, one key: no increment is lost, and each sees its own writes."""
    clients, rounds = 1000, 20
    with Server() as server:
        selector = selectors.DefaultSelector()
        sums = []
        for i in range(clients):
            client = Client(server)
            client.name, client.round, client.got = f"key {i}", 0, b""
            selector.register(client.socket, selectors.EVENT_READ, client)
        keys = list(selector.get_map().values())

        def ask(client):
            value = f"{client.name} {client.round}"
            client.raw(command("SET", client.name, value) + command("INCR", "all") + command("GET", client.name))
            client.wanted = OK, bulk(value)
            client.got = b""

        for key in keys:
            ask(key.data)
        left = clients
        while left:
            ready = selector.select(PATIENCE)
            assert ready
            for key, _ in ready:
                client = key.data
                part = client.socket.recv(4096)
                assert part
                client.got += part
                first, last = client.wanted
                if not client.got.endswith(last) or client.got.count(b"\r\n") < 4:
                    continue
                assert client.got.startswith(first + b":"), client.got
                middle = client.got[len(first) + 1:-len(last)]
                assert middle.endswith(b"\r\n") and middle[:-2].isdigit(), client.got
                sums.append(int(middle))
                client.round += 1
                if client.round < rounds:
                    ask(client)
                else:
                    left -= 1
        assert sorted(sums) == list(range(1, clients * rounds + 1))
        selector.close()
        server.end(0)


def idle():
    """A connection that says nothing for a second is told so, and ends; one that waits for an item or a message does not."""
    with Server("-t", "1") as server:
        start = time.monotonic()
        silent, waiting, subscriber = Client(server), Client(server), Client(server)
        waiting.send("BLPOP", "list", "3")
        subscriber.ask(b"*3\r\n" + bulk("subscribe") + bulk("c") + b":1\r\n", "SUBSCRIBE", "c")
        silent.expect(b"-ERR idle for too long\r\n")
        assert 0.99 <= time.monotonic() - start < 30
        silent.ends()
        waiting.expect(b"*-1\r\n")
        subscriber.ask(b"+PONG\r\n", "PING")
        server.end(0)


def snapshot():
    """What SAVE and the end wrote is there again; a damaged file is refused."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "keys")
        binary = bytes(range(256)) * 10
        with Server("-s", path) as server:
            clients = [Client(server) for i in range(20)]
            clients[0].ask(OK, "SET", "binary", binary)
            clients[0].ask(OK, "SET", "gone", "1", "PX", "1")
            clients[0].ask(b":3\r\n", "RPUSH", "list", "1", b"", "3")
            for round in range(5):  # at the same time
                for client in clients:
                    client.send("SAVE")
                for client in clients:
                    client.expect(OK)
            clients[0].ask(OK, "SET", "last", "1", "EX", "1000")
            server.end(3)
            for client in clients:
                client.ends()
        assert os.listdir(directory) == ["keys"]
        with Server("-s", path) as server:
            client = Client(server)
            client.ask(bulk(binary), "GET", "binary")
            for item in "1", "", "3":
                client.ask(bulk(item), "LPOP", "list")
            client.send("PTTL", "last")
            assert 900000 < int(client.line()[1:]) <= 1000000
            client.ask(NONE, "GET", "gone")
            server.end(2)
        with open(path, "rb+") as file:
            file.truncate(os.path.getsize(path) - 3)
        failed = subprocess.run([PROGRAM, "-s", path, "127.0.0.1", "0"], capture_output=True, timeout=PATIENCE)
        assert failed.returncode == 1 and failed.stderr == f"keyd: {path}: Invalid argument\n".encode(), failed
        failed = subprocess.run([PROGRAM, "-s", directory, "127.0.0.1", "0"], capture_output=True, timeout=PATIENCE)
        assert failed.returncode == 1 and failed.stderr == f"keyd: {directory}: Is a directory\n".encode(), failed


def shutdown():
    """The end, while clients are silent, wait for items and messages, and are amid a command."""
    with Server() as server:
        clients = [Client(server) for i in range(200)]
        for i, client in enumerate(clients):
            if i % 4 == 1:
                client.send("BLPOP", "list", "0")
            elif i % 4 == 2:
                client.ask(b"*3\r\n" + bulk("subscribe") + bulk("c") + b":1\r\n", "SUBSCRIBE", "c")
            elif i % 4 == 3:
                client.raw(b"*2\r\n$3\r\nGET\r\n$100\r\nhalf")
        clients[0].await_info("waiting:50")
        server.end(0)
        for client in clients:
            client.ends()


globals()[sys.argv[2]]()
