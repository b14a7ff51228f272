import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.contrastive.queue import ClassQueue


def push(queue, labels, first):
    positions = torch.arange(first, first + len(labels))
    queue.push(positions[:, None].float(), torch.tensor(labels, dtype=torch.int64), positions)


def held(queue, label):
    of_class = queue.positions[queue.classes == label]
    return sorted(of_class[of_class >= 0].tolist())


def test_the_newest_overwrites_the_oldest_of_its_class():
    queue = ClassQueue(np.array([2, 3, 0]), 1)
    push(queue, [0, 1, 0], 10)
    assert (held(queue, 0), held(queue, 1)) == ([10, 12], [11])
    push(queue, [0, 1], 20)
    assert (held(queue, 0), held(queue, 1)) == ([12, 20], [11, 21])
    # More of a class than it has slots: the last ones stay.
    push(queue, [0] * 5, 30)
    assert held(queue, 0) == [33, 34]
    filled = queue.positions >= 0
    assert torch.equal(queue.embeddings[filled, 0], queue.positions[filled].float())


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), max_size=6),
)
def test_holds_the_last_samples_of_each_class(sizes, batches):
    queue, seen = ClassQueue(np.array(sizes), 1), {k: [] for k in range(len(sizes))}
    for step, batch in enumerate(batches):
        labels = [label % len(sizes) for label in batch]
        push(queue, labels, 100 * step)
        for place, label in enumerate(labels):
            seen[label].append(100 * step + place)
    for label, size in enumerate(sizes):
        assert held(queue, label) == seen[label][-size:]


def test_is_pushed_without_gradient_and_forgets_all():
    queue = ClassQueue(np.array([2]), 3)
    embeddings = torch.ones(1, 3, requires_grad=True)
    queue.push(embeddings, torch.tensor([0]), torch.tensor([7]))
    assert not queue.embeddings.requires_grad
    queue.clear()
    assert sum(buffer.numel() for buffer in queue.state_dict().values()) == 1
