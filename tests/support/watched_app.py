"""app.py, with a note of every file that it touches outside its own place: python tests/support/watched_app.py LOG [flags of app.py].

Python tells its audit hooks of each of them. Until it listens, it may read where it likes: that is Python importing modules.
"""

import os
import runpy
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = ("/.cache/matplotlib", "/.config/matplotlib", "/torchinductor_")
"""Folders that libraries make for themselves, whatever is asked of them."""
READABLE = ("/proc/", "/sys/", "/dev/", "/usr/share/", "/usr/lib/", "/etc/mime.types", "/etc/localtime", "/etc/hosts", "/etc/ssl/")
WRITING = {
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.rename",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "shutil.rmtree",
}


def main() -> None:
    """Watch, and run app.py."""
    tempfile.gettempdir()  # which tries where it can write
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    temp = os.path.normpath(os.environ["GRADIO_TEMP_DIR"]) + os.sep
    code = tuple({str(ROOT), sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()})
    started = False

    def note(event: str, arguments: tuple) -> None:
        nonlocal started
        if event == "socket.bind":
            started = True
        if event != "open" and event not in WRITING:
            return
        writes = event in WRITING or bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
        paths = arguments[:2] if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]
        for path in paths:
            if not isinstance(path, str | bytes | os.PathLike):
                continue  # a file that is open already
            where = os.path.normpath(Path.cwd() / os.fsdecode(path))
            if where.startswith(temp) or where + os.sep == temp or where == "/dev/null":
                continue
            if any(name in where for name in ("__pycache__", *LIBRARIES)):
                continue
            if writes or (started and not where.startswith((*code, *READABLE))):
                os.write(log, f"{event}{' for writing' if writes else ''}: {where!r}\n".encode())

    sys.addaudithook(note)
    sys.path.insert(0, str(ROOT))
    sys.argv = ["app.py", *sys.argv[2:]]
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")


if __name__ == "__main__":
    main()
