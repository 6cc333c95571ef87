"""Traditions by key: no key twice, every one a folder's name, and what a model is told of them."""

import re

import numpy as np

from stylegan_culture.pipelines.cultures import ORNAMENTS, PICTURES
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.training import runs


def test_keys_are_unique_names_of_folders_with_all_facts():
    keys = [tradition.key for tradition in ORNAMENTS + PICTURES]
    assert len(set(keys)) == len(keys) == 17
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
