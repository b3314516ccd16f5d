"""Convert the corpus that the project is run on: train, dev and test to DocBin.

The demo corpus lies in assets/demo. The files of any other corpus are looked for in
assets/NAME, or in a folder of your own.
"""

import argparse
from pathlib import Path

from wasabi import msg

from spacy_bilstm_crf.cli.convert import convert_cli

SPLITS = ("train", "dev", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", help="name of the corpus: demo, resume or your own")
    parser.add_argument("output", type=Path, help="folder for the .spacy files")
    parser.add_argument("--lang", default="zh", help="language code (default: zh)")
    parser.add_argument(
        "--resume-dir",
        type=Path,
        default=Path("assets/resume"),
        help="folder with ResumeNER's train/dev/test.char.bmes (default: assets/resume)",
    )
    args = parser.parse_args()
    folder = args.resume_dir if args.corpus == "resume" else Path("assets", args.corpus)
    if not folder.is_dir():
        msg.fail(
            f"No folder {folder} for the corpus '{args.corpus}'",
            "Put files named train, dev and test into it. ResumeNER: `python -m spacy "
            "project assets --extra` downloads it, or point --vars.resume_dir at a folder "
            "that has it.",
            exits=1,
        )
    convert_cli([folder], args.output, args.lang, report=args.output / "repairs.jsonl")
    missing = [name for name in SPLITS if not (args.output / f"{name}.spacy").is_file()]
    if missing:
        msg.fail(f"No file named {' or '.join(missing)} in {folder}", exits=1)


if __name__ == "__main__":
    main()
