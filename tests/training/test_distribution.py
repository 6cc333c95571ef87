"""Several devices: the same training as one device, and clear words where they cannot share."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from stylegan_culture.config import InputError
from stylegan_culture.training import replicas

SCRIPT = pathlib.Path(__file__).with_name("sharing.py")
ROOT = SCRIPT.parents[2]
CLOSE = 1e-5


def _compared(*arguments):
    """What `sharing.py` prints: one device against two."""
    answer = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    return json.loads(answer.stdout.splitlines()[-1])


def test_two_devices_train_what_one_trains():
    """Spectral norm, running scales, draws, weighted means and the average, in six steps."""
    found = _compared("parts", "6")
    assert found["devices"] == 2
    assert max(found["weights"], found["optimizers"], found["losses"]) < CLOSE, found


@pytest.mark.slow
def test_two_devices_train_the_culture_gan_that_one_trains(vgg_archive):
    """Twenty steps with every loss, both discriminators, the penalty and a warm-up. With Adam's own
    epsilon any two runs that differ by one rounding part: one device parts from itself as far, when
    its first weights are changed by 1e-7 of their size."""
    found = _compared("culture", "20", str(vgg_archive))
    assert found["devices"] == 2 and "r1" not in found["names"]  # the last step has an odd number
    assert {"adversarial", "stability", "style_features"} <= set(found["names"])
    assert max(found["weights"], found["losses"]) < CLOSE < 1e-3 < found["moved"], found


@pytest.mark.slow
def test_two_devices_train_the_vae_that_one_trains():
    found = _compared("vae", "20")
    assert max(found["weights"], found["losses"]) < CLOSE < 1e-3 < found["moved"], found


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "--strategy multiworker needs to know its workers"),
        ("{", "cannot be read"),
        ('{"cluster": {}, "task": {"type": "worker", "index": 0}}', "cannot be read"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "no such"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "another job"),
        ('{"cluster": {"worker": ["a"], "ps": []}, "task": {"type": "worker", "index": 0}}', "job"),
    ],
)
def test_a_cluster_that_is_not_described_is_one_sentence(monkeypatch, text, named):
    monkeypatch.setenv("TF_CONFIG", text)
    for ask in (replicas.count_devices, replicas.join):
        with pytest.raises(InputError, match=named) as raised:
            ask("multiworker")
        assert "TF_CONFIG" in str(raised.value) and "\n" not in str(raised.value)


def test_a_described_cluster_counts_its_workers(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1", "c:1"]}, "task": {"type": "worker", "index": 2}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    monkeypatch.setattr(replicas.tf.config, "list_physical_devices", lambda kind: [])
    assert replicas.count_devices("multiworker") == 3
    monkeypatch.setattr(replicas.tf.config, "list_physical_devices", lambda kind: ["x", "y"])
    assert replicas.count_devices("multiworker") == 6


def test_mirrored_takes_all_gpus_or_else_all_logical_processors(monkeypatch):
    found = {"GPU": [1, 2, 3], "CPU": [1]}
    monkeypatch.setattr(replicas.tf.config, "list_logical_devices", found.__getitem__)
    assert replicas.count_devices("mirrored") == 3
    found["GPU"] = []
    assert replicas.count_devices("mirrored") == 1 and replicas.count_devices("one") == 1


def test_a_batch_that_cannot_be_shared_is_refused_with_the_remedy():
    replicas.check_batch(8, 4)
    with pytest.raises(InputError, match="--batch-size is 9 .* multiple of 2"):
        replicas.check_batch(9, 2)


def test_one_device_is_a_team_that_changes_nothing():
    team, trainer = replicas.join("one"), object()
    assert team.of(trainer) is trainer and team.leads and team.agreed(7) == 7
    with team.scope():
        assert not replicas.tf.distribute.has_strategy()
