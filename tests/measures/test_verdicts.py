"""Verdicts: each fault is found where it is, and nowhere else."""

import dataclasses

import pytest

from stylegan_culture.measures.restyled import Signs
from stylegan_culture.reports import evaluation_measures

SOUND = Signs(change=0.6, diversity=0.8, styles=0.5, named=0.8, unchanged_named=0.1)


def test_a_sound_model_has_no_fault():
    assert SOUND.faults() == ()
    assert dataclasses.replace(SOUND, styles=None).faults() == ()


@pytest.mark.parametrize(
    ("changed", "fault", "figure"),
    [
        ({"diversity": 0.02}, "collapsed", "0.02"),
        ({"change": 0.01}, "copies", "0.01"),
        ({"styles": 0.03}, "one_look", "0.03"),
        ({"named": 0.1}, "unnamed", "10%"),
    ],
)
def test_each_fault_is_told_with_its_figure(changed, fault, figure):
    signs = dataclasses.replace(SOUND, **changed)
    assert signs.faults() == (fault,)
    assert figure in evaluation_measures.FAULTS[fault](signs)


def test_a_copy_has_every_sign_of_a_copy():
    copy = Signs(change=0.0, diversity=1.0, styles=0.0, named=0.1, unchanged_named=0.1)
    assert copy.faults() == ("copies", "one_look", "unnamed")
