"""The command `facevae-train` of an installed wheel: python -m train, or what it lacks in one sentence."""

import sys


def main() -> int:
    """Run one command of `train`; 2 where the packages that training needs are not installed."""
    try:
        from train.__main__ import main as run
    except ModuleNotFoundError as error:
        print(f'facevae-train needs {error.name}: pip install "facevae[train]"', file=sys.stderr)
        return 2
    return run()
