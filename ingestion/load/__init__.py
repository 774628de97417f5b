"""Load files into raw tables, and check rejected rows again.

A run that finds no new file needs few of these modules, so this one imports none.
"""
