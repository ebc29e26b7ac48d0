"""Finalists timed again, carefully, on the machine at hand: ``nas-moo measure``, ``python -m nas_moo.measure``.

- ``front`` reads the ``front.json`` that a report leaves, and builds its networks;
- ``session`` times them in interleaved rounds against a reference network;
- ``records`` puts the rounds of one network together, as one line of the file that a report joins.

PyTorch and the search space are all that it needs: no Optuna, pandas or seaborn on the target machine.
"""
