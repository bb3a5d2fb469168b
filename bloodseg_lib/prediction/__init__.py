"""From an image of any size to its label map, its cells, their counts and files.

Taught by notebooks 4 and 6.
"""
