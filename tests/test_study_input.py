"""Wrong input of the study command: one sentence, exit code 2, and nothing written."""

import shutil

import pytest
from calls import refused

from stylegan_culture import config as settings
from stylegan_culture import study
from stylegan_culture.features import backbones

RANDOM = ("--backbone", "inception_resnet_v2", "--weights", "random")


@pytest.fixture(scope="module", autouse=True)
def quickly(inception):
    """The random backbone of seed 0 as it was made before: building it takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        made = backbones.build_backbone
        random = {("inception_resnet_v2", "random", 0): inception}
        patch.setattr(backbones, "build_backbone", lambda *name: random.get(name) or made(*name))
        yield


def _moments(data, out, *more):
    return ("moments", "--data", f"folder:{data}", "--out", out, *RANDOM, *more)


def _alignment(data, out, *more):
    return ("alignment", "--data", f"folder:{data}", "--out", out, *RANDOM, *more)


@pytest.fixture
def lacking(culture_folder, tmp_path):
    """Folders by name in which one culture has too little for one of the parts."""
    folders = {}
    for name in ("three", "cut-outs", "shared"):
        folders[name] = tmp_path / name
        shutil.copytree(culture_folder / "art", folders[name])
    for number in range(3, 10):
        (folders["three"] / "waves" / f"000{number}.png").unlink()
    # Three pictures, each cut into four: one is held out, and of the two others none once more.
    waves, drawn = folders["cut-outs"] / "waves", culture_folder / "art" / "waves" / "0000.png"
    shutil.rmtree(waves), waves.mkdir()
    for stem in range(3):
        for part in range(4):
            shutil.copy(drawn, waves / f"{stem:04d}_{part}.png")
    # Whatever is of `waves` is of `lattice` too, for which a picture of both counts.
    cultures = {"lattice": "lattice", "waves": "waves;lattice"}
    rows = [f"{x}/{number:04d}.png,{cultures[x]}" for x in cultures for number in range(10)]
    table = "\n".join(["path,culture", *rows])
    (folders["shared"] / "tags.csv").write_text(table, encoding="utf-8")
    return folders


@pytest.mark.parametrize("name", ["three", "cut-outs", "shared"])
def test_a_culture_that_lacks_a_picture_of_some_part_is_named(lacking, name, tmp_path, capsys):
    refused(capsys, study, *_alignment(lacking[name], tmp_path / "out"), words="'waves'")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def wrong(culture_folder, tmp_path):
    """Wrong command lines by name, and a part of the sentence that each has to give."""
    out, file, pictures = tmp_path / "out", tmp_path / "out.npz", culture_folder / "art"
    (tmp_path / "file").write_text("no folder")
    shutil.copytree(pictures / "waves", tmp_path / "single" / "waves")
    for name in ("lattice", "waves"):
        (tmp_path / "few" / name).mkdir(parents=True)
        shutil.copy(pictures / name / "0000.png", tmp_path / "few" / name)
    return {
        "no data": (("moments", "--out", file), "--data"),
        "nowhere to write": (("moments", "--data", "ornaments"), "--out"),
        "no npz": (_moments(pictures, out), "end in .npz"),
        "no folder": (_alignment(culture_folder, tmp_path / "file"), "name a folder"),
        "below a file": (_alignment(pictures, tmp_path / "file" / "out"), "which is a file"),
        "no pixels": (_moments(pictures, file, "--short-side", "0"), "--short-side"),
        "one position": (_alignment(pictures, out, "--positions", "1"), "--positions"),
        "no shrinkage": (_alignment(pictures, out, "--shrinkage", "0"), "--shrinkage"),
        "all shrunk": (_alignment(pictures, out, "--shrinkage", "1.5"), "--shrinkage"),
        "no number": (_alignment(pictures, out, "--shrinkage", "nan"), "--shrinkage"),
        "no replicate": (_alignment(pictures, out, "--replicates", "0"), "--replicates"),
        "unknown data": (_moments(pictures, file, "--data", "paintings"), "'paintings'"),
        "missing folder": (_moments(tmp_path / "none", file), str(tmp_path / "none")),
        "single culture": (_moments(tmp_path / "single", file), "'waves'"),
        "nothing held out": (_moments(tmp_path / "few", file, "--part", "held_out"), "no pict"),
        "small pictures": (_moments(pictures, file), "44x40 pixels is too small"),
        "missing weights": (_moments(pictures, file, "--weights", "none.npz"), "none.npz"),
        "other weights": (_alignment(pictures, out, "--backbone", "vgg19_16x"), "'random'"),
        "unknown tap": (_alignment(pictures, out, "--tap", "relu4_1"), "'relu4_1'"),
        "unknown taps": (_moments(pictures, file, "--taps", "stem_3,stem_9"), "'stem_9'"),
        "no tap": (_moments(pictures, file, "--taps", " "), "''"),
    }


def test_wrong_input_is_one_sentence_and_writes_nothing(wrong, capsys, tmp_path):
    for flags, words in wrong.values():
        refused(capsys, study, *flags, words=words)
        assert {path.name for path in tmp_path.iterdir()} == {"file", "single", "few"}, words


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ((), "STUDY"),
        (("paint",), "moments"),
        (("moments", "--backbone", "vgg99"), "resnet50"),
        (("moments", "--part", "rest"), "held_out"),
        (("alignment", "--rule", "median"), "barycentre"),
    ],
)
def test_unknown_words_end_with_exit_code_2_and_the_known_ones(flags, named, capsys):
    with pytest.raises(SystemExit) as ended:
        study.main(list(flags))
    assert ended.value.code == settings.EXIT_INPUT
    assert named in capsys.readouterr().err
