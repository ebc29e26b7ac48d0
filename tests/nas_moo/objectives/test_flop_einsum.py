import random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nas_moo.objectives.flop_einsum import einsum_products


@pytest.mark.parametrize(
    ("equation", "shapes", "by_hand"),
    [
        ("ij,jk->ik", [(2, 3), (3, 5)], 2 * 3 * 5),
        ("ij,jk", [(2, 3), (3, 5)], 2 * 3 * 5),
        ("b h n d, b h m d -> b h n m", [(2, 4, 5, 8), (2, 4, 7, 8)], 2 * 4 * 5 * 7 * 8),
        ("...d,kd->...k", [(2, 3, 4), (5, 4)], 2 * 3 * 5 * 4),
        ("i,i->", [(7,), (7,)], 7),
        ("i,j->ij", [(7,), (5,)], 0),  # sums nothing: a product of elements
        ("ij,ij->ij", [(7, 5), (7, 5)], 0),
        ("ijk->ik", [(2, 3, 4)], 0),  # one operand: a sum
        ("bnc,kc->bk", [(2, 7, 16), (5, 16)], 2 * 16 * 5),  # n is summed before they meet
        ("ij,jk,kl->il", [(2, 3), (3, 5), (5, 7)], 2 * 3 * 5 + 2 * 5 * 7),  # from left to right
        ("ii,ij->j", [(4, 4), (4, 6)], 4 * 6),  # the diagonal
        ("ij,jk->ik", [(2, 1), (3, 5)], 0),  # an axis of one element: the other is summed first
    ],
)
def test_the_count_is_the_one_by_hand(equation, shapes, by_hand):
    assert einsum_products(equation, shapes) == by_hand


def test_a_given_order_is_followed():
    shapes = [(2, 3), (3, 5), (5, 7)]
    assert einsum_products("ij,jk,kl->il", shapes, [1, 2, 0, 1]) == 3 * 5 * 7 + 2 * 3 * 7


@pytest.mark.parametrize("equation", ["ijk,jk->i", "i,jk->ik"])
def test_what_does_not_fit_is_refused(equation):
    with pytest.raises(ValueError, match="does not name"):
        einsum_products(equation, [(2, 3), (3, 5)])


def draw(rng):
    """A random equation, shapes and maybe an order; what PyTorch refuses among them is left out by the test."""
    sizes, hidden = {letter: rng.choice([1, 2, 3, 5]) for letter in "abcde"}, [rng.choice([2, 3]) for _ in range(2)]
    terms, shapes, operands, dots = [], [], rng.randint(1, 4), rng.random() < 0.3
    for _ in range(operands):
        letters = rng.sample("abcde", rng.randint(1, 4))
        shape = [sizes[letter] if rng.random() < 0.9 else 1 for letter in letters]
        term, place, more = "".join(letters), rng.randint(0, len(letters)), rng.randint(0, 2)
        if dots:
            term, shape = term[:place] + "..." + term[place:], shape[:place] + hidden[2 - more :] + shape[place:]
        terms.append(term)
        shapes.append(shape)
    equation = ",".join(terms)
    used = sorted(set(equation) - set(",."))
    if rng.random() < 0.8:
        equation += "->" + ("..." if dots else "") + "".join(rng.sample(used, rng.randint(0, len(used))))
    path = [i for left in range(operands, 1, -1) for i in rng.sample(range(left), 2)] if rng.random() < 0.4 else []
    return equation, shapes, path


def test_random_equations_count_what_pytorch_does_with_them():
    rng, compared = random.Random(0), 0  # noqa: S311
    for _ in range(1500):
        equation, shapes, path = draw(rng)
        operands = [torch.zeros(shape, device="meta") for shape in shapes]
        counter = FlopCounterMode(display=False)
        try:
            with counter:
                torch._VF.einsum(equation, operands, path=path or None)
        except RuntimeError:
            continue
        compared += 1
        assert einsum_products(equation, shapes, path) == counter.get_total_flops() / 2, (equation, shapes, path)
    assert compared > 1000
