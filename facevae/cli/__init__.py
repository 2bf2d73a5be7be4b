"""The command line: `facevae COMMAND`, a thin skin over `facevae.editor`. `facevae.__main__` holds the table of commands."""
