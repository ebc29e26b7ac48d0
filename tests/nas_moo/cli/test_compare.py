"""Several studies of one storage on one page, from the command line."""

import pytest

STUDY = "Tiny-blobs"


@pytest.fixture(scope="module")
def seeds(studied, search):
    """Two more studies, of another seed and of another sampler."""
    from nas_moo.cli import main

    assert main([*search, "--study", "seed1", "--seed", "1", "--trials", "4"]) == 0
    assert main([*search, "--study", "drawn", "--sampler", "random", "--trials", "4"]) == 0
    return studied


def test_a_page_of_several_studies(seeds, run, document):
    told = document("compare", STUDY, "seed1", "drawn", "--out", "beside")
    assert told["studies"] == [STUDY, "seed1", "drawn"]
    assert (seeds / told["page"]).is_file()
    assert {"index.html", "fronts.csv", "hypervolume.csv", "differences.csv"} <= set(told["files"])
    assert "<strong>sampler</strong>" in (seeds / told["page"]).read_text()
    code, out, _ = run("compare", STUDY, "drawn")
    assert (code, "comparison/index.html" in out) == (0, True)


@pytest.mark.parametrize(
    "arguments", [(STUDY,), (STUDY, STUDY), (STUDY, "nobody"), (STUDY, "drawn", "--out", "space.py")]
)
def test_what_cannot_be_compared_is_refused(seeds, refused, arguments):
    refused(2, "compare", *arguments)


def test_other_objectives_are_refused(seeds, refused, search):
    from nas_moo.cli import main

    words = [*search[: search.index("--objective")], "--objective", "error", "--objective", "flops"]
    assert main([*words, "--epochs", "1", "--trials", "2", "--study", "counted"]) == 0
    assert "differ in their objectives" in refused(3, "compare", STUDY, "counted")["error"]
