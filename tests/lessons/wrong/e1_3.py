"""Wrong answers to exercise 1.3, as learners write them; the docstring is what the diagnosis must say."""

from collections import deque
from heapq import heappop, heappush


def walk_1(y, G):
    "left in the order in which they were reached"
    gradients, queue, seen = {y: G}, deque([y]), {y}
    while queue:
        node = queue.popleft()
        if node.backward:
            for x, g in zip(node.inputs, node.backward(gradients[node])):
                gradients[x] = gradients[x] + g if x in gradients else g
                if x not in seen:
                    seen.add(x)
                    queue.append(x)
    return gradients


def walk_2(y, G):
    "reached last is left first"
    gradients, stack, left = {y: G}, [y], set()
    while stack:
        node = stack.pop()
        if node.backward is None or node in left:
            continue
        left.add(node)
        for x, g in zip(node.inputs, node.backward(gradients[node])):
            gradients[x] = gradients.get(x, 0) + g
            stack.append(x)
    return gradients


def walk_3(y, G):
    "take the oldest"
    gradients, heap, left = {y: G}, [(y.serial, id(y), y)], set()
    while heap:
        node = heappop(heap)[2]
        if node.backward is None or node in left:
            continue
        left.add(node)
        for x, g in zip(node.inputs, node.backward(gradients[node])):
            gradients[x] = gradients.get(x, 0) + g
            heappush(heap, (x.serial, id(x), x))
    return gradients


def walk_4(y, G):
    "the later gradient replaces the earlier one"
    gradients, reached = {y: G}, {y}
    while reached:
        node = max(reached, key=lambda n: n.serial)
        reached.remove(node)
        if node.backward:
            gradients.update(zip(node.inputs, node.backward(gradients[node])))
            reached.update(node.inputs)
    return gradients


def walk_5(y, G):
    "only the first gradient counts"
    gradients, reached = {y: G}, {y}
    while reached:
        node = max(reached, key=lambda n: n.serial)
        reached.remove(node)
        for x, g in zip(node.inputs, node.backward(gradients[node]) if node.backward else ()):
            gradients.setdefault(x, g)
            reached.add(x)
    return gradients


def walk_6(y, G):
    "you add in place"
    gradients, reached = {y: G}, {y}
    while reached:
        node = max(reached, key=lambda n: n.serial)
        reached.remove(node)
        for x, g in zip(node.inputs, node.backward(gradients[node]) if node.backward else ()):
            if x in gradients:
                gradients[x] += g
            else:
                gradients[x] = g
            reached.add(x)
    return gradients
