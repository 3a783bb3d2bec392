"""Local servers: files over HTTP with ranges and PUT, with optional faults; a model hub."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT_SHA = "c0ffee" * 6 + "c0ff"


EXTRA_BYTES = {"huge": 10**9, "2^60": 2**60}
"""Fault -> bytes that are announced beside those of the file."""
DRIPS = {
    "slow status": (b"", b"H"),
    "slow header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "endless continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "slow body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "slow chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}
"""Fault -> what is sent at once, and what is sent again and again, slowly."""


class FileServerHandler(BaseHTTPRequestHandler):
    """Serves `server.files` with ranges and PUT; `server.faults` maps a path to its fault."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for key, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.faults.get(self.path) == "forbidden":
            self.send(403)
            return
        self.server.tokens.append(self.headers.get("Authorization"))
        self.server.files[self.path] = body
        self.send(201)

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        fault = self.server.faults.get(self.path)
        if fault is None and self.path not in self.server.files:
            self.send(404)
        elif fault and fault.startswith(("file:", "http", "ftp:")):
            self.send(302, Location=fault)
        elif fault in DRIPS:
            self.drip(*DRIPS[fault])
        elif fault == "garbage":
            self.wfile.write(b"not HTTP\r\n\r\n")
            self.close_connection = True
        else:
            self.send_file(self.server.files.get(self.path, b""), fault)

    def drip(self, start, piece):
        self.close_connection = True
        try:
            self.wfile.write(start)
            while not self.server.ended.wait(0.02):
                self.wfile.write(piece)
        except OSError:
            self.server.left.set()

    def send_file(self, body, fault):
        range_match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(range_match[1]) if range_match and fault != "no ranges" else 0
        remaining = body[start:]
        if fault == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(65536))
            except OSError:
                self.close_connection = True
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(remaining) + EXTRA_BYTES.get(fault, 0)))
        self.end_headers()
        if fault in {"drops", "drops always", *EXTRA_BYTES} and not (fault == "drops" and start):
            remaining = remaining[: len(remaining) // 2] if fault == "drops" else b""
            self.close_connection = True
        self.wfile.write(remaining)


class HubHandler(FileServerHandler):
    """The part of the Hugging Face Hub's API that push and pull use; files in `server.files`."""

    def do_HEAD(self):
        self.resolve(head=True)

    def do_GET(self):
        if self.path.startswith("/api/models/"):
            repo = re.match(r"/api/models/([^/]+/[^/]+)", self.path)[1]
            if repo != self.server.repo:
                self.send_json({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
                return
            self.send_json(
                {"id": repo, "modelId": repo, "sha": COMMIT_SHA, "siblings": [], "tags": []}
            )
        else:
            self.resolve(head=False)

    def resolve(self, head):
        route, revision, file = self.path.split("/", 5)[3:]
        body = self.server.files.get(file)
        if body is None or route != "resolve" or revision != COMMIT_SHA:
            self.send(404, X_Error_Code="EntryNotFound")
            return
        headers = {"ETag": f'"{hash(body)}"', "X-Repo-Commit": COMMIT_SHA}
        self.send_response(200)
        for key, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(key, str(value))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(self.path)
        if self.path == "/api/repos/create":
            self.server.repo = "{organization}/{name}".format(**json.loads(body))
            self.send_json(
                {"url": f"{self.server.url}/{self.server.repo}", "name": self.server.repo}
            )
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]
            self.send_json({"files": files})
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.server.files.update({f["path"]: base64.b64decode(f["content"]) for f in files})
            address = f"{self.server.url}/{self.server.repo}/commit/{COMMIT_SHA}"
            self.send_json({"commitUrl": address, "commitOid": COMMIT_SHA, "success": True})
        else:
            self.send_json({"errors": [], "warnings": []})

    def send_json(self, value, status=200, **headers):
        body = json.dumps(value).encode()
        self.send(status, body, Content_Type="application/json", **headers)


@contextmanager
def run_server(handler_class):
    """Run a server on a free local port and yield it; its address is `server.url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_class)
    server.daemon_threads = True
    server.files, server.faults, server.requests, server.tokens = {}, {}, [], []
    server.ended, server.left = threading.Event(), threading.Event()
    server.repo, server.url = "", f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
