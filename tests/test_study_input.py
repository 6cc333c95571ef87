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


ART, FILE, OUT = "{culture_folder}/art", "{tmp_path}/out.npz", "{tmp_path}/out"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("moments", "--out", FILE), "--data"),
        (("moments", "--data", "ornaments"), "--out"),
        (_moments(ART, OUT), "end in .npz"),
        (_alignment("{culture_folder}", "{tmp_path}/file"), "name a folder"),
        (_alignment(ART, "{tmp_path}/file/out"), "which is a file"),
        (_moments(ART, FILE, "--short-side", "0"), "--short-side"),
        (_alignment(ART, OUT, "--positions", "1"), "--positions"),
        (_alignment(ART, OUT, "--shrinkage", "0"), "--shrinkage"),
        (_alignment(ART, OUT, "--shrinkage", "1.5"), "--shrinkage"),
        (_alignment(ART, OUT, "--shrinkage", "nan"), "--shrinkage"),
        (_alignment(ART, OUT, "--replicates", "0"), "--replicates"),
        (_moments(ART, FILE, "--data", "paintings"), "'paintings'"),
        (_moments("{tmp_path}/none", FILE), "{tmp_path}/none"),
        (_moments("{tmp_path}/single", FILE), "'waves'"),
        (_moments("{tmp_path}/few", FILE, "--part", "held_out"), "no pict"),
        (_moments(ART, FILE), "44x40 pixels is too small"),
        (_moments(ART, FILE, "--weights", "none.npz"), "none.npz"),
        (_alignment(ART, OUT, "--backbone", "vgg19_16x"), "'random'"),
        (_alignment(ART, OUT, "--tap", "relu4_1"), "'relu4_1'"),
        (_moments(ART, FILE, "--taps", "stem_3,stem_9"), "'stem_9'"),
        (_moments(ART, FILE, "--taps", " "), "''"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(
    flags, words, culture_folder, tmp_path, capsys
):
    (tmp_path / "file").write_text("no folder")
    shutil.copytree(culture_folder / "art" / "waves", tmp_path / "single" / "waves")
    for name in ("lattice", "waves"):
        (tmp_path / "few" / name).mkdir(parents=True)
        shutil.copy(culture_folder / "art" / name / "0000.png", tmp_path / "few" / name)
    places = {"culture_folder": culture_folder, "tmp_path": tmp_path}
    flags = [flag.format(**places) for flag in flags]
    refused(capsys, study, *flags, words=words.format(**places))
    assert {path.name for path in tmp_path.iterdir()} == {"file", "single", "few"}


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
