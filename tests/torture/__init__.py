"""The fault laboratory: random landing zones, a fault in each trial, and a model that knows what must be loaded.

`make torture` runs it. docs/reliability.md explains the faults and how outcomes are judged.
"""
