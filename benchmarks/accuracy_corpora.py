"""The corpora that accuracy is measured on: which files, which splits, which scheme."""

import hashlib
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import spacy

from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.corpus.formats import other_halves

ROOT = Path(__file__).resolve().parent.parent
SPLITS = ("train", "dev", "test")
RUIJIN_SPLIT = ROOT / "benchmarks" / "ruijin_split.json"
Sources = Dict[str, List[Path]]


class Corpus(NamedTuple):
    """A corpus.

    find (Callable[[Path, Path], Sources]): Given the folder of all corpora and a folder
        to work in, finds the files of each split.
    scheme (str): The tags that token accuracy and F1 per tag are about.
    format (str): Name of its format, for the converter.
    split (str): Where to cut its Docs.
    max_tokens (Optional[int]): Tokens in a piece, at most.
    note (str): What one should know of its figures.
    """

    find: Callable[[Path, Path], Sources]
    scheme: str
    format: str = "columns"
    split: str = "none"
    max_tokens: Optional[int] = None
    note: str = ""


def fold(key: str) -> int:
    """RETURNS (int): Which tenth something belongs to, the same for ever."""
    return int(hashlib.sha256(key.encode("utf8")).hexdigest(), 16) % 10


def split_name(key: str) -> str:
    """RETURNS (str): The split of a document or line: eight tenths, one, and one."""
    return {8: "dev", 9: "test"}.get(fold(key), "train")


def find_demo(data: Path, work: Path) -> Sources:
    return {name: [ROOT / "assets" / "demo" / f"{name}.bmes"] for name in SPLITS}


def find_resume(data: Path, work: Path) -> Sources:
    return {name: [data / "resume" / f"{name}.char.bmes"] for name in SPLITS}


def find_chinese_ner(data: Path, work: Path) -> Sources:
    names = ("chinese_ner_train_substitute.bio", "example.dev", "example.test")
    files = zip(SPLITS, names, strict=True)
    return {split: [data / "chinese_ner" / name] for split, name in files}


def find_ruijin(data: Path, work: Path) -> Sources:
    """The documents as `split_name` splits their names, written down once for all."""
    sources: Sources = {name: [] for name in SPLITS}
    for stem, split in json.loads(RUIJIN_SPLIT.read_text("utf8")).items():
        sources[split].append(data / "ruijin" / f"{stem}.ann")
    return sources


def find_zxuu(data: Path, work: Path) -> Sources:
    """The tutorial's way: everything is training data, and scored as well."""
    return {name: [data / "zxuu" / "train_data3.txt"] for name in SPLITS}


def find_zxuu_heldout(data: Path, work: Path) -> Sources:
    """Split the lines by what they say."""
    path = data / "zxuu" / "train_data3.txt"
    lines: Dict[str, List[str]] = {name: [] for name in SPLITS}
    for line in path.read_text("utf8").splitlines(keepends=True) if path.is_file() else ():
        lines[split_name(line.strip())].append(line)
    sources = {name: [work / f"{name}.jsonl"] for name in SPLITS}
    for name, (target,) in sources.items():
        target.write_text("".join(lines[name]), "utf8")
    return sources


CORPORA: Dict[str, Corpus] = {
    "demo": Corpus(find_demo, "bmes", note="The invented corpus that the project ships."),
    "resume": Corpus(
        find_resume, "bmes", note="ResumeNER (Zhang and Yang 2018), split as published."
    ),
    "chinese_ner": Corpus(
        find_chinese_ner,
        "bio",
        note="ChineseNER (MSRA). Dev and test as published; the training file is a "
        "substitute of the same size and make, because the original could not be had.",
    ),
    "ruijin": Corpus(
        find_ruijin,
        "bio",
        "brat",
        split="newline",
        max_tokens=256,
        note="Diabetes papers of Ruijin Hospital (Tianchi 2018, round 1). Its name says "
        "where a document goes, see `benchmarks/ruijin_split.json`: the SHA-256 of it, "
        "without suffix, modulo 10, is 8 for dev and 9 for test. Documents are cut at line "
        "ends into pieces of at most 256 tokens, never within an entity, and pieces are "
        "what is scored. Of entities that overlap only the longest is kept: the others "
        "(dropped) are in neither truth nor prediction.",
    ),
    "zxuu": Corpus(
        find_zxuu,
        "bio",
        "jsonl",
        note="`train_data3.txt` of zxuu/RNN. **Scored on its own training data**, as that "
        "tutorial does: it tells how well a model learns by heart, and nothing else.",
    ),
    "zxuu-heldout": Corpus(
        find_zxuu_heldout,
        "bio",
        "jsonl",
        note="The same file, with a tenth of its lines for dev and a tenth for test: the "
        "SHA-256 of the line, modulo 10, is 8 and 9.",
    ),
}


def prepare(name: str, data: Path, work: Path) -> Tuple[Path, Dict[str, Any]]:
    """Convert a corpus, unless that has been done already.

    name (str): Name of the corpus.
    data (Path): The folder of all corpora.
    work (Path): The folder for what is made of them.
    RETURNS (Tuple[Path, Dict[str, Any]]): The folder of train, dev and test.spacy, and
        the digest of what was converted with what came out, by split.
    RAISES (CorpusError): If it cannot be converted.
    """
    corpus = CORPORA[name]
    folder = work / "corpora" / name
    folder.mkdir(parents=True, exist_ok=True)
    sources = corpus.find(data, folder)
    settings = (corpus.format, corpus.split, corpus.max_tokens)
    digest = hashlib.sha256(repr(settings).encode("utf8"))
    for split in SPLITS:
        for path in [*sources[split], *other_halves(sources[split], corpus.format)]:
            digest.update(path.read_bytes())
    manifest = folder / "counts.json"
    if manifest.is_file():
        known: Dict[str, Any] = json.loads(manifest.read_text("utf8"))
        if known["digest"] == digest.hexdigest():
            return folder, known
    splits = {}
    for split in SPLITS:
        report = convert(
            sources[split],
            folder / f"{split}.spacy",
            spacy.blank("zh"),
            format=corpus.format,
            split=corpus.split,
            max_tokens=corpus.max_tokens,
            report_path=folder / f"{split}.records.jsonl",
        )
        splits[split] = {
            "files": len(sources[split]),
            "sentences": report.sentences_written,
            "docs": sum(report.outputs.values()),
            "tokens": report.tokens_written,
            "entities": report.entities_written.total(),
            "entities dropped": report.entities_dropped.total(),
        }
    content = {"digest": digest.hexdigest(), "splits": splits}
    manifest.write_text(json.dumps(content, indent=1) + "\n", "utf8")
    return folder, content
