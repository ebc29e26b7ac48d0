"""Searches in which a recorded table answers instead of training, and the judge of what they found.

``description`` reads what a TOML file says of a table, ``columns`` reads the table, ``RecordedTable`` answers
proposals, ``run`` drives a real sampler with it, ``Judge`` scores the traces, ``summary`` is what is written down,
``compare`` says how much cheaper one sampler reached what another one found, and ``study`` makes the tables that a
report reads.
"""
