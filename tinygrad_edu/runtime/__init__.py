"""What only makes things faster, and may be skipped: threads for one operation, and memory that is kept.

Both change something for the whole process; `parallel` and `memory` say what, and what it gains.
"""
