"""Small local servers: a folder that is read and written over HTTP, well or badly, and a hub."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" * 6 + "c0ff"


class Files(BaseHTTPRequestHandler):
    """Serves `server.files` (path -> bytes) with ranges; takes PUT; `server.faults` spoil it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Stay silent."""

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        for key, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.faults.get(self.path) == "forbidden":
            self.answer(403)
            return
        self.server.tokens.append(self.headers.get("Authorization"))
        self.server.files[self.path] = body
        self.answer(201)

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        fault = self.server.faults.get(self.path)
        if fault is None and self.path not in self.server.files:
            self.answer(404)
        elif fault and fault.startswith(("file:", "http", "ftp:")):
            self.answer(302, Location=fault)
        elif fault == "garbage":
            self.wfile.write(b"this is no http\r\n\r\n")
            self.close_connection = True
        else:
            self.serve(self.server.files.get(self.path, b""), fault)

    def serve(self, body, fault):
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(found[1]) if found and fault != "no ranges" else 0
        rest = body[start:]
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
        self.send_header("Content-Length", str(len(rest) + (10**9 if fault == "huge" else 0)))
        self.end_headers()
        if fault in {"drops", "drops always", "huge"} and not (fault == "drops" and start):
            rest = rest[: len(rest) // 2] if fault == "drops" else b""
            self.close_connection = True
        self.wfile.write(rest)


class Hub(Files):
    """As much of the Hugging Face Hub's API as a bundle needs; `server.commits` keeps what came."""

    def do_HEAD(self):
        self.resolve(head=True)

    def do_GET(self):
        if self.path.startswith("/api/models/"):
            repo = re.match(r"/api/models/([^/]+/[^/]+)", self.path)[1]
            if repo != self.server.repo:
                self.say({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
                return
            self.say({"id": repo, "modelId": repo, "sha": COMMIT, "siblings": [], "tags": []})
        else:
            self.resolve(head=False)

    def resolve(self, head):
        word, revision, file = self.path.split("/", 5)[3:]
        body = self.server.files.get(file)
        if body is None or word != "resolve" or revision != COMMIT:
            self.answer(404, X_Error_Code="EntryNotFound")
            return
        headers = {"ETag": f'"{hash(body)}"', "X-Repo-Commit": COMMIT}
        self.send_response(200)
        for key, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(key, str(value))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        if self.path == "/api/repos/create":
            self.server.repo = "{organization}/{name}".format(**json.loads(body))
            self.say({"url": f"{self.server.url}/{self.server.repo}", "name": self.server.repo})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]
            self.say({"files": files})
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.server.files.update({f["path"]: base64.b64decode(f["content"]) for f in files})
            address = f"{self.server.url}/{self.server.repo}/commit/{COMMIT}"
            self.say({"commitUrl": address, "commitOid": COMMIT, "success": True})
        else:
            self.say({"errors": [], "warnings": []})

    def say(self, value, code=200, **headers):
        body = json.dumps(value).encode()
        self.answer(code, body, Content_Type="application/json", **headers)


@contextmanager
def serving(handler):
    """Run a server on a free port of this machine; yields it, with its address in `url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.files, server.faults, server.asked, server.tokens = {}, {}, [], []
    server.repo, server.url = "", f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
