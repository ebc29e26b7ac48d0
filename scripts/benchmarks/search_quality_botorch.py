"""BoTorch's qLogNEHVI as an arm of ``search_quality``: a Gaussian process for the error, and the costs as they are.

Ament et al. 2023 (LogEI), Daulton et al. 2021 (NEHVI). The costs of every candidate are known, so their models are
deterministic. The process learns the logarithm of the error; hypervolume is that of the error itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
from botorch.exceptions.warnings import BotorchWarning
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelList, SingleTaskGP
from botorch.models.deterministic import GenericDeterministicModel
from botorch.optim.optimize import optimize_acqf_discrete
from botorch.sampling.get_sampler import get_sampler
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from gpytorch.mlls import ExactMarginalLogLikelihood
from search_quality_ask import AskTellSampler
from search_quality_oneshot import candidates, log_error
from search_quality_points import Points
from torch import Tensor

from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array
from nas_moo.replay.run import CostOracle
from nas_moo.samplers import SamplerOptions

CANDIDATES = 1000  # the acquisition is computed for: the whole of a smaller space, otherwise a random part each time
SAMPLES = 16  # of the error of a candidate, for which the default, 128, is many: only the error is random
FIT_STEPS = 100  # of the hyperparameters; without a limit, fitting takes most of the time
MARGIN = 0.1  # of the reference point beyond the worst of the front in error, and beyond all candidates in costs
WIDE = 1200  # a space up to this size counts as small
torch.set_num_threads(1)  # a search has one core


class QLogNEHVISampler(AskTellSampler):
    """Fits anew before each proposal, and takes the untried candidate of the largest acquisition."""

    def __init__(
        self, genome: Genome, options: SamplerOptions, is_known: Callable[[Architecture], bool], costs: CostOracle
    ) -> None:
        super().__init__(genome, options, is_known, costs)
        self._point = Points(genome)

    def propose(self) -> Architecture | None:
        """The candidate of the largest acquisition; None where no candidate is left."""
        torch.manual_seed(self.options.seed)
        size = WIDE if isinstance(n := self._genome.size(), int) and n <= WIDE else CANDIDATES
        left = [a for a in candidates(self._genome, size, self.rng) if not self.is_known(a)]
        if not left:
            return None
        values = self.values
        costs = np.vstack([values[:, 1:], self.known_costs(left)])
        low, span = costs.min(axis=0), np.maximum(np.ptp(costs, axis=0), 1e-9)
        points = np.array([self._point(a) for a in [*self.architectures, *left]])
        told = torch.from_numpy(np.column_stack([points, (costs - low) / span]))
        trained, untried = told[: len(values)], told[len(values) :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BotorchWarning)
            acquisition = _acquisition(trained, log_error(values[:, 0]), costs.shape[1], self.options.seed)
            best, _ = optimize_acqf_discrete(acquisition, q=1, choices=untried, max_batch_size=256)
        return left[int((untried == best).all(dim=1).nonzero()[0])]


def _acquisition(trained: Tensor, target: Array, n_costs: int, seed: int) -> qLogNoisyExpectedHypervolumeImprovement:
    """Of points whose last coordinates are their costs, from 0 to 1; all is maximised."""
    error = torch.from_numpy(target)[:, None]
    process = SingleTaskGP(trained, error)
    fit_gpytorch_mll(
        ExactMarginalLogLikelihood(process.likelihood, process),
        optimizer_kwargs={"options": {"maxiter": FIT_STEPS}},
    )
    costs = GenericDeterministicModel(lambda x: x[..., -n_costs:], num_outputs=n_costs)
    model = ModelList(process, costs)
    sampler = get_sampler(model.posterior(trained[:1]), torch.Size([SAMPLES]), seed=seed)  # type: ignore[arg-type]
    observed = _objectives(torch.cat([error, trained[:, -n_costs:]], dim=1))
    reference = infer_reference_point(observed[is_non_dominated(observed)], scale=MARGIN)
    reference[1:] = -1.0 - MARGIN  # the heuristic would leave out all candidates costlier than the observed front
    return qLogNoisyExpectedHypervolumeImprovement(
        model=model,
        ref_point=reference,
        X_baseline=trained,
        sampler=sampler,
        objective=GenericMCMultiOutputObjective(lambda outcomes, X: _objectives(outcomes)),  # noqa: N803
        prune_baseline=True,
    )


def _objectives(outcomes: Tensor) -> Tensor:
    """Minus the error and minus the costs, from the log error and the costs."""
    return -torch.cat([outcomes[..., :1].exp(), outcomes[..., 1:]], dim=-1)
