"""Contents of the browser's local storage: presets, favourite faces, switches; validated."""

from typing import Any

from facevae.editor.types import Drawn

STORE = {"looks": {}, "faces": [], "refine": True, "png": False}
MAX_NAME, MOST_FACES = 40, 24


def checked(stored: Any) -> dict[str, Any]:
    """What the browser's storage holds, or what is there at first: anybody can write into it."""
    if not isinstance(stored, dict):
        return dict(STORE)
    looks, faces = stored.get("looks"), stored.get("faces")
    kept = [face for face in map(_face, faces if isinstance(faces, list) else []) if face is not None]
    return {
        "looks": {str(name)[:MAX_NAME]: _look(look) for name, look in (looks if isinstance(looks, dict) else {}).items() if _is_look(look)},
        "faces": [face.as_json() for face in dict.fromkeys(kept)][:MOST_FACES],
        "refine": bool(stored.get("refine", True)),
        "png": bool(stored.get("png", False)),
    }


def faces_of(stored: Any) -> list[Drawn]:
    """The faces that were kept, the last one first."""
    return [Drawn.read(face) for face in checked(stored)["faces"]]


def with_faces(stored: Any, faces: list[Drawn]) -> dict[str, Any]:
    """The storage with these faces in it."""
    return checked(checked(stored) | {"faces": [face.as_json() for face in faces]})


def _is_look(look: Any) -> bool:
    return isinstance(look, dict) and isinstance(look.get("strengths", {}), dict) and isinstance(look.get("locks", []), list)


def _look(look: dict[str, Any]) -> dict[str, Any]:
    given = look.get("worn")
    worn = {str(k): float(v) for k, v in given.items() if isinstance(v, int | float) and 0 <= v <= 1} if isinstance(given, dict) else {}
    return {
        "strengths": {str(k): float(v) for k, v in look.get("strengths", {}).items() if isinstance(v, int | float)},
        "locks": [str(lock) for lock in look.get("locks", []) if isinstance(lock, str)],
        **({"worn": worn} if worn else {}),
    }


def _face(given: Any) -> Drawn | None:
    """A face of a seed; None where it is none."""
    try:
        return Drawn.read(given)
    except ValueError:
        return None
