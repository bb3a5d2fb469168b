"""The databases of single cells: what each holds, how it is fetched and how it is read.

The catalogue has the address, licence and citation of each, its module the layout of its folder.
"""
