"""Command-line options of `python -m train COMMAND`, one class a command."""
