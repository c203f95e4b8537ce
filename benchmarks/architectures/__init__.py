"""The overview's other two architectures: one training step of a small GPT and of a small YOLO.

`gpt` and `yolo` say what is computed, and compute it with ours and with PyTorch; `rows` puts them side by side.
"""
