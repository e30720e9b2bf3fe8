"""WebSockets (RFC 6455), as a program of their own that knows nothing but Python's library.

    web_socket.py serve [CERTIFICATE KEY]             echoes on loopback; says its port
    web_socket.py talk WAY PROXY_PORT PORT [CA]       converses with it through the proxy, over TLS when CA is given;
                                                      WAY is "tunnel" (CONNECT, as browsers do) or "absolute"
"""

import base64
import hashlib
import os
import socket
import ssl
import struct
import sys
import threading

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FINAL = 0x80


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def read_head(stream):
    first = stream.readline().decode().strip()
    fields = {}
    while line := stream.readline().decode().strip():
        name, value = line.split(":", 1)
        fields[name.lower()] = value.strip()
    return first, fields


def masked(mask, payload):
    whole = mask * (len(payload) // 4 + 1)
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole[: len(payload)], "big")).to_bytes(len(payload), "big")


def write_frame(stream, first, payload, mask=b""):
    size, flag = len(payload), 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", first, flag | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    stream.write(head + mask + (masked(mask, payload) if mask else payload))
    stream.flush()


def read_exactly(stream, size):
    got = stream.read(size)
    if len(got) != size:
        raise EOFError("the connection broke off")
    return got


def read_frame(stream):
    first, second = read_exactly(stream, 2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", read_exactly(stream, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", read_exactly(stream, 8))
    mask = read_exactly(stream, 4) if second & 0x80 else b""
    payload = read_exactly(stream, size)
    return first, masked(mask, payload) if mask else payload


def echo(connection):
    stream = connection.makefile("rwb")
    _, fields = read_head(stream)
    answer = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Accept: {accept_of(fields['sec-websocket-key'])}\r\n"
              f"Sec-WebSocket-Protocol: {fields['sec-websocket-protocol']}\r\n\r\n")
    stream.write(answer.encode())
    stream.flush()
    while True:
        first, payload = read_frame(stream)
        write_frame(stream, FINAL | PONG if first == FINAL | PING else first, payload)
        if first == FINAL | CLOSE:
            return


def serve(certificate=None, key=None):
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

    def one(connection):
        with context.wrap_socket(connection, server_side=True) if context else connection as stream:
            echo(stream)

    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def expect(got, wanted, what):
    if got != wanted:
        sys.exit(f"{what}: {str(got)[:200]} and not {str(wanted)[:200]}")


def talk(way, proxy_port, port, ca=None):
    host = f"localhost:{port}"
    connection = socket.create_connection(("127.0.0.1", int(proxy_port)), timeout=20)
    if way == "tunnel":
        connection.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        raw = connection.makefile("rb", buffering=0)  # which takes nothing of what comes behind the head
        expect(read_head(raw)[0].split()[1], "200", "CONNECT")
    if ca:
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols(["http/1.1"])
        connection = context.wrap_socket(connection, server_hostname="localhost")
    stream = connection.makefile("rwb")
    key = base64.b64encode(os.urandom(16)).decode()
    target = "/socket" if way == "tunnel" else f"http://{host}/socket"
    request = (f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: echo\r\n\r\n")
    stream.write(request.encode())
    stream.flush()
    first, fields = read_head(stream)
    expect(first.split()[1], "101", "the handshake")
    expect(fields.get("sec-websocket-accept"), accept_of(key), "Sec-WebSocket-Accept")
    expect(fields.get("sec-websocket-protocol"), "echo", "Sec-WebSocket-Protocol")

    def send(first, payload):
        write_frame(stream, first, payload, os.urandom(4))

    for first, payload in ((FINAL | TEXT, b"hello"), (FINAL | TEXT, b""), (FINAL | BINARY, os.urandom(1000)),
                           (FINAL | BINARY, os.urandom(1_000_000))):
        send(first, payload)
        expect(read_frame(stream), (first, payload), "the echo")
    frames = ((TEXT, b"one "), (FINAL | PING, b"there?"), (CONTINUATION, b"two "), (FINAL | CONTINUATION, b"three"))
    for frame in frames:
        send(*frame)
    for first, payload in frames:
        expect(read_frame(stream), (FINAL | PONG if first == FINAL | PING else first, payload), "a message in parts")
    goodbye = struct.pack("!H", 1000) + b"done"
    send(FINAL | CLOSE, goodbye)
    expect(read_frame(stream), (FINAL | CLOSE, goodbye), "the goodbye")
    expect(stream.read(), b"", "behind the goodbye")
    print("conversed")


{"serve": serve, "talk": talk}[sys.argv[1]](*sys.argv[2:])
