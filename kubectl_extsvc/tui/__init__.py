"""The terminal UI: a Textual app over the same operations as the command line.

What a screen says is decided by pure functions that give Lines (panes/, matrix.py); widgets only draw them.
"""
