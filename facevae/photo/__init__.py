"""Pixels: everything before encode and after decode."""
