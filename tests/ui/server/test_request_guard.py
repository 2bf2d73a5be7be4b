"""What no visitor of the page would send: it ends in one sentence, shows nothing of the program, and touches nothing but the uploads."""

import json
from pathlib import Path

import fuzz_http
import httpx
import pytest
from gradio.utils import get_upload_folder

ROOT = Path(__file__).parents[3]
META = {"_type": "gradio.FileData"}


@pytest.fixture
def http(url):
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def camera(http) -> dict:
    """The event of a photo that the camera took, as the page asks for it, all but the photo."""
    config = http.get("/config").json()
    ids = {part["props"]["elem_id"]: part["id"] for part in config["components"] if part["props"].get("elem_id")}
    event = next(event for event in config["dependencies"] if [ids["camera"], "input"] in event["targets"])
    where = event["inputs"].index(ids["camera"])
    return {"fn_index": event["id"], "session_hash": "gate", "data": [None] * len(event["inputs"]), "at": where, "name": event["api_name"]}


def ask(http, camera, file):
    data = [file if k == camera["at"] else value for k, value in enumerate(camera["data"])]
    return http.post(f"/gradio_api/run/{camera['name']}", json={key: camera[key] for key in ("fn_index", "session_hash")} | {"data": data})


def test_no_picture_of_the_server_opens_by_its_path(http, camera, astronaut):
    # Gradio looks at a picture's path only where "meta" says that it is a file; the camera's pictures need not say so.
    for path in (str(astronaut), "/etc/passwd", f"{get_upload_folder()}/../../{astronaut}", "http://127.0.0.1/x.png", "\0"):
        for more in ({}, {"meta": META}, {"meta": META, "is_stream": True}):
            answer = ask(http, camera, {"path": path} | more)
            assert (answer.status_code, answer.json()["error"]) == (403, "Only a file that was sent to this page can be opened.")
            assert "passwd" not in answer.text


def test_a_file_that_was_sent_opens(http, camera, astronaut):
    sent = http.post("/gradio_api/upload", files={"files": ("../../etc/x y.jpg", astronaut.read_bytes())}).json()[0]
    assert Path(sent).is_relative_to(get_upload_folder()) and ".." not in sent
    answer = ask(http, camera, {"path": sent, "meta": META})
    assert answer.status_code == 200 and "Opened x y" in answer.text


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{root}/README.md", "{temp}/../x", "{temp}", "https://example.com/", "", "..%2f..%2fREADME.md"]
)
def test_only_the_uploads_can_be_fetched(http, path):
    answer = http.get("/gradio_api/file=" + path.format(root=ROOT, temp=get_upload_folder()))
    assert answer.status_code == 403 and answer.json()["detail"].count(".") == 1


def test_nothing_else_can_be_fetched_on_the_page_of_another_checkpoint(http):
    assert http.get("/checkpoints/another/gradio_api/file=/etc/passwd").status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/proxy=https://example.com/"),
        ("GET", "/checkpoints/other/gradio_api/proxy=https://example.com/"),
        ("GET", "/monitoring"),  # it wrote an address with a key to the log for everybody who asked
        ("GET", "/monitoring/summary"),  # what others call, and how often
        ("GET", "/checkpoints/other/monitoring/summary"),
        ("POST", "/gradio_api/process_recording"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/?deep_link=../../x"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/checkpoints/another/gradio_api/vibe-edit"),
        ("GET", "/checkpoints/another/gradio_api/proxy=https://example.com/"),
    ],
)
def test_what_the_page_does_not_use_is_closed(http, method, path):
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is nothing here.")


@pytest.mark.parametrize("function", ["__init__", "postprocess", "nothing", 7, None, "draw"])
def test_the_live_pictures_answer_nobody_without_a_key(http, function):
    parts = [part["id"] for part in http.get("/config").json()["components"] if part["props"].get("elem_id") == "hand"]
    body = {"data": {"hand": "guess"}, "component_id": (parts or [1])[0], "fn_name": function, "session_hash": "x"}
    answer = http.post("/gradio_api/component_server", json=body)
    assert answer.json() is None if answer.status_code == 200 else 400 <= answer.status_code < 500 and "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"data": ' + b"[" * 70 + b"]" * 70 + b"}", 400),
        (b'{"data": [', 400),
        (b"\xff\xfe", 400),
        (b'{"data": ["' + b"x" * 3 * 2**20 + b'"]}', 413),
        (b'{"data": [NaN, 1e999, -0], "fn_index": 99999999999999999999, "session_hash": {}}', 422),
        (b'{"data": {}, "fn_index": -1, "session_hash": "x"}', 422),
    ],
)
@pytest.mark.parametrize(
    "path", ["/gradio_api/queue/join", "/gradio_api/run/edit", "/gradio_api/component_server", "/gradio_api/call/v2/nothing"]
)
def test_wrong_bodies_are_refused(http, path, body, status):
    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500 and "Traceback" not in answer.text and str(ROOT) not in answer.text
    if status != 422:  # others are for Gradio to refuse, each route in its way
        assert answer.status_code == status


def test_a_body_without_its_length_is_measured_too(http):
    pieces = (b"x" * 2**20 for _ in range(4))
    answer = http.post("/gradio_api/queue/join", content=pieces)
    assert (answer.status_code, answer.json()["detail"]) == (413, "This is more than the 2 MB that can be sent at once.")


def test_an_upload_beyond_all_limits_is_refused_before_it_comes(http, monkeypatch):
    monkeypatch.setattr("facevae.ui.server.request_guard.MAX_UPLOAD_BYTES", 1000)
    before = set(Path(get_upload_folder()).rglob("*"))
    assert http.post("/gradio_api/upload", files={"files": ("a.png", b"x" * 2000)}).status_code == 413
    new = [path for path in set(Path(get_upload_folder()).rglob("*")) - before if path.is_file()]  # others may write there, too
    assert not [path for path in new if not path.read_bytes().strip(b"x")]
    # Without its length in advance, it ends where it becomes too much.
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert http.post("/gradio_api/upload", content=(head + b"y" * 600 for _ in range(3)), headers=form).status_code == 413


def test_an_upload_to_a_full_disk_says_so(http, monkeypatch):
    monkeypatch.setattr("facevae.ui.server.request_guard.LEAST_FREE_BYTES", 2**62)
    answer = http.post("/gradio_api/upload", files={"files": ("a.png", b"x")})
    assert answer.status_code == 413 and "no room" in answer.json()["detail"]


def test_a_refusal_of_the_page_is_no_failure_of_the_server(http):
    answer = http.post("/gradio_api/run/edit", json={"data": [None] * 8})
    assert answer.status_code == 400 and answer.json() == {"error": "a photo is missing", "title": "Not possible"} | answer.json()
    assert http.post("/gradio_api/run/nothing", json={"data": []}).status_code < 500


def test_what_fails_inside_says_nothing_of_it(http, monkeypatch, capfd):
    def broken(**_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr("gradio.route_utils.get_fn", broken)
    answer = http.post("/gradio_api/run/edit", json={"data": ["my name"]})
    said = capfd.readouterr()
    assert answer.status_code == 400 and "secret" not in answer.text
    assert "ended in RuntimeError" in said.err and "my name" not in said.err + said.out and "secret" not in said.err


@pytest.mark.slow
def test_strangers_find_nothing():
    found, touched = fuzz_http.fuzz(minutes=0.5, seed=1)
    assert sum(found.asked.values()) > 100 and found.asked["200"] and found.asked["403"]
    assert not found.wrong and not touched, json.dumps([*found.wrong, *touched])[:3000]
    assert found.most_mb < fuzz_http.MOST_MB
