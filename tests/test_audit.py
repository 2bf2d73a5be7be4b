"""The audit fails for what we can mend, and says where it could not look."""

import audit


def row(name: str, *fixed: list[str]) -> dict:
    return {"name": name, "version": "1", "vulns": [{"id": "X-1", "fix_versions": versions} for versions in fixed]}


def test_only_what_the_app_needs_and_somebody_has_mended_fails() -> None:
    skipped = {"name": "gradio", "skip_reason": "not found"}
    for rows, status, words in (
        ([row("gradio", ["2"])], 1, "gradio 1: X-1, the app needs it, mended in 2"),
        ([row("gradio", [])], 0, "mended in no version yet"),
        ([row("pytest", ["2"]), row("gradio")], 0, "pytest 1: X-1, for tests and training alone"),
        ([row("gradio"), skipped], 0, "audited 1 packages, 1 are unknown to the service: 0 known vulnerabilities"),
        ([skipped], 0, "NOT AUDITED: the service knows none of the 1 packages"),
    ):
        found = audit.judge({"dependencies": rows}, {"gradio"})
        assert found[0] == status and words in "\n".join(found[1])


def test_what_the_app_needs_is_followed_to_the_end() -> None:
    ours = audit.needed("gradio")
    assert {"gradio", "starlette", "pillow", "idna"} <= ours and "pytest" not in ours
    assert audit.needed("facevae-none") == set()


def test_no_network_is_no_failure(monkeypatch, capsys) -> None:
    monkeypatch.setattr(audit, "COMMAND", [audit.sys.executable, "-c", "import sys; sys.exit('ConnectionError: no way out')"])
    assert audit.main() == 0 and "NOT AUDITED: ConnectionError: no way out" in capsys.readouterr().out
