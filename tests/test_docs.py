"""README and docs: every command line is one that its command's own parser takes, every link and
target exists. A wrong flag in a page makes this red."""

import argparse
import importlib
import pathlib
import re
import shlex

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
COMMANDS = ["train", "stylize", "evaluate", "study", "explain", "annotate", "export", "benchmark"]
MODULES = {name: f"stylegan_culture.{name}" for name in (*COMMANDS, "demo")}
MODULES["prepare"] = "stylegan_culture.pipelines.prepare"
PYTHON = re.compile(r"(?:\S*/)?python -m stylegan_culture\.(?:pipelines\.)?(\w+)(.*)")
CONSOLE = re.compile(r"stylegan-culture (\w+)(.*)")
INLINE = re.compile(rf"({'|'.join(MODULES)}) (.*--.*)")


def code_lines(text):
    """Lines of code blocks (indented by four), those that end in a backslash joined."""
    joined = re.sub(r"\\\n\s+", "", text)
    return [
        line[4:].split("  #")[0].split(" # ")[0]
        for line in joined.split("\n")
        if line[:4] == "    "
    ]


def spans(text):
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def command_of(line):
    """`(command, arguments)` of a command line of the project; None for other lines."""
    match = PYTHON.match(line.strip()) or CONSOLE.match(line.strip())
    if not match or match.group(1) not in MODULES:
        return None
    words = shlex.split(match.group(2))
    while {"<", ">"} & set(words):
        place = next(n for n, word in enumerate(words) if word in "<>")
        del words[place : place + 2]
    return match.group(1), words


WHOLE = sorted(
    {
        (page.name, command[0], tuple(command[1]))
        for page in PAGES
        for line in (*code_lines(page.read_text("utf-8")), *spans(page.read_text("utf-8")))
        if (command := command_of(line)) and command[1]
    }
)
PARTS = sorted(
    {
        (page.name, *match.groups())
        for page in PAGES
        for span in spans(page.read_text("utf-8"))
        if (match := INLINE.fullmatch(span))
    }
)


class Parsed(Exception):
    """A parser took the arguments."""


@pytest.fixture
def parse(monkeypatch):
    """Runs a command until its parser has taken the arguments; returns that parser."""
    whole = argparse.ArgumentParser.parse_args

    def run(command, words, check=True):
        def parse_args(parser, arguments=None, namespace=None):
            if check:
                whole(parser, arguments, namespace)
            raise Parsed(parser)

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        with pytest.raises(Parsed) as parsed:
            importlib.import_module(MODULES[command]).main(list(words))
        return parsed.value.args[0]

    return run


def test_there_are_command_lines_to_check():
    assert len(WHOLE) > 40 and {command for _, command, _ in WHOLE} >= {*COMMANDS, "prepare"}


@pytest.mark.parametrize(("page", "command", "words"), WHOLE)
def test_a_command_line_is_taken(parse, page, command, words):
    parse(command, words)


@pytest.mark.parametrize(("page", "command", "text"), PARTS)
def test_flags_of_a_part_of_a_command_line_are_the_commands(parse, page, command, text):
    words = [word for word in shlex.split(text) if not word.isupper()]
    trainer = words[words.index("--trainer") + 1] if "--trainer" in words[:-1] else "culture"
    start = words[:1] if words[0] in ("bias", "robustness") else []
    start += ["--trainer", trainer] if command == "train" else []
    known = parse(command, start, check=False)._option_string_actions
    assert [word for word in words if word.startswith("--") and word not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_targets_exist(page):
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    lines = [*code_lines(text), *spans(text)]
    named = {match.group(1) for line in lines if (match := re.match(r"make ([a-z-]+)", line))}
    assert named <= targets


def test_the_readme_is_short_and_names_every_page():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 220
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text] == []
