"""The page: a thin skin over facevae.editor. The only place that imports gradio; it never touches torch."""
