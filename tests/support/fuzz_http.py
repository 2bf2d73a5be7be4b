"""Speak to every route of the real page as nobody should, and look at what comes back: python tests/support/fuzz_http.py --minutes 5

Wanted: no answer 5xx, no trace and no path of the machine in a refusal, nothing read or written outside the temporary folder, memory that
stays within bounds, and a page that still edits a face afterwards.
"""

import argparse
import asyncio
import http.client
import json
import random
import re
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from train.bench.start import first_edit
from train.publish.served_page import ROOT, Server, served

THREADS, PATIENCE_SEC, STREAM_SEC, MOST_BYTES, MOST_MB = 4, 120, 2, 200_000, 2000
TRACES = re.compile(rb"Traceback|site-packages|\.py\"|\.py', line|pydantic|errors\.pydantic")
CANARY = b"canary-4d1f"
DEEP = "a list in a list in a list"
META = {"_type": "gradio.FileData"}
ROUTES = (
    "/", "/config", "/theme.css", "/robots.txt", "/manifest.json", "/favicon.ico", "/pwa_icon", "/pwa_icon/{}", "/static/{}", "/assets/{}",
    "/svelte/{}", "/{}", "/login", "/logout", "/monitoring", "/monitoring/{}", "/monitoring/summary", "/docs", "/openapi.json",
    "/gradio_api/user", "/gradio_api/token", "/gradio_api/app_id", "/gradio_api/info", "/gradio_api/info?all_endpoints=true",
    "/config?page={}",
    "/gradio_api/openapi.json", "/gradio_api/login_check", "/gradio_api/dev/reload", "/gradio_api/runs", "/gradio_api/run-history/records",
    "/gradio_api/run-history/connect", "/gradio_api/custom_component/{}/server/file/{}", "/gradio_api/proxy={}", "/gradio_api/file={}",
    "/gradio_api/file/{}", "/gradio_api/stream/{}", "/gradio_api/stream/{}/close", "/gradio_api/stream/{}/1/2/playlist.m3u8",
    "/gradio_api/stream/{}/1/2/3.ts", "/gradio_api/reset", "/gradio_api/cancel", "/gradio_api/run/{}", "/gradio_api/api/{}",
    "/gradio_api/call/{}",
    "/gradio_api/call/v2/{}", "/gradio_api/call/{}/{}", "/gradio_api/queue/join", "/gradio_api/queue/status",
    "/gradio_api/component_server",
    "/gradio_api/upload", "/gradio_api/upload_progress?upload_id={}", "/gradio_api/startup-events", "/gradio_api/process_recording",
    "/gradio_api/vibe-edit", "/gradio_api/undo-vibe-edit", "/gradio_api/vibe-code", "/gradio_api/deep_link?session_hash={}",
    "/?deep_link={}",
    "/gradio_api/profiling/traces", "/gradio_api/mcp/sse", "/?seed={}&Smiling={}&lock={}", "/gradio_api/theme.css", "/../{}", "//{}",
)  # fmt: skip
METHODS = ("GET", "GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
WORDS = (
    "", ".", "..", "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc",
    "file:///etc/passwd", "http://127.0.0.1:1/x.png", "https://example.com/", "//example.com/x", "\\\\server\\share", "/dev/zero",
    "/dev/stdin",
    "/proc/self/environ", "/proc/self/mem", "con", "nul.png", "a" * 5000, "\x00", "a\x00.png", "line\nbreak", "\u202egpj.exe",
    "ö…🙂", "<script>alert(1)</script>",
    "{{7*7}}", "${jndi:ldap://x}", "'; drop table x; --", "-1", "1e999", "NaN", "null", "undefined", "__proto__", "__class__",
    ".env", "~/.ssh/id_rsa",
    "edit", "open_photo", "generate", "0", "99999999999999999999",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2, 0.5, 7, 1e308, -1e308, 10**30, 2**31, 2**63, -(2**63), 1e-320, float("nan"), float("inf"), True, False)
HEADERS = (
    ("Origin", "null"), ("Origin", "http://evil.example"), ("Origin", "http://[::1"), ("Range", "bytes=9-1"), ("Range",
    "bytes=0-99999999999"),
    ("Range", "bytes=a-b-c"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "javascript"), ("X-Forwarded-Path", "/../.."),
    ("Cookie", "access-token=" + "x" * 4000), ("Content-Type", "text/plain"), ("Content-Type", "multipart/form-data"),
    ("Accept-Language", "\xff" * 9),
    ("Content-Type", "application/json; charset=utf-99"), ("Authorization", "Bearer x"), ("x-gradio-user", "a"),
    ("x-gradio-server", "http://e"),
    ("Accept-Encoding", "br;q=99999, *;q=x"), ("Host", "a" * 300), ("Host", "evil:99999999"), ("If-Range", "x"),
    ("Content-Encoding", "gzip"),
)  # fmt: skip


@dataclass
class Findings:
    """What was asked, and what was wrong."""

    asked: Counter = field(default_factory=Counter)
    """Answers by status."""
    wrong: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Paths of files that the page has taken."""
    most_mb: float = 0.0


class Stranger:
    """One thread that asks and looks."""

    def __init__(self, url: str, config: dict[str, Any], canary: Path, found: Findings, seed: int) -> None:
        self.address, self.config, self.found = urlsplit(url), config, found
        self.random = random.Random(seed)
        self.words = (*WORDS, str(canary), quote(str(canary), safe=""), *(f"{'../' * n}{str(canary)[1:]}" for n in (3, 9)))
        self.canary, self.session = canary, uuid.uuid4().hex
        self.events = [event for event in config["dependencies"] if event["backend_fn"]]

    def until(self, end_sec: float) -> None:
        """Ask until then."""
        ways: list[Callable[[], None]] = [self.route, self.route, self.file, self.upload, self.event, self.event, self.event, self.stream]
        while time.monotonic() < end_sec:
            way = self.random.choice(ways)
            try:
                way()
            except TimeoutError:
                self.found.wrong.append(f"{way.__name__}: no answer within {PATIENCE_SEC} s")
            except (http.client.HTTPException, OSError, ValueError) as error:  # it may hang up on us; whether it lives is seen at the end
                self.found.asked[type(error).__name__] += 1

    # ---- ways to ask

    def route(self) -> None:
        """Any route by any method, with any body."""
        path = self.random.choice(ROUTES)
        while "{}" in path:
            path = path.replace("{}", self.in_path(self.random.choice(self.words)), 1)
        body = self.text(self.value()) if self.random.random() < 0.7 else self.random.randbytes(self.random.choice((0, 10, 5000)))
        self.ask(self.random.choice(METHODS), path, body)

    def file(self) -> None:
        """A file by its path: of somewhere else, or one of ours, by a winding way."""
        word = self.random.choice((*self.words, *self.found.kept[-20:]))
        winding = self.random.choice(("{}", "/tmp/../{}", "{}/", "{}/..", "./{}", "//{}")).format(word)
        self.ask(self.random.choice(("GET", "HEAD")), f"/gradio_api/file={self.in_path(winding)}")

    def upload(self) -> None:
        """Files with hostile names, sizes and numbers."""
        boundary = uuid.uuid4().hex
        many = self.random.choice((1, 1, 1, 2, 5, 40, 1100))
        size = self.random.choice((0, 1, 1000, 300_000) if many > 1 else (0, 1, 1000, 300_000, 3_000_000, 37_000_000))
        start = self.random.choice((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"<svg onload=alert(1)>", b'{"facevae": 1}', b"GIF89a", b""))
        content = start + self.random.randbytes(size if many < 40 else min(size, 100))
        parts = []
        for _ in range(many):
            name = self.random.choice(self.words).replace("\r", "").replace("\n", "%0a").replace('"', "%22")
            kind = self.random.choice(("files", "files", "files", "file", ""))
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{kind}"; filename="{name}"\r\n\r\n'
            parts.append(head.encode("utf-8", "surrogatepass") + content + b"\r\n")
        body = b"".join(parts) + self.random.choice((f"--{boundary}--\r\n".encode(), b"", b"--"))
        status, answer = self.ask("POST", "/gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        if status == 200:
            self.found.kept.extend(path for path in json.loads(answer) if isinstance(path, str))

    def event(self) -> None:
        """A function of the page or of the API, with values that it does not expect."""
        event = self.random.choice(self.events)
        values = [self.value() for _ in event["inputs"]]
        if self.random.random() < 0.2:
            values = self.random.choice((values[:-1], [*values, 1], {}, None, "x"))
        session = self.random.choice((self.session, self.session, uuid.uuid4().hex, "../x", None, 5))
        message = {
            "data": values,
            "fn_index": self.random.choice((event["id"], event["id"], event["id"], -1, 10**9, "x", None)),
            "session_hash": session,
            "trigger_id": self.random.choice((None, 1, -5, "x")),
            "event_data": self.random.choice((None, None, {"index": 10**9}, {"index": [5, 5], "value": "x"}, [1], "x")),
        }
        name = event["api_name"]
        path = self.random.choice(
            ("/gradio_api/queue/join", f"/gradio_api/run/{name}", f"/gradio_api/call/{name}", f"/gradio_api/call/v2/{name}")
        )
        status, answer = self.ask("POST", path, self.text(message))
        if status == 200 and path.startswith("/gradio_api/call/"):
            self.ask("GET", f"/gradio_api/call/{name}/{json.loads(answer).get('event_id')}", streams=True)

    def stream(self) -> None:
        """The endless answers: what the queue says, and the heart."""
        session = self.random.choice((self.session, self.session, "x", "../.."))
        path = self.random.choice(
            (f"/gradio_api/queue/data?session_hash={quote(session)}", f"/gradio_api/heartbeat/{quote(session, safe='')}")
        )
        self.ask("GET", path, streams=True)

    # ---- what is asked

    def value(self, deep: int = 0) -> Any:
        """Anything that JSON can hold."""
        kind = self.random.randrange(11)
        if kind == 0:
            return self.random.choice(NUMBERS)
        if kind == 1:
            return self.random.choice(self.words)
        if kind == 2:
            path = self.random.choice((*self.words, str(self.canary), *self.found.kept[-30:]))
            more = self.random.choice(
                ({}, {"meta": META}, {"meta": META}, {"meta": META, "is_stream": True}, {"meta": None}, {"meta": META, "url": "http://e/"})
            )
            return {"path": path} | more
        if kind == 3 and deep < 3:
            return [self.value(deep + 1) for _ in range(self.random.randrange(4))]
        if kind == 4 and deep < 3:
            return {self.random.choice(("Smiling", "path", "value", "__type__", "zoom", "x")): self.value(deep + 1) for _ in range(3)}
        if kind == 5 and not deep and self.random.random() < 0.1:
            return DEEP
        if kind == 6 and not deep and self.random.random() < 0.05:
            return "x" * self.random.choice((100_000, 3_000_000))
        return self.random.choice(
            (None, 0.5, 1, "", True, "Smiling", "png", [], {}, {"Smiling": 1}, {"Smiling": True}, ["Male"], "slerp", "fitted")
        )

    def in_path(self, word: str) -> str:
        """As a part of an address, encoded or, where HTTP allows it, as it is."""
        plain = word.isascii() and word.isprintable() and " " not in word and "#" not in word and "?" not in word
        return word if plain and self.random.random() < 0.5 else quote(word, safe="/" if self.random.random() < 0.5 else "")

    def text(self, message: Any) -> bytes:
        """JSON, some of it deeper than Python writes it."""
        depth = self.random.choice((50, 3000, 100_000))
        return json.dumps(message).replace(json.dumps(DEEP), "[" * depth + "]" * depth).encode()

    # ---- asking, and what is looked at

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, streams: bool = False
    ) -> tuple[int, bytes]:
        """Send, read the answer and judge it. Of an endless answer, what comes within a moment is read."""
        sent = {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})
        if self.random.random() < 0.2:
            sent |= dict([self.random.choice(HEADERS)])
        connection = http.client.HTTPConnection(
            self.address.hostname or "", self.address.port, timeout=STREAM_SEC if streams else PATIENCE_SEC
        )
        answer, status = b"", 0
        try:
            connection.putrequest(method, path, skip_host="Host" in sent)
            for key, value in sent.items():
                connection.putheader(key, value.encode("latin-1"))
            connection.endheaders(body)
            reply = connection.getresponse()
            status = reply.status
            end_sec = time.monotonic() + (STREAM_SEC if streams else PATIENCE_SEC)
            while len(answer) < MOST_BYTES and time.monotonic() < end_sec and (piece := reply.read1(65536)):
                answer += piece
        except TimeoutError:
            if not streams:
                raise
        finally:
            connection.close()
        self.found.asked[str(status)] += 1
        self.judge(f"{method} {path[:200]}", status, answer, body)
        return status, answer

    def judge(self, what: str, status: int, answer: bytes, body: bytes) -> None:
        """Nothing 5xx, no trace, no canary, and in refusals no path that was not in the question."""
        told = f"{what} {body[:300]!r}: {status} {answer[:300]!r}"
        if status >= 500:
            self.found.wrong.append(f"5xx: {told}")
        refused = status >= 400 or b'"success":false' in answer.replace(b" ", b"")
        if refused and (TRACES.search(answer) or (str(ROOT).encode() in answer and str(ROOT) not in what + repr(body))):
            self.found.wrong.append(f"trace: {told}")
        if CANARY in answer.replace(str(self.canary).encode(), b""):
            self.found.wrong.append(f"canary: {told}")


def fuzz(minutes: float, seed: int = 0) -> tuple[Findings, list[str]]:
    """The findings, and what was touched outside the temporary folder."""
    with tempfile.TemporaryDirectory(prefix="facevae-fuzz-") as folder:
        canary, log = Path(folder) / "canary.txt", Path(folder) / "touched"
        canary.write_bytes(CANARY)
        log.touch()
        with served(("tests/support/watched_app.py", str(log))) as server:
            found = attack(server, canary, minutes, seed)
            try:
                asyncio.run(first_edit(server.url))
            except (ValueError, OSError) as error:
                found.wrong.append(f"the page edits no more: {error}")
            touched = sorted(set(log.read_text().splitlines()))
        return found, touched


def attack(server: Server, canary: Path, minutes: float, seed: int) -> Findings:
    """Strangers in threads; memory is watched from here."""
    asyncio.run(first_edit(server.url))
    start = http.client.HTTPConnection(urlsplit(server.url).netloc)
    start.request("GET", "/config")
    config, found = json.loads(start.getresponse().read()), Findings()
    end_sec = time.monotonic() + 60 * minutes
    strangers = [Stranger(server.url, config, canary, found, THREADS * seed + k) for k in range(THREADS)]
    threads = [threading.Thread(target=stranger.until, args=(end_sec,)) for stranger in strangers]
    for thread in threads:
        thread.start()
    print(f"memory at first: {server.resident_mb:.0f} MB")
    while any(thread.is_alive() for thread in threads):
        if server.process.poll() is not None:
            found.wrong.append("the page has ended")
            break
        found.most_mb = max(found.most_mb, server.resident_mb)
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    return found


def main() -> int:
    """Parse, ask, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    found, touched = fuzz(flags.minutes, flags.seed)
    answers = ", ".join(f"{status} × {count}" for status, count in sorted(found.asked.items()))
    print(f"{sum(found.asked.values())} requests in {flags.minutes:g} min: {answers}\nmemory at most: {found.most_mb:.0f} MB")
    wrong = [*found.wrong, *(f"touched: {line}" for line in touched)]
    if found.most_mb > MOST_MB:
        wrong.append(f"memory: {found.most_mb:.0f} MB, more than {MOST_MB}")
    print(f"{len(wrong)} findings")
    for line in wrong[:60]:
        print(f"  {line[:900]}")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
