"""What holds for every test."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_leases(tmp_path_factory):
    """Devices are leased among the processes of this test run's worker alone, so that no test waits for a stranger."""
    before = os.environ.get("NAS_MOO_LEASES")
    os.environ["NAS_MOO_LEASES"] = str(tmp_path_factory.mktemp("leases"))
    yield
    if before is None:
        del os.environ["NAS_MOO_LEASES"]
    else:
        os.environ["NAS_MOO_LEASES"] = before
