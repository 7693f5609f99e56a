"""Readers of metrics files: text in, rows out, with a report of what was recognised and what was left out.

`open_lines` tells the format and yields records, `columns` finds out what their names mean, and `reading` makes rows.
"""
