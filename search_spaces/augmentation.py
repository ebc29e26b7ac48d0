"""How images are varied during training, as one gene for any space of images."""

from __future__ import annotations

from nas_moo.genes import Categorical
from nas_moo.space import AUGMENTATIONS

GENES = (Categorical("augmentation", AUGMENTATIONS, affects="training"),)
