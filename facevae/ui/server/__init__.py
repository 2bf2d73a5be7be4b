"""The HTTP side of the page: API, request limits, temporary files, further checkpoints, patches of Gradio."""
