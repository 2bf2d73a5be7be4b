"""Proxies on both sides: those that requests go out through, and those that the page lies behind."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from facevae.ui.server.proxies import keep_local_requests_direct
from facevae.ui.server.reverse_proxy import ReverseProxy, prefix_of

NAMES = [name for kind in ("http", "https", "all", "no") for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY")]


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "http://office:8080"}, {"http": "http://office:8080", "no": "localhost,127.0.0.1,::1,faces.lan"}),
        ({"https_proxy": "office:8080", "no_proxy": ".lan, ::1"}, {"https": "office:8080", "no": ".lan,::1,localhost,127.0.0.1,faces.lan"}),
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, {"all": "socks5://127.0.0.1:9", "no": "localhost,127.0.0.1,::1,faces.lan"}),
        (
            {"ALL_PROXY": "socks4://127.0.0.1:9", "http_proxy": "http://a"},
            {"http": "http://a", "no": "localhost,127.0.0.1,::1,faces.lan"},
        ),
        ({"https_proxy": "quic://a", "HTTPS_PROXY": "quic://a"}, {"no": "localhost,127.0.0.1,::1,faces.lan"}),
    ],
)
def test_this_machine_is_asked_directly(given: dict, left: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """`urllib.request.getproxies` is what the HTTP library reads; a proxy that it cannot use would end the start of the page."""
    from urllib.request import getproxies

    import httpx

    for name in NAMES:
        monkeypatch.setenv(name, "")  # put back after the test, whoever changes it
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    keep_local_requests_direct("faces.lan")
    assert getproxies() == left
    httpx.Client().close()
    dropped = sorted({value for name, value in given.items() if value not in left.values() and name.lower() != "no_proxy"})
    assert capsys.readouterr().err.splitlines() == [
        f"facevae: the proxy {value} cannot be used: http, https, socks5 and socks5h can. Going on without it." for value in dropped
    ]


def address(request: Request) -> JSONResponse:
    return JSONResponse([str(request.url), request.url_for("inner").path, request.headers.get("x-gradio-server")])


INNER = Starlette(routes=[Route("/a/b", address, name="inner")])


@pytest.mark.parametrize(
    ("prefix", "path", "headers", "seen"),
    [
        ("", "/a/b", {}, "http://testserver/a/b"),
        ("", "/a/b", {"X-Forwarded-Host": "faces.org", "X-Forwarded-Proto": "https"}, "https://faces.org/a/b"),
        ("", "/a/b", {"X-Forwarded-Host": "faces.org:81, inner", "X-Forwarded-Prefix": "/x/y/"}, "http://faces.org:81/x/y/a/b"),
        ("/x", "/a/b", {}, "http://testserver/x/a/b"),  # the proxy has cut the prefix off
        ("/x", "/x/a/b", {}, "http://testserver/x/a/b"),  # or left it in
        ("/x", "/a/b", {"X-Forwarded-Prefix": "/z"}, "http://testserver/z/a/b"),
        ("", "/a/b", {"X-Forwarded-Prefix": "//elsewhere.org", "X-Forwarded-Host": "a b<"}, "http://testserver/a/b"),
    ],
)
def test_the_page_knows_its_address_behind_a_proxy(prefix: str, path: str, headers: dict, seen: str) -> None:
    url, inner, gradio = TestClient(ReverseProxy(INNER, prefix)).get(path, headers=headers).json()
    assert url == seen and seen.endswith(inner) and (gradio is None) == (inner == "/a/b")
    assert gradio is None or gradio + "/a/b" == seen


def test_a_root_path_is_a_path() -> None:
    assert [prefix_of(text) for text in ("", "/", "/faces/", "/a/b.c")] == ["", "", "/faces", "/a/b.c"]
    for text in ("faces", "//faces", "https://a.org/faces", "/a b", '/"><script>'):
        with pytest.raises(ValueError, match="no path: one such as /faces is"):
            prefix_of(text)
