"""Known vulnerabilities in what is installed: python tests/support/audit.py, the last step of tests/run.sh.

It fails for a package that the app needs, where a version without the fault is out: the newest allowed versions are installed, so it is
our range that keeps it away. Others are printed. Where the service cannot be reached or knows nothing, it says so and does not fail.
"""

import json
import re
import subprocess
import sys
from importlib import metadata
from typing import Any

PATIENCE_SEC = 180
FLAGS = ["--local", "--skip-editable", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
COMMAND = [sys.executable, "-m", "pip_audit", *FLAGS]


def needed(name: str) -> set[str]:
    """A package and all that it needs, without extras, as far as it is installed."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        one = re.sub(r"[-_.]+", "-", ahead.pop()).lower()
        if one in found:
            continue
        try:
            lines = metadata.requires(one) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(one)
        ahead += [re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]
    return found


def judge(report: dict[str, Any], ours: set[str]) -> tuple[int, list[str]]:
    """What pip-audit found, as an exit status and as lines to print."""
    rows = report["dependencies"]
    asked = [row for row in rows if "skip_reason" not in row]
    if not asked:
        return 0, [f"NOT AUDITED: the service knows none of the {len(rows)} packages"]
    lines, failed = [], 0
    for row in asked:
        for fault in row["vulns"]:
            app, fixed = re.sub(r"[-_.]+", "-", row["name"]).lower() in ours, fault["fix_versions"]
            failed |= app and bool(fixed)
            who = "the app needs it" if app else "for tests and training alone"
            lines.append(f"{row['name']} {row['version']}: {fault['id']}, {who}, mended in {', '.join(fixed) or 'no version yet'}")
    unknown = f", {len(rows) - len(asked)} are unknown to the service" if len(rows) > len(asked) else ""
    return int(failed), [f"audited {len(asked)} packages{unknown}: {len(lines)} known vulnerabilities", *lines]


def main() -> int:
    """Ask, judge, print."""
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=PATIENCE_SEC)
        report = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        print(f"NOT AUDITED: no answer within {PATIENCE_SEC} s")
        return 0
    except json.JSONDecodeError:
        print(f"NOT AUDITED: {(done.stderr.strip().splitlines() or ['pip-audit said nothing'])[-1][:300]}")
        return 0
    status, lines = judge(report, needed("facevae"))
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
