import dataclasses
import json

import pytest

from nas_moo.errors import CorruptError
from nas_moo.finalists import join
from reports import finalists
from reports import page as page_module
from reports.page import sections, write


@pytest.fixture
def lines(study):
    """Each model of the front on two devices; on the second the order is turned round."""
    front = study.trials[study.trials["front"]].drop_duplicates("network_digest")
    made = []
    for device in ("one", "two"):
        for i, (_, row) in enumerate(front.iterrows()):
            value = 1.0 + i if device == "one" else 100.0 - i
            key = {"network": row["network_digest"], "device": device, "mode": "latency", "batch": 4, "cache": "warm"}
            made.append(
                {
                    "format": 1, "kind": "latency", "study": study.name, "id": row["id"], "asked": "latency",
                    "network_digest": row["network_digest"], "code_digest": "abc123", "mode": "latency", "value": value,
                    "low": value * 0.9, "high": value * 1.1, "unit": "ms", "key": key, "conditions": device,
                    "method": "graph, batch 4", "caveats": ["contended"] if i == 0 else [],
                }
            )  # fmt: skip
    return made


def test_each_device_has_its_table(study, lines):
    fronts = join(study, lines)
    section = finalists.section(study, fronts)
    assert [t.title for t in section.tables] == ["one: latency, batch 4", "two: latency, batch 4"]
    first = section.tables[0]
    assert len(first.rows) == len(fronts[0].models)
    assert "contended" in {cell.note for row in first.rows for cell in row if hasattr(cell, "note")}
    assert any("all 2 fronts" in sentence for sentence in section.sentences)
    assert "graph, batch 4" in first.notes[0]


def test_ranks_that_changed_are_counted_and_shown(study, lines):
    fronts = join(study, lines)
    for front, told in zip(fronts, finalists.section(study, fronts).sentences, strict=False):
        moved = int((front.models["rank"] != front.models["rank_before"]).sum())
        assert (f"{moved} of them changed their rank" in told) or moved == 0
    rank_column = [row[3] for row in finalists.section(study, fronts).tables[0].rows]
    assert {cell.note.split()[0] for cell in rank_column} <= {"was", "as"}


def test_models_that_leave_the_front_are_named(study, lines):
    fronts = join(study, lines)
    beaten = [set(f.models.loc[f.models["standing"] == "beaten", "id"]) for f in fronts]
    for gone, told in zip(beaten, finalists.section(study, fronts).sentences, strict=False):
        assert all(model in told for model in gone)
    assert any(beaten)


def test_the_page_has_the_section_only_where_measurements_were_given(study, lines, tmp_path, monkeypatch):
    def alone(*given):  # the pictures of the other sections are drawn elsewhere
        return tuple(part for part in sections(*given) if part.id == "finalists")

    monkeypatch.setattr(page_module, "sections", alone)
    file = tmp_path / "m.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = write(dataclasses.replace(study), tmp_path / "with", [file]).read_text()
    assert finalists.QUESTION in page
    assert "was " in page
    assert "finalists" not in [part.id for part in sections(study, study.unseal(purpose="report"))]
    file.write_text("{")
    with pytest.raises(CorruptError):
        write(study, tmp_path / "never", [file])
    assert not (tmp_path / "never").exists()
