"""Helpers for the data tests: small files in the publishers' formats, and a web server that serves or misbehaves."""

import contextlib
import gzip
import hashlib
import http.server
import ssl
import struct
import threading
from pathlib import Path

import numpy as np

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx_bytes(array, declared=None, magic=None):
    """The IDX file of a uint8 array; `declared` sizes and `magic` replace the true ones in the header."""
    shape = array.shape if declared is None else declared
    if magic is None:
        magic = 0x800 + len(shape)
    return struct.pack(f">I{len(shape)}I", magic, *shape) + array.astype(np.uint8).tobytes()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def mnist_files(train=20, test=10, seed=0):
    """A tiny MNIST: {file name: unpacked bytes}."""
    rng = np.random.default_rng(seed)
    return {
        TRAIN_IMAGES: idx_bytes(rng.integers(256, size=(train, 28, 28))),
        TRAIN_LABELS: idx_bytes(np.arange(train) % 10),
        TEST_IMAGES: idx_bytes(rng.integers(256, size=(test, 28, 28))),
        TEST_LABELS: idx_bytes(np.arange(test) % 10),
    }


def write_mnist(directory: Path, files=None, packed=True):
    """Lay a (tiny) MNIST out in a data directory, as `directory/mnist/...`; returns that folder."""
    folder = directory / "mnist"
    folder.mkdir(parents=True)
    for name, content in (files or mnist_files()).items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


class Server:
    """A web server on this machine. `routes` maps a path to bytes, a status code, or a function of the handler.

    `asked` lists the paths of the GET requests, in order. With a `certificate` (a file that holds the key, too) it
    speaks https.
    """

    def __init__(self, routes, certificate=None):
        self.routes = routes
        self.asked = []
        self.stop = threading.Event()  # lets routes that hang end with the test
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                route = outer.routes.get(self.path, 404)
                self.send_response(route if isinstance(route, int) else 200)
                self.end_headers()

            def do_GET(self):
                outer.asked.append(self.path)
                route = outer.routes.get(self.path, 404)
                with contextlib.suppress(ConnectionError):
                    if callable(route):
                        route(self)
                    elif isinstance(route, int):
                        self.send_error(route)
                    else:
                        send(self, route)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def redirect(url):
    """A route that leads on to another address."""

    def route(handler):
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.end_headers()

    return route


def send(handler, content, declared=None):
    """Answer with `content`; a larger `declared` length is an answer that breaks off."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) if declared is None else declared))
    handler.end_headers()
    handler.wfile.write(content)
