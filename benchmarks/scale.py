"""Predict many sentences with worker processes, kill one of them on the way, and compare
what comes out with `nlp.pipe` in one process; and how much two workers gain over one."""

import argparse
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import spacy
import timing
import torch

from spacy_bilstm_crf.batch import EntityBatch
from spacy_bilstm_crf.parallel.apply import apply_parallel
from spacy_bilstm_crf.parallel.job import Job
from spacy_bilstm_crf.parallel.json_rows import plan_lines
from spacy_bilstm_crf.parallel.shards import Output

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "training" / "demo" / "bilstm_crf" / "model-best"
# Names of worker processes.
WORKERS = ("ray::Job", "multiprocessing.spawn import spawn_main")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument(
        "--parts", nargs="+", default=list(PARTS), choices=PARTS, help="what to measure"
    )
    parser.add_argument("--sentences", type=int, default=200_000, help="with a kill")
    parser.add_argument("--timed", type=int, default=40_000, help="one and two workers")
    parser.add_argument("--engines", nargs="+", default=["ray", "local"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/scale.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = json.loads(args.json.read_text("utf8")) if args.json.exists() else {}
    for part in args.parts:
        with tempfile.TemporaryDirectory() as folder:
            results[part] = PARTS[part](args, Path(folder))
        results[part]["load_average"] = os.getloadavg()
        # One part may be measured again, when the machine is idle.
        timing.write_json(args.json, results)


def compare_killed(args: argparse.Namespace, work: Path) -> Dict[str, Any]:
    """Two workers, one of which is killed, against `nlp.pipe` in one process."""
    texts = write_sentences(work / "all.jsonl", args.sentences, args.seed)
    begin = time.perf_counter()
    expected = list(predict(args.model, texts))
    found: Dict[str, Any] = {"nlp_pipe_seconds": round(time.perf_counter() - begin, 1)}
    for engine in args.engines:
        shard_rows = args.sentences // 40
        paths = (work / "all.jsonl", work / engine)
        done = run(EntityBatch(args.model), *paths, engine, 2, shard_rows, kill=True)
        found[engine] = {**done, **compare(work / engine, expected)}
        print(engine, found[engine], flush=True)
    return found


def time_workers(args: argparse.Namespace, work: Path) -> Dict[str, Any]:
    """How fast one and two workers are, by the clock."""
    texts = write_sentences(work / "timed.jsonl", args.timed, args.seed)
    found: Dict[str, Any] = {}
    for engine in args.engines:
        for scores in (True, False):
            for workers in (1, 2):
                name = f"{engine}, {workers} worker(s)" + ", scores" * scores
                paths = (work / "timed.jsonl", work / name)
                find = EntityBatch(args.model, scores=scores)
                found[name] = run(find, *paths, engine, workers, args.timed // 20)
    show_rates({name: row["rows_per_second"] for name, row in found.items()}, texts)
    return found


def time_one_process(args: argparse.Namespace, work: Path) -> Dict[str, Any]:
    """How many rows one process predicts in a second of its processor: on a machine that is
    busy, too."""
    texts = write_sentences(work / "rates.jsonl", 4000, args.seed)
    plain = EntityBatch(args.model, scores=False)
    ways: Dict[str, Callable[[], object]] = {
        "nlp.pipe": lambda: [doc.ents for doc in plain.nlp.pipe(texts, batch_size=256)],
        "EntityBatch": lambda: plain.find(texts),
        "EntityBatch, scores": lambda: EntityBatch(args.model).find(texts),
    }
    [shard] = plan_lines(work / "rates.jsonl", 0, len(texts))
    output = Output(work / "out", ".jsonl")
    output.prepare({}, [shard])
    for name, scores in (("a shard", False), ("a shard, scores", True)):
        job = Job(EntityBatch(args.model, scores=scores), output)
        ways[name] = partial(job.predict, shard)
    seconds: Dict[str, List[float]] = {name: [] for name in ways}
    for _ in range(6):
        for name, way in ways.items():
            begin = time.process_time()
            way()
            seconds[name].append(time.process_time() - begin)
    # The first one loads.
    rates = {name: round(len(texts) / min(runs[1:])) for name, runs in seconds.items()}
    show_rates(rates, texts)
    return {"rows_per_processor_second": rates, "characters": characters(texts)}


def show_rates(rates: Dict[str, int], texts: List[str]) -> None:
    each = characters(texts)
    rows = [(name, rate, round(rate * each)) for name, rate in rates.items()]
    timing.show(("", "rows/s", "characters/s"), rows)


def characters(texts: List[str]) -> float:
    """RETURNS (float): How many characters a text has."""
    return sum(map(len, texts)) / len(texts)


PARTS: Dict[str, Callable[[argparse.Namespace, Path], Dict[str, Any]]] = {
    "killed": compare_killed,
    "workers": time_workers,
    "one_process": time_one_process,
}


def write_sentences(path: Path, count: int, seed: int) -> List[str]:
    """RETURNS (List[str]): Sentences of the demo corpus' grammar, which are in the file."""
    # Of no package.
    demo = runpy.run_path(str(ROOT / "scripts" / "make_demo.py"))
    scripts = ROOT / "scripts"
    grammar = demo["Grammar"](scripts / "demo_rules.txt", scripts / "demo_words.txt")
    dice = demo["Dice"](seed)
    pieces = (grammar.sentence(dice, "test") for _ in range(count))
    texts = ["".join(piece.text for piece in sentence) for sentence in pieces]
    with path.open("w", encoding="utf8") as file_:
        for i, text in enumerate(texts):
            file_.write(json.dumps({"id": i, "text": text}, ensure_ascii=False) + "\n")
    return texts


def predict(model: Path, texts: List[str]) -> Iterator[List[Any]]:
    """YIELDS (List): Start, end, label and confidence of each entity of a text."""
    nlp = spacy.load(model, config={"components": {"ner": {"spans_key": "sc"}}})
    for doc in nlp.pipe(texts, batch_size=256):
        scores = doc.spans["sc"].attrs["scores"].tolist()
        ents = zip(doc.ents, scores, strict=True)
        yield [(ent.start_char, ent.end_char, ent.label_, score) for ent, score in ents]


def run(
    find: EntityBatch,
    source: Path,
    output: Path,
    engine: Any,
    workers: int,
    shard_rows: int,
    kill: bool = False,
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): How long it took, and how fast it was when all workers had
    begun."""
    if kill:
        threading.Thread(target=kill_one, args=(output / "rows",), daemon=True).start()
    begin = time.time()
    done = apply_parallel(
        find,
        source,
        output,
        workers=workers,
        engine=engine,
        shard_rows=shard_rows,
        progress=True,
    )
    ended = sorted(path.stat().st_mtime for path in (output / "rows").iterdir())
    # Now all workers have loaded the pipeline.
    first = ended[workers - 1]
    rate = (len(ended) - workers) * shard_rows / (ended[-1] - first)
    return {
        "rows": done.rows,
        "bad": done.bad,
        "seconds": round(time.time() - begin, 1),
        "seconds_to_first_shards": round(first - begin, 1),
        "rows_per_second": round(rate),
    }


def kill_one(rows: Path) -> None:
    """Kill a worker when some shards are done."""
    while not rows.exists() or len(list(rows.glob("0*"))) < 3:
        time.sleep(0.1)
    lines = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], check=True, capture_output=True, text=True
    )
    parents, workers = {}, []
    for line in lines.stdout.splitlines():
        pid, parent, name = line.split(maxsplit=2)
        parents[int(pid)] = int(parent)
        if any(worker in name for worker in WORKERS):
            workers.append(int(pid))
    ours = [pid for pid in workers if is_ours(pid, parents)]
    if not ours:
        sys.exit("no worker to be killed")
    os.kill(ours[0], signal.SIGKILL)
    print(f"killed {ours[0]} of {ours}", flush=True)


def is_ours(pid: Optional[int], parents: Dict[int, int]) -> bool:
    """RETURNS (bool): Whether a process descends from this one."""
    while pid and pid != os.getpid():
        pid = parents.get(pid)
    return bool(pid)


def compare(output: Path, expected: List[List[Any]]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What is not as expected, and how far scores are."""
    paths = sorted((output / "rows").iterdir())
    ids, different, distance, count = 0, 0, 0.0, 0
    for path in paths:
        for line in path.read_bytes().splitlines():
            row = json.loads(line)
            if row["id"] != ids:
                sys.exit(f"{path.name}: row {row['id']} where {ids} should be")
            ents = [tuple(ent.values()) for ent in row["entities"]]
            wanted = expected[ids]
            ids, count = ids + 1, count + len(wanted)
            if [ent[:3] for ent in ents] != [ent[:3] for ent in wanted]:
                different += 1
                continue
            pairs = zip(ents, wanted, strict=True)
            distance = max([distance, *(abs(a[3] - b[3]) for a, b in pairs)])
    if ids != len(expected):
        sys.exit(f"{ids} rows of {len(expected)}")
    return {
        "in_order": ids,
        "entities": count,
        "rows_with_other_entities": different,
        "largest_difference_of_scores": distance,
    }


if __name__ == "__main__":
    main()
