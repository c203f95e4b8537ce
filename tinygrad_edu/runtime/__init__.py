"""What only makes things faster, and may be skipped: threads for one operation, memory that is kept, fused kernels.

The first two change something in the process: `process.py` says what, and has the switch.
"""
