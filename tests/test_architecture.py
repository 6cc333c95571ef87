"""The layout, asserted from the syntax trees: levels, directions of import, top level."""

import ast
import configparser
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = {
    "stylegan_culture": "stylegan_culture",
    "pipelines": "stylegan_culture.pipelines",
    "saved_models": "stylegan_culture.saved_models",
}
TOP_LEVEL = {
    *("setup.cfg", "README.md", "Makefile", "pyproject.toml", "LICENSE", ".gitignore", ".ci"),
    *("stylegan_culture", "pipelines", "tests", "saved_models", "docs", "examples", "MANIFEST.in"),
}
# The floor of every unit of the library: a module of the package root, or a whole sub-package. A
# module imports lower floors, or within its unit. The ground floor has steps of its own.
FLOORS = {
    "__init__": 0,
    "later": 0,
    "quiet": 0,
    "config": 0.05,
    "saved_models": 0,
    "files": 0.1,
    "isolation": 0.1,
    "model_record": 0.1,
    "picture_files": 0.1,
    "arrays": 0.2,
    "tables": 0.2,
    "images": 0.3,
    "outputs": 0.4,
    "features": 1,
    "losses": 1,
    "pipelines": 1,
    "networks": 2,
    "models": 3,
    "deploy": 4,
    "restyling": 5,
    "measures": 6,
    "training": 7,
    "stylizer": 8,
    "demo": 8,
    "reports": 8,
    "train": 9,
    "stylize": 9,
    "evaluate": 9,
    "study": 9,
    "annotate": 9,
    "explain": 9,
    "export": 9,
    "benchmark": 9,
    "__main__": 10,
}
COMMANDS = {unit for unit, floor in FLOORS.items() if floor == 9}


def _files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def _module(path):
    """`pipelines/museums/polite.py` to `stylegan_culture.pipelines.museums.polite`."""
    folder, *parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS.get(folder, folder), *(part for part in parts if part != "__init__")])


MODULES = {_module(path): path for folder in FOLDERS for path in _files(folder)}


def _imports(source, module):
    """Names of all modules that a source imports, anywhere in it; relative names made absolute. A
    module that `later("name")` imports on first use counts too. `from package import name` counts
    as `package.name` where that is a module of the project."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "later":
            yield node.args[0].value
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: -node.level]
                base = ".".join([*parents, base]) if base else ".".join(parents)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in MODULES else base


def _unit(module):
    """The unit of the library that a module belongs to: its second name, or the package root."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def _within(module, package):
    return module == package or module.startswith(package + ".")


def _broken_rules(source, module):
    """Sentences about imports of a source that point where they must not."""
    unit = _unit(module)
    for target in _imports(source, module):
        if _within(target, "pipelines"):
            yield f"{module} imports {target}: the folder pipelines is stylegan_culture.pipelines"
        if not _within(target, "stylegan_culture") or _unit(target) == unit:
            continue
        if FLOORS[_unit(target)] >= FLOORS[unit]:
            yield f"{module} imports {target}, which is not below it"
        if _unit(target) in COMMANDS and unit != "__main__":
            yield f"{module} imports the command {target}"


def _graph():
    """Every module of the library with the modules that it imports to run, itself left out."""
    return {
        module: {
            target
            for target in _imports(_run(path.read_text(encoding="utf-8")), module)
            if target in MODULES and target != module
        }
        for module, path in MODULES.items()
    }


def _run(source):
    """The source without what is imported under `if typing.TYPE_CHECKING:`, for annotations."""
    tree = ast.parse(source)
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
    ]
    return ast.unparse(tree)


def test_every_unit_has_its_floor():
    units = {_unit(module) for module in MODULES}
    assert units == set(FLOORS)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module):
    broken = list(_broken_rules(MODULES[module].read_text(encoding="utf-8"), module))
    assert not broken, "\n".join(broken)


def test_no_module_leads_back_to_itself():
    left = _graph()
    while free := [module for module, targets in left.items() if not targets & set(left)]:
        for module in free:
            del left[module]
    assert not left, f"in a circle, or above one: {sorted(left)}"


def test_no_file_name_occurs_three_times():
    names = [path.name for path in MODULES.values()]
    often = {name for name in names if names.count(name) > 2} - {"__init__.py", "__main__.py"}
    assert not often


def test_the_list_of_packages_is_the_list_of_folders():
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = options["options"]["packages"].split()
    folders = {module for module, path in MODULES.items() if path.name == "__init__.py"}
    assert sorted(listed) == sorted(folders)


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("csv", {"stylegan_culture.tables"}),
        ("html", set()),
        ("jinja2", {"stylegan_culture.reports.page"}),
        ("markupsafe", {"stylegan_culture.reports.charts", "stylegan_culture.reports.page"}),
        ("matplotlib", {"stylegan_culture.reports.charts"}),
        ("matplotlib.figure", {"stylegan_culture.reports.charts"}),
        ("matplotlib.pyplot", set()),
    ],
)
def test_texts_of_strangers_are_made_harmless_in_one_place(library, modules):
    """What would obey them is used where that is seen to: formulas, markup, mathematics."""
    found = {
        module
        for module, path in MODULES.items()
        if library in _imports(path.read_text(encoding="utf-8"), module)
    }
    assert found == modules


@pytest.mark.parametrize(
    ("module", "source", "right"),
    [
        ("networks.blocks", "from stylegan_culture.features import linalg", True),
        ("networks.blocks", "from . import generator", True),
        ("train", "import stylegan_culture.pipelines.input", True),
        ("pipelines.input", "from stylegan_culture import config, images", True),
        ("__main__", "from stylegan_culture.train import main", True),
        ("features.linalg", "from stylegan_culture import losses", False),
        ("losses", "from stylegan_culture.networks import blocks", False),
        ("measures.truth", "import stylegan_culture.training.loop", False),
        ("measures.truth", "from ..training import loop", False),
        ("models", "def f():\n    from stylegan_culture import export", False),
        ("export", "from stylegan_culture.train import main", False),
        ("training.loop", "from pipelines import input", False),
        ("pipelines.input", "from stylegan_culture.features import linalg", False),
        ("demo.site", "from stylegan_culture.reports import evaluation", False),
        ("config", "from stylegan_culture import images", False),
    ],
)
def test_the_rules_tell_right_from_wrong(module, source, right):
    assert (not list(_broken_rules(source, f"stylegan_culture.{module}"))) == right


def test_importing_the_package_loads_no_tensorflow():
    """Nor any other library that takes seconds: a command's --help must be quick."""
    question = (
        "import sys, stylegan_culture, stylegan_culture.config, stylegan_culture.images; "
        "slow = {'tensorflow', 'keras', 'tensorflow_datasets', 'scipy', 'matplotlib'}; "
        "print(sorted(slow & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_every_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in [*MODULES.values(), *_files("tests")]
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_every_public_function_and_class_of_the_library_says_what_it_does():
    silent = []
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            kinds = (ast.FunctionDef, ast.ClassDef)
            if isinstance(node, kinds) and node.name[0] != "_" and not ast.get_docstring(node):
                silent.append(f"{module}.{node.name}")
    assert not silent


def test_the_top_level_holds_only_what_was_agreed():
    answer = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        pytest.skip("not a git checkout")
    tracked = {name.split("/")[0] for name in answer.stdout.splitlines()}
    assert tracked <= TOP_LEVEL, f"not agreed: {tracked - TOP_LEVEL}"
    assert {"stylegan_culture", "pipelines", "tests", "setup.cfg"} <= tracked
