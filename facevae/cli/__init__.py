"""Command line `facevae COMMAND`; the table of commands is in facevae.__main__."""
