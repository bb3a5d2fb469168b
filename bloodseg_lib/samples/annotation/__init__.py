"""Marking the cells of whole fields by hand, from boxes that a program proposes or that were drawn
in other tools.
"""
