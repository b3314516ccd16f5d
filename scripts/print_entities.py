"""Print the entities that a pipeline finds in the texts of a .spacy file, as JSON lines."""

import argparse
from pathlib import Path

import spacy
import srsly
from spacy.tokens import DocBin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or path of the pipeline")
    parser.add_argument("data", type=Path, help="the .spacy file")
    args = parser.parse_args()
    nlp = spacy.load(args.model)
    docs = DocBin().from_disk(args.data).get_docs(nlp.vocab)
    for doc in nlp.pipe([doc.text for doc in docs]):
        ents = [[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents]
        print(srsly.json_dumps({"text": doc.text, "ents": ents}))


if __name__ == "__main__":
    main()
