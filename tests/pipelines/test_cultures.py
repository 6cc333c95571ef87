"""Traditions by key: no key twice, every one a folder's name, and what a model is told of them."""

import re

import numpy as np

from stylegan_culture.pipelines.cultures import ORNAMENTS, PICTURES, notes
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import runs


def test_keys_are_unique_names_of_folders_with_all_facts():
    keys = [tradition.key for tradition in ORNAMENTS + PICTURES]
    assert len(set(keys)) == len(keys) == 25
    for tradition in ORNAMENTS + PICTURES:
        assert re.fullmatch("[a-z][a-z0-9_]*", tradition.key)
        assert tradition.title and tradition.region and tradition.period


def test_a_model_of_known_traditions_tells_region_and_period_and_of_others_their_name():
    tags = np.array([[True, False], [True, False], [False, True]])
    source = Source(
        ids=("a", "b", "c"),
        cultures=("ukiyo_e", "my_own"),
        tags=tags,
        held=np.zeros(3, bool),
        read=None,
    )
    known, other = runs.described(source)
    assert (known["title"], known["region"], known["pictures"]) == ("Ukiyo-e", "Japan", 2)
    assert other == {"key": "my_own", "title": "my own", "region": "", "period": "", "pictures": 1}


def test_notes_are_of_the_traditions_that_are_sacred_alive_or_were_made_under_foreign_rule():
    """In the order asked for, by title; none for others and for names that nobody knows."""
    of_two = notes(["mesoamerican_codex", "ukiyo_e", "my_own", "byzantine_icon"])
    assert list(of_two) == ["Mesoamerican codex", "Byzantine icon"]
    assert "venerate" in of_two["Byzantine icon"]
    assert "living communities" in of_two["Mesoamerican codex"]
    assert notes(["ukiyo_e", "my_own", "dore_engraving"]) == {}
    with_note = {tradition.key for tradition in PICTURES if tradition.note}
    assert {"egyptian_painting", "medieval_illumination", "company_school"} < with_note
