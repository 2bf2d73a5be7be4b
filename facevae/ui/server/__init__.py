"""The HTTP side of the page: API, request guard, temporary files, checkpoints, patches."""
