"""Lesson 1: the chain rule on a tape."""

from tinygrad_edu.lessons.exercise import Gold, Wrong, case

EXERCISES = (
    Gold(
        number="1.1",
        title="the backward of y = a * b",
        function="mul_backward",
        forward=lambda a, b: a * b,
        cases=(case((3,), (3,)), case((2, 4), (2, 4)), case((), ())),
        wrong=(
            Wrong(
                "the two gradients are exchanged: dy/da = b, so b belongs to a's gradient",
                lambda G, a, b: (G * a, G * b),
            ),
            Wrong(
                "these are dy/da and dy/db; the chain rule still multiplies each by G = dL/dy", lambda G, a, b: (b, a)
            ),
            Wrong("this is the backward of a + b, which hands G on as it is", lambda G, a, b: (G, G)),
        ),
        hints=(
            "Hold b fixed: by how much does y grow when a grows by 1?",
            "dy/da = b and dy/db = a, entry by entry. The chain rule: dL/da = dL/dy dy/da, and dL/dy is G.",
            "The first of the two is G * b.",
        ),
    ),
)
