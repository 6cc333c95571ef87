"""Skin: medians of boxes, differences of groups and ranks, by hand and by SciPy."""

import numpy as np
import pytest
import scipy.stats

from stylegan_culture.measures import colour, lightness, skin
from stylegan_culture.pipelines import boxes
from stylegan_culture.pipelines.boxes import GROUPS


def test_the_colour_of_a_box_is_its_median_so_few_pixels_count_nothing():
    patch = np.empty((10, 10, 3))
    patch[...] = colour.srgb(np.array([60.0, 15.0, 20.0]))
    patch[:4] = 0.0  # hair and shadow
    np.testing.assert_allclose(skin.median_colour(patch), [60.0, 15.0, 20.0], atol=1e-6)


@pytest.fixture
def faces(generator):
    """Colours before and after, groups and marks kept of 60 faces: dark ones become lighter."""
    groups = np.repeat(GROUPS, [25, 15, 20])
    base = {"dark": 35.0, "medium": 55.0, "light": 70.0}
    rise = {"dark": 20.0, "medium": 5.0, "light": -8.0}
    before = generator.normal(0, 3, (60, 3)) + [[base[group], 12.0, 15.0] for group in groups]
    change = generator.normal(0, 4, (60, 3)) + [[rise[group], -3.0, 6.0] for group in groups]
    return before, before + change, groups, generator.uniform(0.5, 0.9, 60)


def test_changes_are_means_of_each_group_with_intervals(faces):
    before, after, groups, kept = faces
    found = skin.skin(before, after, groups, kept)
    assert set(found.changes) == set(GROUPS)
    for group, change in found.changes.items():
        members = groups == group
        for channel, interval in enumerate(change):
            values = (after - before)[members, channel]
            assert interval.value == pytest.approx(values.mean())
            error = values.std() / np.sqrt(members.sum())
            assert interval.value - interval.low == pytest.approx(1.96 * error, rel=0.25)
            assert interval.high - interval.value == pytest.approx(1.96 * error, rel=0.25)
    kept_mean = found.structure
    assert kept_mean.value == pytest.approx(kept.mean()) and kept_mean.low < kept_mean.high < 1


def test_dark_less_light_the_gap_and_the_order(faces):
    before, after, groups, kept = faces
    found = skin.skin(before, after, groups, kept)
    dark, light = ((after - before)[groups == group, 0] for group in ("dark", "light"))
    assert found.dark_less_light.value == pytest.approx(dark.mean() - light.mean())
    assert 0 < found.dark_less_light.low < found.dark_less_light.high
    error = np.hypot(dark.std() / 5, light.std() / np.sqrt(20))
    width = found.dark_less_light.high - found.dark_less_light.low
    assert width == pytest.approx(2 * 1.96 * error, rel=0.25)
    gap = after[groups == "light", 0].mean() - after[groups == "dark", 0].mean()
    assert found.gap.value == pytest.approx(gap)
    ranks = scipy.stats.spearmanr(before[:, 0], after[:, 0]).statistic
    assert found.rank.value == pytest.approx(ranks)
    assert -1 <= found.rank.low < found.rank.value < found.rank.high <= 1


def test_a_copy_changes_nothing_and_keeps_the_order(faces):
    before, _, groups, kept = faces
    found = skin.skin(before, before, groups, kept)
    assert all(change.lightness == (0, 0, 0) for change in found.changes.values())
    assert found.dark_less_light == (0, 0, 0) and found.rank.value == 1.0


def test_what_cannot_be_told_is_none(faces):
    before, after, groups, kept = faces
    two = groups != "light"
    found = skin.skin(before[two], after[two], groups[two], np.full(two.sum(), np.nan))
    assert set(found.changes) == {"dark", "medium"}
    assert found.dark_less_light is None and found.gap is None and found.structure is None
    assert skin.skin(before, np.full_like(before, 50.0), groups, kept).rank is None


def test_portraits_of_the_data_are_what_their_table_says(data_folder):
    """The table's own medians, which were measured elsewhere, to half a unit."""
    marked = boxes.read(data_folder / "portraits.csv", faces=True)
    table = [
        line.split(",") for line in (data_folder / "portraits.csv").read_text().splitlines()[1:]
    ]
    assert [len(one.boxes) for one in marked] == [1] * len(table)
    for one, row in list(zip(marked, table, strict=True))[::6]:
        found = skin.median_colour(one.boxes[0].of(one.picture) / 255.0)[0]
        assert found == pytest.approx(float(row[5]), abs=0.5)
        assert (one.name, one.boxes[0].group) == (row[0], row[6])


@pytest.mark.slow
def test_ukiyo_e_of_the_shipped_model_lightens_dark_faces_most(data_folder):
    """Measured elsewhere too, of these faces at 384 px: +14.8, +24.9 and +36.0 L*, rank 0.82."""
    from stylegan_culture.stylizer import Stylizer

    stylizer = Stylizer.load("culture256")
    before, after, groups, kept = [], [], [], []
    for one in boxes.read(data_folder / "portraits.csv", 384, faces=True):
        result = stylizer(one.picture, "ukiyo_e") / 255.0
        for box in one.boxes:
            face, restyled = box.of(one.picture) / 255.0, box.of(result)
            before.append(skin.median_colour(face))
            after.append(skin.median_colour(restyled))
            kept.append(lightness.structure(*map(colour.lightness, (face, restyled))))
            groups.append(box.group)
    found = skin.skin(before, after, groups, kept)
    changes = [found.changes[group].lightness.value for group in ("light", "medium", "dark")]
    np.testing.assert_allclose(changes, [14.8, 24.9, 36.0], atol=1.0)
    assert found.dark_less_light.value == pytest.approx(21.2, abs=1.0)
    assert found.rank.value == pytest.approx(0.82, abs=0.03)
