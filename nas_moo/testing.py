"""Checks that every search space passes, and that you can run on yours.

Example::

    from nas_moo.testing import check_space
    check_space("my_space.py:Tower", input_shape=(3, 32, 32), n_classes=10)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from nas_moo.errors import SpaceError
from nas_moo.genes import Gene, Real
from nas_moo.genome import Architecture, Genome
from nas_moo.space import RESERVED_GENES, LoadedSpace, SearchSpace, load_space

_BATCH = 4
_VALUES_OF_A_REAL_GENE = 9


def check_space(
    space: str | SearchSpace | type,
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    samples: int = 20,
    seed: int = 0,
) -> None:
    """Build, run and train a step of the two extreme and some random architectures of a space.

    Args:
        space: As ``load_space`` takes it.
        input_shape: Of one example: (channels, height, width) or (features,).
        n_classes: Length of the network's output.
        samples: How many random architectures.
        seed: Which ones.

    Raises:
        SpaceError: the first thing that is wrong, with the architecture that shows it.
    """
    loaded = load_space(space)
    _check_genes(loaded)
    with torch.random.fork_rng(devices=[]):
        for architecture, partner in _samples(loaded.space.genome, samples, seed):
            try:
                _check_architecture(loaded, architecture, partner, input_shape, n_classes)
            except SpaceError:
                raise
            except Exception as error:
                raise _fault(architecture, f"fails ({type(error).__name__}: {error})") from error


def random_architecture(genome: Genome, rng: np.random.Generator) -> Architecture:
    """One architecture, each gene drawn evenly from its values."""
    return genome.architecture({gene.name: _draw(gene, rng) for gene in genome.genes})


def _draw(gene: Gene, rng: np.random.Generator) -> Any:
    values = _values(gene)
    return values[rng.integers(len(values))]


def _values(gene: Gene) -> tuple[Any, ...]:
    return gene.values(_VALUES_OF_A_REAL_GENE) if isinstance(gene, Real) else gene.values()


def _samples(genome: Genome, samples: int, seed: int) -> Iterator[tuple[Architecture, Architecture]]:
    """Pairs with one network and two trainings, where there are training genes."""
    rng = np.random.default_rng(seed)
    proposals = [{g.name: _values(g)[end] for g in genome.genes} for end in (0, -1)]
    proposals += [{g.name: _draw(g, rng) for g in genome.genes} for _ in range(samples)]
    for proposal in proposals:
        other = {g.name: _draw(g, rng) for g in genome.genes if g.affects == "training"}
        yield genome.architecture(proposal), genome.architecture({**proposal, **other})


def _check_genes(loaded: LoadedSpace) -> None:
    genome = loaded.space.genome
    for name in RESERVED_GENES:
        if name in genome and genome[name].affects != "training" and not hasattr(loaded.space, "recipe"):
            raise SpaceError("a reserved gene changes the network", value=name, do='Give it affects="training".')


def _check_architecture(
    loaded: LoadedSpace, architecture: Architecture, partner: Architecture, input_shape: tuple[int, ...], n_classes: int
) -> None:
    model = _built(loaded.space, architecture, input_shape, n_classes)
    _check_output(model, architecture, input_shape, n_classes)
    again = _built(loaded.space, architecture, input_shape, n_classes)
    if not all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)):
        raise _fault(architecture, "does not begin with the same weights under the same seed")
    if partner.network_digest == architecture.network_digest:
        other = _built(loaded.space, partner, input_shape, n_classes)
        if _shapes(other) != _shapes(model):
            raise _fault(partner, "has other weights than its twin: a gene that affects training changes the network")
    loaded.recipe(architecture)
    _check_step(loaded.space, model, architecture, input_shape, n_classes)


def _built(space: SearchSpace, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    torch.default_generator.manual_seed(0)
    return space.build(architecture, input_shape, n_classes)


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _check_output(model: nn.Module, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int) -> None:
    model.eval()
    for batch in (1, _BATCH):
        with torch.no_grad():
            logits = model(torch.randn(batch, *input_shape))
        if logits.shape != (batch, n_classes):
            raise _fault(architecture, f"gives {tuple(logits.shape)} where {(batch, n_classes)} is due")
        if not torch.isfinite(logits).all():
            raise _fault(architecture, "gives logits that are not finite")


def _check_step(
    space: SearchSpace, model: nn.Module, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int
) -> None:
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in parameters]
    optimizer = space.optimizer(architecture, model.parameters())
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not held.issuperset(map(id, parameters)):
        raise _fault(architecture, "has weights that its optimizer does not know")
    labels = torch.arange(_BATCH) % n_classes
    torch.autograd.backward(nn.functional.cross_entropy(model(torch.randn(_BATCH, *input_shape)), labels))
    optimizer.step()
    if all(torch.equal(old, new) for old, new in zip(before, parameters, strict=True)):
        raise _fault(architecture, "does not change in a training step")


def _fault(architecture: Architecture, what: str) -> SpaceError:
    return SpaceError(f"an architecture {what}", value=architecture, do="Mend build or optimizer of the space.")
