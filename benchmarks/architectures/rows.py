"""The two rows. Ratios are everybody's time over ours: above 1, ours is faster."""

from benchmarks.architectures import gpt, yolo
from benchmarks.contender import Goal
from benchmarks.practicals.rows import row

ROWS = (
    row(
        "shakespeare-gpt",
        "one training step of a GPT, 4 blocks of 4 heads, 128 wide, batch 12 x 64 characters, AdamW, float32",
        {
            "ours": gpt.GPTOurs,
            "textbook": gpt.GPTTextbook,
            "torch": gpt.GPTPyTorch,
            "torch-best": gpt.GPTPyTorchBest,
        },
        steps=5,
        goal=Goal("torch / ours", at_least=0.9),
    ),
    row(
        "mini-yolo",
        "one training step of mini-YOLO, 64 scenes of 64 x 64, Adam, float32, the same graph for all",
        {
            "ours": yolo.YOLOOurs,
            "textbook": yolo.YOLOTextbook,
            "torch": yolo.YOLOPyTorch,
            "torch-best": yolo.YOLOPyTorchBest,
        },
        steps=3,
        goal=Goal("torch / ours", at_least=0.9),
        tolerance=1e-4,  # the textbook adds a channel's 8,192 numbers one after the other, which costs it three digits
    ),
)
