"""What only makes things faster, and may be skipped: threads for one operation, memory that is kept, fused kernels.

The first two change something for the whole process; `parallel` and `memory` say what, and what it gains.
"""
