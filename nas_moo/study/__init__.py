"""A study: configured, run trial by trial, stored piece by piece, and read back as a ``StudyResult``."""
