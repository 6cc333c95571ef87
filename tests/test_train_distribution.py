"""Training by several devices and processes, as commands: what is refused, and workers that die."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import tensorflow as tf
from calls import refused, run

from stylegan_culture import config as settings
from stylegan_culture import train
from stylegan_culture.training import TRAINERS, checkpoint, replicas, runs
from stylegan_culture.training.loop import LoopConfig

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIMIT = 900  # seconds that a run may take, most of which is to compile


def _flags(pictures, folder, *more):
    sizes = ("--image-size", "32", "--batch-size", "8", "--precision", "float32", "--seed", "3")
    often = ("--log-interval", "2", "--save-interval", "4", "--warm-up", "2")
    where = ("--preset", "smoke", "--data", f"folder:{pictures}", "--run", folder)
    return [str(flag) for flag in (*where, *sizes, *often, "--deterministic", *more)]


@pytest.mark.parametrize("trainer", [name for name in TRAINERS if not TRAINERS[name].shares])
def test_trainers_that_cannot_share_a_batch_say_so(trainer, capsys):
    assert run(train, "--trainer", trainer, "--strategy", "mirrored") == settings.EXIT_INPUT
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and trainer in shown and "leave out --strategy" in shown
    assert "--trainer culture or vae" in shown


@pytest.mark.parametrize(
    ("more", "devices", "named"),
    [
        (("--batch-size", "12"), 2, "multiple of 8"),
        (("--groups", "3", "--batch-size", "24"), 2, "multiple of the 2 devices"),
        (("--groups", "0"), 1, "--groups is 0"),
    ],
)
def test_what_devices_cannot_share_is_one_sentence(
    culture_folder, tmp_path, capsys, monkeypatch, more, devices, named
):
    monkeypatch.setattr(replicas, "count_devices", lambda name: devices)
    flags = _flags(culture_folder / "art", tmp_path / "new", "--strategy", "mirrored", *more)
    refused(capsys, train, *flags, words=named)
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_is_restored_on_all_devices(tmp_path, monkeypatch):
    """Outside of the strategy's scope, assignments would reach the first device only."""
    inside, seen = [], []

    @contextlib.contextmanager
    def scope():
        inside.append(True)
        yield
        inside.pop()

    team = types.SimpleNamespace(scope=scope, processes=1)
    checkpoint.save(tmp_path / "checkpoints", {"one": np.zeros(1)}, 7)
    variable = types.SimpleNamespace(
        shape=(1,), dtype="float64", assign=lambda value: seen.append(bool(inside))
    )
    trainer = types.SimpleNamespace(state=lambda: {"one": variable})
    config = runs.RunConfig(loop=LoopConfig(steps=9))
    run = runs.Run(config, tmp_path, "vae", "", resume=True, team=team)
    assert runs.first_step(run, trainer) == 7 and seen == [True]


def test_a_worker_whose_peer_is_lost_becomes_one_that_resumes(monkeypatch, capsys):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))

    def lose(arguments):
        raise tf.errors.UnavailableError(None, None, "the other worker is gone")

    replicas.rejoining(lose, ["--run", "somewhere"])
    replicas.rejoining(lose, ["--run", "somewhere", "--resume"])
    assert started == 2 * [
        [sys.executable, "-m", replicas.MODULE, "--run", "somewhere", "--resume"]
    ]
    assert "a worker was lost" in capsys.readouterr().err


def test_other_failures_are_not_taken_for_a_lost_worker(monkeypatch):
    monkeypatch.setattr(os, "execv", lambda *command: pytest.fail("started again"))

    def fail(arguments):
        raise settings.InputError("wrong")

    with pytest.raises(settings.InputError):
        replicas.rejoining(fail, [])


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _start(flags, log, ports=(), index=0):
    """A process of the training command, worker `index` of those at `ports`."""
    more = {}
    if ports:
        workers = [f"localhost:{port}" for port in ports]
        task = {"type": "worker", "index": index}
        more["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
        flags = [*flags, "--strategy", "multiworker"]
    with open(log, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", replicas.MODULE, *flags],
            cwd=ROOT,
            stdout=file,
            stderr=file,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | more,
        )


def _await_checkpoint(folder, processes):
    limit = time.monotonic() + LIMIT
    while checkpoint.latest(folder / "checkpoints") is None:
        assert all(process.poll() is None for process in processes), "a worker ended"
        assert time.monotonic() < limit
        time.sleep(0.05)


def _state(folder):
    with np.load(checkpoint.latest(folder / "checkpoints")) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.slow
@pytest.mark.timeout(4 * LIMIT)
@pytest.mark.parametrize("lost", [1, 0])
def test_a_killed_worker_started_again_goes_on_as_if_nothing_had_been(
    culture_folder, tmp_path, lost
):
    """Two pairs of processes for twenty steps; one of a pair is killed, the leading one, too."""
    pairs = {}
    for name in ("broken", "whole"):
        flags = _flags(culture_folder / "art", tmp_path / name, "--steps", "20")
        pairs[name] = (flags, _free_ports(2))
    start = {
        name: lambda n, *more, own=own, name=name: _start(
            [*own[0], *more], tmp_path / f"{name}{n}.log", own[1], n
        )
        for name, own in pairs.items()
    }
    whole, broken = ([start[name](n) for n in range(2)] for name in ("whole", "broken"))
    try:
        _await_checkpoint(tmp_path / "broken", broken)
        broken[lost].send_signal(signal.SIGKILL)
        broken[lost].wait()
        assert not (tmp_path / "broken" / "metrics.json").exists()
        broken[lost] = start["broken"](lost, "--resume")
        assert [worker.wait(LIMIT) for worker in (*broken, *whole)] == [0, 0, 0, 0]
    finally:
        for process in (*broken, *whole):
            process.kill()
    assert "a worker was lost" in (tmp_path / f"broken{1 - lost}.log").read_text()
    assert (tmp_path / "broken" / "metrics.json").exists()
    found, expected = _state(tmp_path / "broken"), _state(tmp_path / "whole")
    assert set(found) == set(expected) and int(found["step"]) == 20
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
