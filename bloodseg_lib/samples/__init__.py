"""From published databases, or a program that draws them, to single cells that are split.

Taught by notebook 1.
"""
