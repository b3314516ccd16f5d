"""Train with one seed and score, in a process of its own, so that no training is disturbed
by the one before."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict

import accuracy_score
import srsly
import timing
import torch
from spacy.cli.train import train
from thinc.api import require_gpu


class SeedFailed(Exception):
    """A training or scoring that ended without figures. Says why, and where its log is."""


def start(job: Dict[str, Any], threads: int) -> Dict[str, Any]:
    """Run a job in another process, and wait for it.

    job (Dict[str, Any]): What `run` takes.
    threads (int): Number of threads.
    RETURNS (Dict[str, Any]): All figures.
    RAISES (SeedFailed): If there are none.
    """
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    log, figures = folder / "log.txt", folder / "figures.json"
    figures.unlink(missing_ok=True)
    variables = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    with log.open("w", encoding="utf8") as file_:
        subprocess.call(
            [sys.executable, __file__, json.dumps({**job, "threads": threads})],
            stdout=file_,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONIOENCODING": "utf8", **variables},
        )
    if not figures.is_file():
        *_, last = log.read_text("utf8").splitlines() or ["no output"]
        raise SeedFailed(f"Seed {job['seed']} failed: {last.strip()}. See {log}")
    result: Dict[str, Any] = srsly.read_json(figures)
    return result


def run(job: Dict[str, Any]) -> None:
    """Do what `spacy train` does, unless that has been done, and score.

    job (Dict[str, Any]): Path of the config, its overrides, the seed, the fingerprint of
        all settings, the folder of the corpus and its tagging scheme, the folder to work
        in, number of threads, id of the GPU.
    """
    folder, corpus = Path(job["folder"]), Path(job["corpus"])
    torch.set_num_threads(job["threads"])
    trained, done = {}, folder / "trained.json"
    if done.is_file():
        trained = srsly.read_json(done)
    if trained.get("fingerprint") != job["fingerprint"]:
        # What an interrupted training has left is of no use.
        for name in ("model-best", "model-last"):
            shutil.rmtree(folder / name, ignore_errors=True)
        overrides = {
            "nlp.lang": "zh",
            **job["overrides"],
            "paths.train": str(corpus / "train.spacy"),
            "paths.dev": str(corpus / "dev.spacy"),
            "system.seed": job["seed"],
        }
        begin = time.perf_counter()
        train(job["config"], folder, use_gpu=job["gpu_id"], overrides=overrides)
        seconds = time.perf_counter() - begin
        shutil.rmtree(folder / "model-last")
        trained = {"fingerprint": job["fingerprint"], "seconds": seconds}
        srsly.write_json(done, trained)
    elif job["gpu_id"] >= 0:
        require_gpu(job["gpu_id"])
    figures = accuracy_score.score(folder / "model-best", corpus, job["scheme"])
    figures.update(seconds=trained["seconds"], machine=timing.machine())
    srsly.write_json(folder / "figures.json", figures)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
