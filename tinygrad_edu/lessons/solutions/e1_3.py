"""Solution of exercise 1.3."""


def walk(y, G):
    """Of all nodes that were reached, the youngest is visited next: nothing can pay into it any more."""
    gradients = {y: G}
    reached = [y]
    while reached:
        node = max(reached, key=lambda other: other.serial)
        reached.remove(node)
        if node.backward is None:
            continue
        for x, g in zip(node.inputs, node.backward(gradients[node])):
            if x in gradients:
                gradients[x] = gradients[x] + g
            else:
                gradients[x] = g
                reached.append(x)
    return gradients
