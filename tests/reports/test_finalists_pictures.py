import json

import numpy as np
import pytest

from nas_moo.errors import UnknownNameError
from nas_moo.finalists import join
from reports import finalist_devices, finalist_front, finalist_ranks, finalists, style
from reports import finalists_pictures as pictures


def lines(study, values, device, rounds=None):
    """The study's front on a device: ``values`` by its models, in the order of the study."""
    front = study.trials[study.trials["front"]].drop_duplicates("network_digest")
    made = []
    for i, (_, row) in enumerate(front.iterrows()):
        value = values(i)
        key = {"network": row["network_digest"], "device": device, "mode": "latency", "batch": 1, "cache": "warm"}
        line = {
            "format": 1, "kind": "latency", "study": study.name, "id": row["id"], "asked": "latency",
            "network_digest": row["network_digest"], "code_digest": "abc123", "mode": "latency", "value": value,
            "low": value * 0.99, "high": value * 1.01, "unit": "ms", "key": key, "conditions": device,
            "method": "m", "caveats": [],
        }  # fmt: skip
        made.append(line if rounds is None else line | {"rounds": [{"value": v} for v in rounds(i)]})
    return made


@pytest.fixture
def here(study):
    """Rounds of which the first turns the first two models round."""
    return lines(study, lambda i: 1.0 + i, "here", lambda i: (3.0 - i if i < 2 else 1.0 + i, 1.0 + i, 1.0 + i))


@pytest.fixture
def there(study):
    return lines(study, lambda i: 200.0 - i, "there")


def test_ranks_go_from_the_search_through_the_rounds(study, here):
    (front,) = join(study, here)
    found = pictures.ranks(front)
    assert found.columns == ("search", "round 1", "round 2", "round 3", "all")
    assert found.between_rounds == 2
    n = len(found.models)
    for column in found.ranks.T:
        assert sorted(column) == list(range(1, n + 1)), "each rank once"
    assert found.ranks[:, -1].tolist() == list(range(1, n + 1))
    assert found.ranks[:2, 1].tolist() == [2, 1]
    before = front.models.set_index("id")["before"]
    assert [before[i] for i in found.models["id"]] == list(before[found.models["id"]])
    assert found.ranks[np.argsort(found.ranks[:, 0]), 0].tolist() == sorted(found.ranks[:, 0])
    assert before[found.models["id"].iloc[int(np.argmin(found.ranks[:, 0]))]] == before.min()


def test_a_file_without_rounds_and_a_study_without_latency_have_fewer_columns(study, there, make):
    (front,) = join(study, there)
    assert pictures.ranks(front).columns == ("search", "all")
    assert pictures.ranks(front).between_rounds == 0
    without = make(40, ("error", "flops"))
    (front,) = join(without, lines(without, lambda i: 1.0 + i, "here"))
    assert pictures.ranks(front).columns == ("all",)
    drawn = finalists.section(without, (front,)).pictures
    assert [p.name for p in drawn] == ["finalists-front-1"], "one column is no way"


def test_models_and_devices_beyond_the_room_are_counted(study, here, there, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_MODELS", 3)
    monkeypatch.setattr(pictures, "MOST_DEVICES", 1)
    fronts = join(study, here + there)
    n = len(fronts[0].models)
    found = pictures.ranks(fronts[0])
    assert (len(found.models), found.left_out) == (3, n - 3)
    assert found.ranks[:, -1].tolist() == [1, pytest.approx((n + 1) / 2, abs=0.5), n], "ranks are those among all"
    assert pictures.devices(fronts).left_out == (n - 3, 1)


def test_the_front_of_a_device_is_that_of_its_latencies(study, here, there):
    fronts = join(study, here + there)
    found = pictures.one_device(study, fronts[1], fronts)
    errors = study.trials.set_index("id")["error"].astype(float)
    assert found.models["y"].tolist() == pytest.approx([100 * errors[i] for i in found.models["id"]])
    best = found.models.sort_values(["latency", "y"])
    expected = best[best["y"] < best["y"].cummin().shift(fill_value=np.inf)]
    assert found.steps[:, 0].tolist() == expected["latency"].tolist()
    assert found.y_range == (found.models["y"].min(), found.models["y"].max())
    assert found.others == ("FLOPs",)
    assert (
        "Models off the line can be on the front through FLOPs." in _named(study, fronts, "finalists-front-2").caption
    )


def _named(study, fronts, name):
    return next(p for p in finalists.section(study, fronts).pictures if p.name == name)


def test_devices_stand_side_by_side(study, here, there):
    fronts = join(study, here + there[1:])
    found = pictures.devices(fronts)
    assert found.titles == ("here: latency, batch 1", "there: latency, batch 1")
    assert found.models == tuple(fronts[0].models["id"])
    gone = found.models.index(str(there[0]["id"]))
    assert np.isnan(found.latency[1, gone]).all()
    assert np.isfinite(np.delete(found.latency[1], gone, axis=0)).all()
    ax = pictures.draw_devices(found)
    assert ax.get_xscale() == "log"
    assert [t.get_text() for t in ax.get_yticklabels()] == list(found.models)


def test_the_section_has_a_picture_a_device_and_one_of_all(study, here, there):
    one = [p.name for p in finalists.section(study, join(study, here)).pictures]
    assert one == ["finalists-front-1", "finalists-ranks-1"]
    fronts = join(study, here + there)
    both = finalists.section(study, fronts).pictures
    assert [p.name for p in both] == ["finalists-devices", "finalists-front-1", "finalists-front-2",
                                      "finalists-ranks-1", "finalists-ranks-2"]  # fmt: skip
    assert "Between the rounds, 2 of" in both[3].caption
    assert "Between the rounds" not in both[4].caption
    for picture in both:
        vector, _ = style.files(picture.draw())
        assert len(vector) < 90_000
        assert picture.alt


def test_drawn_from_files(study, here, there, tmp_path):
    paths = []
    for name, rows in (("here", here), ("there", there)):
        paths.append(tmp_path / f"{name}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    ax = style.axes(None, (6, 4))
    assert finalist_ranks(study, paths, ax) is ax
    assert "here: latency" in ax.get_ylabel()
    assert "there: latency" in finalist_ranks(study, paths, device="there").get_ylabel()
    assert "there: latency" in finalist_front(study, paths, device="there").get_xlabel()
    assert len(finalist_devices(study, paths).get_legend_handles_labels()[1]) == 2
    with pytest.raises(UnknownNameError, match="elsewhere"):
        finalist_ranks(study, paths, device="elsewhere")
