"""What app.py and `facevae app` launch, without launching it."""

import os
import re
from pathlib import Path

import gradio as gr
import pytest

from facevae.checkpoint.checkpoint import Checkpoint, save_checkpoint
from facevae.ui.serve import main, read_app
from facevae.ui.server.request_guard import BodyGuard, RouteGuard
from facevae.ui.server.reverse_proxy import ReverseProxy


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_checkpoint: Checkpoint) -> dict:
    """What `launch` was called with, and the page."""
    called: dict = {}
    monkeypatch.setattr(gr.Blocks, "launch", lambda page, **options: called.update(options, page=page))
    monkeypatch.setattr("facevae.ui.server.temp_files.keep_clean", lambda folder: None)  # a thread would outlive the test
    monkeypatch.setattr("facevae.ui.serve.end_cleanly", lambda: called.update(ends_cleanly=True))  # signals are those of all tests
    monkeypatch.setattr("facevae.ui.page.FOLLOWERS", called.setdefault("followers", []))
    for name, value in {
        "GRADIO_TEMP_DIR": str(tmp_path / "temp"),
        "MALLOC_ARENA_MAX": "9",
    }.items():  # this process keeps its memory as it is
        monkeypatch.setenv(name, value)
    for name in ("GRADIO_ANALYTICS_CACHE_FREQUENCY", "GRADIO_ANALYTICS_MAX_EVENTS", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")
    save_checkpoint(tmp_path / "tiny", tiny_checkpoint)
    assert read_app(["--checkpoint", str(tmp_path / "tiny"), "--host", "0.0.0.0", "--port", "7899"])() == 0
    return called


def test_nothing_of_gradios_passes_by_the_gate(launched, tmp_path) -> None:
    assert launched["ssr_mode"] is False and launched["num_workers"] == 0 and launched["allowed_paths"] == []
    assert [middleware.cls for middleware in launched["app_kwargs"]["middleware"]] == [ReverseProxy, RouteGuard, BodyGuard]
    assert launched["ends_cleanly"]
    assert (launched["server_name"], launched["server_port"], launched["share"]) == ("0.0.0.0", 7899, False)
    assert Path(os.environ["GRADIO_TEMP_DIR"]).parent == tmp_path / "temp"


def test_uploads_follow_to_another_folder(launched, tmp_path) -> None:
    page = launched["page"]
    before = {block.GRADIO_CACHE for block in page.blocks.values() if isinstance(block, gr.components.Component)}
    assert before == {os.environ["GRADIO_TEMP_DIR"]}
    for follow in launched["followers"]:
        follow(tmp_path / "other")
    after = {block.GRADIO_CACHE for block in page.blocks.values() if isinstance(block, gr.components.Component)}
    assert after == {str(tmp_path / "other")}


def test_gradio_counts_no_calls(launched) -> None:
    queue = launched["page"]._queue
    queue.events_recorded += 1
    assert queue.compute_analytics_summary([{"function": "edit"}]) == {"functions": {}}  # a table of this would lack its columns
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_an_address_of_ipv6_stands_in_brackets(launched, tmp_path) -> None:
    assert main(["--checkpoint", str(tmp_path / "tiny"), "--host", "::1"]) == 0
    assert launched["server_name"] == "[::1]"


def test_a_page_that_nobody_uses_rests_between_its_looks_for_events(launched) -> None:
    assert launched["page"]._queue.sleep_when_free >= 0.02


def test_a_port_that_cannot_be_had_ends_in_one_sentence(launched, tmp_path, capsys, monkeypatch) -> None:
    def launch(page: gr.Blocks, **options: object) -> None:
        raise OSError("Cannot find empty port in range: 7899-7899. Set GRADIO_SERVER_PORT")

    monkeypatch.setattr(gr.Blocks, "launch", launch)
    for asked, sentence in (
        (["--port", "7899"], "nothing can be served at this machine, port 7899"),
        (["--host", "1.2.3.4"], "nothing can be served at 1.2.3.4, ports from 7860 on"),
        (["--port", "99999"], "'99999' is no port"),
        (["--port", "-1"], "--port"),
        (["--root-path", "faces"], "'faces' is no path: one such as /faces is"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["--checkpoint", str(tmp_path / "tiny"), *asked])
        assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_a_checkpoint_that_is_none_ends_in_one_sentence(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("facevae.ui.server.temp_files.keep_clean", lambda folder: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temp"))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "9")
    with pytest.raises(SystemExit, match="2"):
        main(["--checkpoint", str(tmp_path)])
    assert capsys.readouterr().err.endswith(f"the checkpoint {tmp_path} lacks config.json\n")


def test_a_broken_checkpoint_ends_the_app_in_one_sentence(launched, tmp_path, capsys) -> None:
    weights = tmp_path / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40])
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        main(["--checkpoint", str(tmp_path / "tiny")], "app.py")
    out, error = capsys.readouterr()
    assert not out and "Traceback" not in error
    assert re.fullmatch(r"app\.py: error: .*model\.safetensors is not the file that config\.json lists.*", error.strip().splitlines()[-1])
