"""Train a config on a corpus with several seeds, and score the best model of each on the
test data: strict entity F1 by spaCy's scorer, checked against seqeval and the CoNLL scorer.

The dev data alone says which step of a training is best. A run that was interrupted goes on
where it was when the same command is given again: seeds that are done stay as they are.
"""

import argparse
import os
import shutil
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Dict, List

import accuracy_corpora
import accuracy_results
import accuracy_seed
import accuracy_table
from spacy import util
from spacy.cli._util import parse_config_overrides
from thinc.api import Config
from wasabi import msg

from spacy_bilstm_crf.corpus.sentence import CorpusError

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    args = parse_args()
    if args.table:
        accuracy_table.write(args.json, args.docs)
        return
    try:
        corpus, data = accuracy_corpora.prepare(args.corpus, args.data, args.work)
        overrides = parse_config_overrides([f"--{item}" for item in args.set])
        config = util.load_config(args.config, overrides=overrides)
        check_steps(config, overrides)
        name = args.name or args.config.stem
        run = accuracy_results.describe(
            args.corpus, name, args.config, overrides, config, data
        )
    except (CorpusError, OSError, ValueError) as error:
        msg.fail(str(error), "Are --data, --config and --set right?", exits=1)
    folder = args.work / args.corpus / name
    if args.again:
        shutil.rmtree(folder, ignore_errors=True)
    entry = accuracy_results.load_entry(args.json, run, again=args.again)
    job = {
        "config": str(args.config),
        "overrides": overrides,
        "fingerprint": run["fingerprint"],
        "corpus": str(corpus),
        "scheme": accuracy_corpora.CORPORA[args.corpus].scheme,
        "gpu_id": args.gpu_id,
    }
    jobs = []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        if str(seed) in entry["seeds"] and not args.rescore:
            figures = entry["seeds"][str(seed)]
            print(accuracy_results.line(seed, figures), "(done before)", flush=True)
        else:
            jobs.append({**job, "seed": seed, "folder": str(folder / f"seed-{seed}")})
    if jobs:
        entry = run_all(jobs, run, args)
    print(accuracy_results.summary_lines(entry))


def run_all(
    jobs: List[Dict[str, Any]], run: Dict[str, Any], args: argparse.Namespace
) -> Dict[str, Any]:
    """Run jobs, and write down the figures of each as soon as they are there.

    RETURNS (Dict[str, Any]): The entry in the results.
    """
    entry: Dict[str, Any] = {}
    with ThreadPoolExecutor(args.jobs) as pool:
        seeds = {pool.submit(accuracy_seed.start, job, args.threads): job for job in jobs}
        try:
            for future in as_completed(seeds):
                seed, figures = seeds[future]["seed"], future.result()
                entry = accuracy_results.add_seed(args.json, run, seed, figures)
                print(accuracy_results.line(seed, figures), flush=True)
        except accuracy_seed.SeedFailed as error:
            msg.fail(str(error), exits=1)
        finally:
            # If one has failed, those that wait would fail as well.
            pool.shutdown(cancel_futures=True)
    return entry


def check_steps(config: Config, overrides: Dict[str, Any]) -> None:
    """Make sure that a training which is made longer or shorter has a learning rate to
    match: it would end before the rate is zero, or go on for nothing.

    config (Config): The config.
    overrides (Dict[str, Any]): The settings in it that were replaced.
    RAISES (ValueError): If only one of both was set.
    """
    steps, total = "training.max_steps", "training.optimizer.learn_rate.total_steps"
    training = config.interpolate().get("training", {})
    learn_rate = training.get("optimizer", {}).get("learn_rate")
    if not isinstance(learn_rate, dict) or "total_steps" not in learn_rate:
        return
    now = {steps: training["max_steps"], total: learn_rate["total_steps"]}
    if overrides.keys() & now.keys() and now[steps] != now[total]:
        raise ValueError(
            f"{steps} is {now[steps]}, but {total} is {now[total]}: --set both alike"
        )


def read_setting(text: str) -> str:
    """RETURNS (str): The setting itself, if it is one."""
    key, equals, _ = text.partition("=")
    if "." not in key or not equals:
        raise argparse.ArgumentTypeError(f"{text}: write SECTION.KEY=VALUE")
    return text


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--corpus", choices=list(accuracy_corpora.CORPORA), default="demo")
    add(
        "--data",
        type=Path,
        default=Path(os.environ.get("SPACY_BILSTM_CRF_DATA", ROOT / "assets")),
        help="folder of the folders of corpora ($SPACY_BILSTM_CRF_DATA, or assets)",
    )
    add("--config", type=Path, default=ROOT / "configs" / "bilstm_crf.cfg")
    add("--name", help="name in the results (default: that of the config)")
    add("--seeds", type=int, default=5, help="how many (default: 5)")
    add("--first-seed", type=int, default=0)
    add(
        "--set",
        type=read_setting,
        nargs="+",
        action="extend",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="settings that replace those of the config: training.max_steps=3000",
    )
    add("--jobs", type=int, default=1, help="seeds at a time: each slows the others")
    add("--threads", type=int, default=1, help="of each training, and of prediction")
    add("--gpu-id", type=int, default=-1, help="-1 for the CPU")
    add("--work", type=Path, default=ROOT / "training" / "accuracy", help="is reused")
    add("--json", type=Path, default=ROOT / "benchmarks" / "results" / "accuracy.json")
    add("--docs", type=Path, default=ROOT / "docs" / "results.md")
    add("--again", action="store_true", help="forget the figures that NAME has so far")
    add("--rescore", action="store_true", help="score again what is trained already")
    add("--table", action="store_true", help="only write the tables in --docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
