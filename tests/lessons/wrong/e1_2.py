"""Wrong answers to exercise 1.2, as learners write them; the docstring is what the diagnosis must say."""


def two_paths_backward_1(G, a, b):
    "the one through the sum is lost"
    s = a + b
    return G * s, G * a


def two_paths_backward_2(G, a, b):
    "has replaced the first, where it should be added"
    s = a + b
    gradients = {"a": G * s, "s": G * a}
    gradients["a"] = gradients["s"]
    gradients["b"] = gradients["s"]
    return gradients["a"], gradients["b"]


def two_paths_backward_3(G, a, b):
    "the sum got G itself"
    return (a + b) * G + G, G


def two_paths_backward_4(G, a, b):
    "still multiplies each by G"
    return 2 * a + b, a


def two_paths_backward_5(G, a, b):
    "dL/da is off by a factor: it is 2 times what is right .*dL/db: right"
    s = a + b
    return 2 * (G * s + G * a), G * a


def two_paths_backward_6(G, a, b):
    "must return a tuple of 2 arrays"
    return [G * (2 * a + b)]
