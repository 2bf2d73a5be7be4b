"""HTTP and SOCKS proxies of the environment: requests to this machine never go through them."""

import importlib.util
import os
import sys
import urllib.request

KINDS = ("http", "https", "all")
LOCAL = ("localhost", "127.0.0.1", "::1")
USABLE = ("http", "https")
SOCKS = ("socks5", "socks5h")


def keep_local_requests_direct(host: str | None = None) -> None:
    """Add this machine, and `host`, to the exceptions of the proxies. To be called before Gradio is imported.

    Gradio asks its own page whether it is there when it starts. A proxy of a kind that the HTTP library does not know would end the
    import of Gradio: such a one is taken out of the environment of this process, and standard error says so.
    """
    proxies = proxies_of_environment()
    for kind, address in proxies.items():
        if usable(address):
            os.environ[f"{kind}_proxy"] = address  # a "no_proxy" below would hide what came from the system's settings
            continue
        for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY"):
            os.environ.pop(name, None)
        print(f"facevae: the proxy {address} cannot be used: http, https, socks5 and socks5h can. Going on without it.", file=sys.stderr)
    if not proxies:
        return
    known = [name.strip() for name in urllib.request.getproxies().get("no", "").split(",") if name.strip()]
    local = [name for name in (*LOCAL, (host or "").strip("[]")) if name and name not in known]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join([*known, *local])


def proxies_of_environment() -> dict[str, str]:
    """Addresses of the proxies by what goes through them; on Windows and macOS also those of the system's settings."""
    proxies = urllib.request.getproxies()
    return {kind: proxies[kind] for kind in KINDS if proxies.get(kind)}


def usable(address: str) -> bool:
    """Whether the HTTP library can go through this proxy."""
    scheme = address.partition("://")[0].lower() if "://" in address else "http"
    return scheme in USABLE or (scheme in SOCKS and importlib.util.find_spec("socksio") is not None)
