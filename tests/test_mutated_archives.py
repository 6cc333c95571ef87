"""Mutated .npz files of every kind are read or refused in one sentence: 500 of them."""

import hashlib
import json

import numpy as np
import pytest
import strangers

from stylegan_culture import models
from stylegan_culture.config import InputError
from stylegan_culture.features import backbones, moments
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.networks import decoder
from stylegan_culture.networks.classifier import CultureHead, CultureTagger
from stylegan_culture.restyling.video.frames import FrameRestyler
from stylegan_culture.restyling.video.pieces import Segments
from stylegan_culture.training import checkpoint

EACH = 100  # of a kind
TAPS = {"near": (1, 4), "far": (2, 6)}  # stride and channels


class Backbone:
    """As much of a backbone as files are compared with."""

    name, fingerprint, least_size = "vgg19", "0123456789abcdef", 8
    taps, strides = tuple(TAPS), {tap: stride for tap, (stride, _) in TAPS.items()}

    def __call__(self, image):
        """Maps of zeros."""
        return {tap: np.zeros((1, 4, 4, channels), "f4") for tap, (_, channels) in TAPS.items()}


def sound_tagger(folder):
    head = CultureHead(2, exclusive=True)
    head.build((None, 2 * sum(channels for _, channels in TAPS.values())))
    facts = {"cultures": [{"key": "a"}, {"key": "b"}], "backbone": "vgg19", "weights": "random"}
    models.save_tagger(folder / "a.npz", CultureTagger(Backbone(), head), facts | {"side": 64})


def sound_decoders(folder):
    decoders = {}
    for tap, (stride, channels) in TAPS.items():
        decoders[tap] = decoder.Decoder(stride)
        decoders[tap].build((None, None, None, channels))
    models.save_decoders(folder / "a.npz", decoders, Backbone.fingerprint)


def sound_moments(folder):
    generator = np.random.default_rng(1)
    found = {
        culture: {
            tap: moments.Moments.of(generator.normal(size=(30, channels)))
            for tap, (_, channels) in TAPS.items()
        }
        for culture in ("a", "b")
    }
    pictures = {"a": 3, "b": 4}
    moments.CultureMoments(
        "vgg19", Backbone.fingerprint, 64, 0.1, "made", ("a", "b"), pictures, found
    ).save(folder / "a.npz")


