"""Widgets of our own: face tiles, rows of pictures, upload."""
