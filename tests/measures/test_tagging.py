"""Measures of a tagger against scikit-learn, loops and known errors; its table and plots."""

import numpy as np
import pytest
from PIL import Image

from stylegan_culture.measures import tagging
from stylegan_culture.measures.tagging import TaggerFigures
from stylegan_culture.reports import tagger_report as tag_report

NAMES = ("ink", "gold", "wood")


def _tags(generator, count=60):
    tags = generator.uniform(size=(count, 3)) < (0.5, 0.3, 0.15)
    return generator.uniform(size=(count, 3)) * 0.6 + 0.4 * tags * generator.uniform(
        size=(count, 1)
    ), tags


def test_average_precision_and_f1_of_each_culture(generator):
    """F1 by counts; average precision by a loop over thresholds, where pictures share scores."""
    scores, tags = _tags(generator)
    scores = scores.round(1)
    figures = TaggerFigures.of(scores, tags, NAMES).cultures
    for culture, column, carried in zip(NAMES, scores.T, tags.T, strict=True):
        given = column >= 0.5
        expected = 2 * (given & carried).sum() / (given.sum() + carried.sum())
        assert figures[culture].f1 == pytest.approx(expected)
        area = reached = 0.0
        for threshold in sorted(set(column), reverse=True):
            given = column >= threshold
            recall = (given & carried).sum() / carried.sum()
            area += (recall - reached) * (given & carried).sum() / given.sum()
            reached = recall
        assert figures[culture].average_precision == pytest.approx(area)


def test_a_culture_without_pictures_has_no_figures(generator):
    scores, tags = _tags(generator)
    tags[:, 1] = False
    scores[:, 1] = 0.1
    gold = TaggerFigures.of(scores, tags, NAMES).cultures["gold"]
    assert gold == tagging.CultureFigures(0, 0, average_precision=None, f1=None, named=None)


def test_the_share_named_rightly_is_the_diagonal_of_the_confusion_and_counts_works(generator):
    scores, tags = _tags(generator)
    works = np.arange(60) // 4
    figures = TaggerFigures.of(scores, tags, NAMES, works)
    for place, name in enumerate(NAMES):
        own = figures.cultures[name]
        assert own.named.value == pytest.approx(figures.confusion[place][place], abs=1e-4)
        assert own.works == len(
            {work for work, tag in zip(works, tags[:, place], strict=True) if tag}
        )
        assert own.named.low <= own.named.value <= own.named.high
    alone = TaggerFigures.of(scores, tags, NAMES).cultures["ink"]
    assert alone.works == alone.pictures


def test_confusion_counts_every_tag_of_a_picture():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    tags = np.array([[1, 0], [1, 1], [0, 1]])
    np.testing.assert_allclose(tagging.confusion(probabilities, tags), [[0.5, 0.5], [0.5, 0.5]])


def test_calibration_error_is_its_formula_over_bins_of_equal_number(generator):
    confidence, right = generator.uniform(size=40), generator.uniform(size=40) < 0.5
    order, expected, plain = np.argsort(confidence), 0.0, 0.0
    for own in np.array_split(order, 4):
        accuracy = right[own].mean()
        square = (confidence[own].mean() - accuracy) ** 2
        plain += square * len(own) / 40
        expected += (square - accuracy * (1 - accuracy) / (len(own) - 1)) * len(own) / 40
    found = [tagging.calibration_error(confidence, right, 4, one) for one in (True, False)]
    np.testing.assert_allclose(found, [max(expected, 0.0) ** 0.5, plain**0.5])


def test_debiasing_takes_away_what_chance_adds(generator):
    """Perfect probabilities: the plain figure stays well above 0, the mean square less bias does
    not; probabilities 0.2 too high have an error of 0.2 either way."""
    plain, squares, off = [], [], []
    for _ in range(60):
        confidence = generator.uniform(0.3, 0.8, 300)
        right = generator.uniform(size=300) < confidence
        plain.append(tagging.calibration_error(confidence, right, debiased=False))
        squares.append(tagging.calibration_error(confidence, right) ** 2)
        off.append(tagging.calibration_error(confidence + 0.2, right))
    assert np.mean(plain) > 0.08
    assert np.mean(squares) ** 0.5 < 0.6 * np.mean(plain)
    assert np.mean(off) == pytest.approx(0.2, abs=0.01)


def test_of_few_works_the_table_has_the_interval_and_no_figure():
    """Two of three works are right: 0.67 is no figure to hold a culture to."""
    tags = np.eye(2)[[0] * 3 + [1] * 9]
    scores = tags.copy()
    scores[0] = scores[0, ::-1]
    figures = TaggerFigures.of(scores, tags, ("few", "many"))
    table = tag_report.table({"held_out": figures})
    few, many = (
        next(line for line in table.splitlines() if line.startswith(n)) for n in ("few", "many")
    )
    low, high = figures.cultures["few"].named[1:]
    assert few.endswith(f"({low:.2f} to {high:.2f})") and low < 0.4 and "0.67" not in few
    assert many.endswith("1.00 (1.00 to 1.00)")
    assert "fewer than 8 works" in table
    everyone = {"held_out": TaggerFigures.of(tags[3:], tags[3:], ("few", "many"))}
    assert "fewer than" not in tag_report.table(everyone)


def test_the_table_holds_every_figure_and_the_plots_are_pictures(generator, tmp_path):
    scores, tags = _tags(generator)
    record = {name: TaggerFigures.of(scores, tags, NAMES) for name in ("held_out", "folds")}
    table = tag_report.table(record)
    for name in NAMES:
        own = record["folds"].cultures[name]
        assert f"{own.average_precision:.3f}" in table and f"{own.f1:.3f}" in table
    for key in ("accuracy", "mean_average_precision", "calibration_error"):
        assert table.count(f"{getattr(record['folds'], key):.3f}") >= 2
    tag_report.draw(record, NAMES, tmp_path)
    for name in ("confusion", "calibration"):
        pixels = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"))
        assert min(pixels.shape[:2]) > 300 and len(np.unique(pixels)) > 50
