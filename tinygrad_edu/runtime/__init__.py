"""What only makes things faster, and may be skipped: threads for one operation, and memory that is kept.

Both change something in the process: `process.py` says what, and has the switch.
"""
