"""Cutting single cells and background crops out of fields of view."""
