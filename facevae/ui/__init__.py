"""The page: widgets over facevae.editor. It alone imports gradio, and it imports no torch."""