def load_moments(path):
    """Of the content as it is: a mutation that the digest tells is no test of the rest."""
    facts = json.loads(path.with_suffix(".json").read_text())
    facts["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    path.with_suffix(".json").write_text(json.dumps(facts))
    return moments.CultureMoments.load(path)


def state():
    import keras

    kinds = {"a": ((3, 4), "float32"), "b": ((), "int64"), "c": ((5,), "float32")}
    return {
        name: keras.Variable(np.ones(shape), dtype=kind) for name, (shape, kind) in kinds.items()
    }


def sound_checkpoint(folder):
    checkpoint.save(folder, state(), 7).rename(folder / "a.npz")


KINDS = {
    "tagger": (sound_tagger, models.load),
    "decoders": (sound_decoders, lambda path: models.load_decoders(path, Backbone())),
    "moments": (sound_moments, load_moments),
    "checkpoint": (sound_checkpoint, lambda path: checkpoint.restore(path, state())),
}


@pytest.fixture(autouse=True)
def small_backbone(monkeypatch):
    monkeypatch.setattr(backbones, "build_backbone", lambda *_: Backbone())


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_is_read(kind, tmp_path):
    make, load = KINDS[kind]
    make(tmp_path)
    load(tmp_path / "a.npz")


def survey(path, load, content, seed: int) -> int:
    """Tries mutations of a file; how many were refused."""
    generator, refused = np.random.default_rng(seed), 0
    for number in range(EACH):
        path.write_bytes(strangers.mutated(content, generator, number))
        try:
            load(path)
        except InputError as error:
            refused += 1
            assert str(error).isprintable() and len(str(error)) < 600
            assert str(path) in str(error)
    return refused


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_or_refused(kind, tmp_path):
    make, load = KINDS[kind]
    make(tmp_path)
    path = tmp_path / "a.npz"
    assert survey(path, load, path.read_bytes(), 3) > 0.6 * EACH


def test_mutated_weights_of_a_backbone_are_read_or_refused(tmp_path, vgg_archive):
    content = vgg_archive.read_bytes()
    refused = survey(
        tmp_path / "a.npz",
        lambda path: build_backbone("vgg19_16x", str(path)),
        content,
        4,
    )
    assert refused > 0.6 * EACH


def test_mutated_states_of_clips_are_read_or_refused(tmp_path, culture_model):
    """What `Segments` and the restyler take together, and go on from."""
    code = np.zeros((1, culture_model.config.code_size), np.float32)
    frame = np.random.default_rng(2).random((24, 32, 3)).astype(np.float32)

    def restyler():
        return FrameRestyler(culture_model, code, 1.0, 0.2)

    first = restyler()
    first.restyle(frame, 0.04)
    clip = tmp_path / "out.mp4", 16 * "a"
    with Segments.opened(*clip) as pieces:
        pieces.finished([(0, 1), (1, 1)], first.state())
        path = pieces.folder / "state.npz"

    def load(_):
        again = restyler()
        try:
            with Segments.opened(*clip) as pieces:
                again.restore(pieces.state)
                again.restyle(frame, 0.04)
        except (ValueError, InputError) as error:
            raise InputError(f"{path}: {error}") from None

    load(path)
    assert survey(path, load, path.read_bytes(), 5) > 0.6 * EACH


def test_layers_that_do_not_fit_each_other_are_refused(tmp_path, vgg_archive):
    arrays = strangers.arrays_of(vgg_archive.read_bytes())
    wide = np.zeros((3, 3, 5, arrays["conv21/kernel"].shape[3]), np.float32)
    (tmp_path / "a.npz").write_bytes(strangers.archive(arrays | {"conv21/kernel": wide}))
    with pytest.raises(InputError, match="its layers do not fit each other"):
        build_backbone("vgg19_16x", str(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deviation", np.zeros(20, np.float32)),
        ("temperature", np.array(-1.0, np.float32)),
        ("kernel", np.zeros((20, 3), np.float32)),
        ("facts", np.array("[1]")),
        ("facts", np.array('{"a":' * 100 + "1" + "}" * 100)),
        ("facts", np.array(["a", "b"])),
    ],
)
def test_a_tagger_that_cannot_judge_is_refused(name, value, tmp_path):
    sound_tagger(tmp_path)
    path = tmp_path / "a.npz"
    path.write_bytes(strangers.archive(strangers.arrays_of(path.read_bytes()) | {name: value}))
    with pytest.raises(InputError, match="no culture tagger"):
        models.load(path)


def test_hostile_facts_of_a_tagger_are_refused(tmp_path):
    sound_tagger(tmp_path)
    path = tmp_path / "a.npz"
    arrays = strangers.arrays_of(path.read_bytes())
    good = json.loads(str(arrays["facts"]))
    hostile = strangers.records(good, texts=("backbone", "fingerprint"), numbers=["side"])
    for text, content in hostile.items():
        facts = np.array(content.decode("latin-1"))
        path.write_bytes(strangers.archive(arrays | {"facts": facts}))
        with pytest.raises(InputError) as caught:
            models.load(path)
            pytest.fail(f"taken: {text}")
        assert str(caught.value).isprintable() and len(str(caught.value)) < 600


HOSTILE_MOMENTS = {
    "shrinkage": (None, "0.1", -0.1, 2, 10**400),
    "short_side": strangers.NO_NUMBERS,
    "cultures": (None, [], "ab", {"a": 1}, [1, 2], ["a", "a"], [["a"]], ["a", "c"]),
    "taps": (None, [], {"near": 10**6}, {"near": -1}, {"near": 4, "far": "6"}, {"odd": 4}),
    "counts": (None, {}, {"a": 1, "b": 1}, {"a": {}, "b": {}}),
    "pictures": (None, {"a": "x", "b": 1}),
    "sources": strangers.NO_TEXTS,
    "sha256": (None, 5, "0" * 16),
}


@pytest.mark.parametrize("name", HOSTILE_MOMENTS)
def test_hostile_facts_of_moments_are_refused(name, tmp_path):
    sound_moments(tmp_path)
    record = tmp_path / "a.json"
    good = json.loads(record.read_text())
    for value in HOSTILE_MOMENTS[name]:
        record.write_text(json.dumps(good | {name: value}))
        with pytest.raises(InputError) as caught:
            moments.CultureMoments.load(tmp_path / "a.npz")
            pytest.fail(f"taken: {value!r:.40}")
        assert str(caught.value).isprintable() and len(str(caught.value)) < 600
    for content in strangers.RUBBISH.values():
        record.write_bytes(content)
        with pytest.raises(InputError):
            moments.CultureMoments.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "step", [np.array([7]), np.array(7.0), np.array(-1), np.array(10**10), np.array("7")]
)
def test_a_step_that_is_no_number_of_steps_is_refused(step, tmp_path):
    path = checkpoint.save(tmp_path, state(), 7)
    arrays = strangers.arrays_of(path.read_bytes()) | {"step": step}
    path.write_bytes(strangers.archive(arrays))
    kept = state()
    with pytest.raises(InputError, match="does not say its step"):
        checkpoint.restore(path, kept)


def test_a_checkpoint_much_larger_than_its_state_is_refused_unread(tmp_path):
    path = checkpoint.save(tmp_path, state(), 7)
    arrays = strangers.arrays_of(path.read_bytes()) | {"a": np.zeros(2**20, np.float32)}
    path.write_bytes(strangers.archive(arrays))
    with pytest.raises(InputError, match="more than .* bytes"):
        checkpoint.restore(path, state())


def test_other_files_beside_checkpoints_are_passed_over(tmp_path):
    path = checkpoint.save(tmp_path, state(), 7)
    (tmp_path / "step_x.npz").write_bytes(b"")
    (tmp_path / "step_99999999.npz.part").write_bytes(b"")
    assert checkpoint.latest(tmp_path) == path
