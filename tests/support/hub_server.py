"""A server that speaks the Hub's protocol as far as `huggingface_hub` needs it to pull and to push, and that can be told to fail."""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

CHUNK = 2**20
"""What the client keeps at once; a cut download goes on after the last whole one."""


def commit_of(files: dict[str, bytes]) -> str:
    """Forty digits that change with the content, as a commit's do."""
    return hashlib.sha1(repr(sorted((n, hashlib.sha1(d).hexdigest()) for n, d in files.items())).encode()).hexdigest()


@dataclass
class Hub:
    """Repositories, what was asked, and what shall go wrong."""

    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    """repo -> commit -> path -> content."""
    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    """repo -> branch -> commit."""
    private: dict[str, bool] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Large files by SHA-256, whether a commit has them or not."""
    asked: list[str] = field(default_factory=list)
    refuse: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Part of a "METHOD path" -> status and X-Error-Code of the answer to it."""
    cut: dict[str, int] = field(default_factory=dict)
    """File -> after how many bytes its next GET is cut, once."""
    lie: dict[str, bytes] = field(default_factory=dict)
    """File -> what is sent in its place under its own ETag."""
    stop_after: int | None = None
    """How many large files are taken before uploads end in 500."""
    storing: Any = field(default_factory=threading.Lock)
    url: str = ""

    def add(self, repo: str, files: dict[str, bytes], branch: str = "main") -> str:
        commit = commit_of(files)
        self.repos.setdefault(repo, {})[commit] = dict(files)
        self.refs.setdefault(repo, {})[branch] = commit
        return commit

    def at(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        commit = self.refs.get(repo, {}).get(revision, revision)
        files = self.repos.get(repo, {}).get(commit)
        return None if files is None else (commit, files)

    def serve(self) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Answer,), {"hub": self}))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        return server


class Answer(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def tell(self, value: object) -> None:
        self.say(200, json.dumps(value).encode(), Content_Type="application/json")

    def handle_any(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.hub.asked.append(" ".join(filter(None, (self.command, path, self.headers.get("Range")))))
        for part, (status, code) in self.hub.refuse.items():
            if part in f"{self.command} {path}":
                return self.say(status, b"{}", **({"X_Error_Code": code} if code else {}))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree|preupload|commit)/(.+)", path):
            return self.api(*found.groups(), body)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.resolve(*found.groups())
        return self.write(path, body)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def api(self, repo: str, what: str, revision: str, body: bytes) -> None:
        found = self.hub.at(repo, revision)
        if found is None:
            return self.say(404, b"{}", X_Error_Code="RevisionNotFound" if repo in self.hub.repos else "RepoNotFound")
        commit, files = found
        if what == "revision":
            siblings = [{"rfilename": n, "size": len(d), "blobId": hashlib.sha1(d).hexdigest()} for n, d in files.items()]
            return self.tell({"id": repo, "sha": commit, "siblings": siblings, "private": self.hub.private.get(repo, False), "tags": []})
        if what == "tree":
            return self.tell([{"type": "file", "path": n, "size": len(d), "oid": hashlib.sha1(d).hexdigest()} for n, d in files.items()])
        if what == "preupload":
            names = [entry["path"] for entry in json.loads(body)["files"]]
            mode = {True: "lfs", False: "regular"}
            return self.tell(
                {"files": [{"path": n, "uploadMode": mode[n.endswith((".safetensors", ".jpg"))], "shouldIgnore": False} for n in names]}
            )
        new = dict(files)
        for line in filter(None, body.split(b"\n")):
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                new[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                new[value["path"]] = self.hub.stored[value["oid"]]
            elif entry["key"] == "deletedFile":
                del new[value["path"]]
        commit = self.hub.add(repo, new, revision)
        return self.tell({"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{repo}/commit/{commit}"})

    def resolve(self, repo: str, revision: str, name: str) -> None:
        found = self.hub.at(repo, revision)
        if found is None or name not in found[1]:
            return self.say(404, X_Error_Code="EntryNotFound" if found else "RepoNotFound")
        content = found[1][name]
        sent = self.hub.lie.get(name, content)
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        status = {"Content_Range": f"bytes {start}-{len(sent) - 1}/{len(sent)}"} if start else {}
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X_Repo_Commit": found[0], "Accept_Ranges": "bytes", **status}
        cut = self.hub.cut.pop(name, None) if self.command == "GET" else None
        if cut is None:
            return self.say(206 if start else 200, sent[start:], **headers)
        self.send_response(206 if start else 200)
        for key, value in {"Content-Length": str(len(sent) - start), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(sent[start : start + cut])
        self.close_connection = True
        return None

    def write(self, path: str, body: bytes) -> None:
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else f"me/{asked['name']}"
            if repo in self.hub.repos:
                return self.say(409, json.dumps({"url": f"{self.hub.url}/{repo}"}).encode(), Content_Type="application/json")
            self.hub.private[repo] = asked.get("visibility") == "private" or bool(asked.get("private"))
            self.hub.add(repo, {".gitattributes": b"*.safetensors filter=lfs\n"})
            return self.tell({"url": f"{self.hub.url}/{repo}", "id": repo})
        if path == "/api/validate-yaml":
            return self.tell({"errors": [], "warnings": []})
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = []
            for entry in json.loads(body)["objects"]:
                there = entry["oid"] in self.hub.stored
                actions = {} if there else {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{entry['oid']}"}}}
                objects.append({"oid": entry["oid"], "size": entry["size"], **actions})
            return self.tell({"transfer": "basic", "objects": objects})
        if path.startswith("/lfs/"):
            assert hashlib.sha256(body).hexdigest() == path.removeprefix("/lfs/")
            with self.hub.storing:  # uploads come side by side
                if self.hub.stop_after is not None and len(self.hub.stored) >= self.hub.stop_after:
                    return self.say(400)
                self.hub.stored[path.removeprefix("/lfs/")] = body
            return self.say(200)
        return self.say(404)
