"""The verdict on a claim: found, partly or not found."""

from typing import Literal


def verdict(*parts: bool) -> Literal["found", "partly", "not found"]:
    """All, some or none of the parts are as claimed."""
    return "found" if all(parts) else "partly" if any(parts) else "not found"
