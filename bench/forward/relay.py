"""A link that is far away and thin, on loopback: every byte comes later, and only so many a second."""
import queue
import socket
import threading
import time


class Relay:
    """Carries connections to `port` on to `target`, both ways `delay` seconds late; towards the client at
    `bytes_per_second` for all of them together. Use as a context manager."""

    PIECE = 16 * 1024

    def __init__(self, port, target, delay, bytes_per_second):
        self.target, self.delay, self.rate = target, delay, bytes_per_second
        self.free_at = 0.0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self._carry(client, server, is_thin=False)
            self._carry(server, client, is_thin=True)

    def _carry(self, source, sink, is_thin):
        pieces = queue.Queue(maxsize=64)  # what is on the link; more waits in the sender's socket
        threading.Thread(target=self._read, args=(source, pieces, is_thin), daemon=True).start()
        threading.Thread(target=self._write, args=(sink, pieces), daemon=True).start()

    def _read(self, source, pieces, is_thin):
        while True:
            try:
                piece = source.recv(self.PIECE)
            except OSError:
                piece = b""
            pieces.put((self._arrival(len(piece) if is_thin else 0), piece))
            if not piece:
                return

    def _arrival(self, size):
        with self.lock:
            self.free_at = max(self.free_at, time.monotonic()) + size / self.rate
            return self.free_at + self.delay if size else time.monotonic() + self.delay

    def _write(self, sink, pieces):
        while True:
            arrival, piece = pieces.get()
            time.sleep(max(0.0, arrival - time.monotonic()))
            try:
                if not piece:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(piece)
            except OSError:
                return
