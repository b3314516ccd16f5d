"""The entities of batches of rows: one callable for Ray Data, Spark and datasets."""

import reprlib
from functools import lru_cache
from pathlib import Path
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import spacy
from spacy.language import Language
from spacy.util import import_file
from thinc.api import ConfigValidationError, require_gpu

from .doctor.finding import describe
from .failures import answer_each
from .reading import Reading, list_ents, read_docs

# Keys `start` and `end` (characters), `label`, and `score` or None.
EntityRow = Dict[str, Any]
# What each row gets: its entities, or None and the reason.
Found = Tuple[List[Optional[List[EntityRow]]], List[Optional[str]]]


class EntityBatch:
    """Find the entities of a batch of rows. Each process loads the pipeline once, when the
    first batch comes; what is pickled is where it lies, not the pipeline.

    A row gets two more columns: its entities, a list of `start` and `end` (characters),
    `label`, and `score`, the confidence of a BiLSTM-CRF in its own entities, None for those
    of other components; and None, or the reason why it has no entities but None. Such a
    row is no error for the others: a text that is missing, or that the pipeline refuses.
    """

    def __init__(
        self,
        model: Union[str, Path],
        text_column: str = "text",
        *,
        entities_column: str = "entities",
        error_column: str = "error",
        batch_size: int = 256,
        scores: bool = True,
        gpu_id: int = -1,
        code_path: Optional[Path] = None,
    ) -> None:
        """Say what to find, and where. Nothing is loaded.

        model (Union[str, Path]): Folder or name of the pipeline, which each machine has.
        text_column (str): The column with the texts.
        entities_column (str): The new column for the entities.
        error_column (str): The new column for the reasons.
        batch_size (int): How many texts go through the pipeline at a time.
        scores (bool): Whether to ask how sure the pipeline is. If not, all scores are None.
        gpu_id (int): GPU ID, or -1 for CPU. Ray shows a worker its own GPUs alone, so that
            the first one is always 0.
        code_path (Optional[Path]): A Python file with functions that the pipeline needs.
        """
        if len({text_column, entities_column, error_column}) < 3:
            raise ValueError(
                f"the columns are '{text_column}', '{entities_column}' and "
                f"'{error_column}': give each another name"
            )
        # Workers may run in another folder.
        self.model = str(Path(model).resolve()) if Path(model).exists() else str(model)
        self.text_column = text_column
        self.entities_column = entities_column
        self.error_column = error_column
        self.batch_size = batch_size
        self.scores = scores
        self.gpu_id = gpu_id
        self.code_path = None if code_path is None else str(Path(code_path).resolve())
        # Engines that remember results must not take an older pipeline's for this one's.
        meta = Path(self.model, "meta.json")
        self._saved = meta.stat().st_mtime_ns if meta.exists() else 0
        self._nlp: Optional[Language] = None

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_nlp": None}

    @property
    def nlp(self) -> Language:
        """RETURNS (Language): The pipeline, loaded if it is not yet there."""
        if self._nlp is None:
            self._nlp = _load(self.model, self.gpu_id, self.code_path, self._saved)
        return self._nlp

    @property
    def ddl(self) -> str:
        """RETURNS (str): The new columns, as Spark writes a schema."""
        entity = "struct<start: bigint, end: bigint, label: string, score: double>"
        return f"`{self.entities_column}` array<{entity}>, `{self.error_column}` string"

    def __call__(self, batch: Any) -> Any:
        """Add the columns to a batch. In an Arrow table they have types also when no row
        has an entity; from other batches an engine guesses them.

        batch (Union[Mapping, pyarrow.Table, pandas.DataFrame]): The columns.
        RETURNS (Union[Dict[str, Any], pyarrow.Table, pandas.DataFrame]): All of them, in
            the same form. Those of a mapping are in a dict, the new ones as lists.
        RAISES (ValueError): If there is no column of texts, or one where a new one goes.
        """
        if isinstance(batch, Mapping):
            entities, errors = self.find(self._take_texts(batch, list(batch)))
            return {**batch, **self._name(entities, errors)}
        if hasattr(batch, "append_column"):
            texts = self._take_texts(batch, batch.column_names).to_pylist()
            return self._append(batch, *self.find(texts))
        if hasattr(batch, "assign"):
            texts = self._take_texts(batch, list(batch.columns)).astype(object)
            # What is missing is "not a number" there.
            texts = texts.where(texts.notna(), None).tolist()
            return batch.assign(**self._name(*self.find(texts)))
        raise ValueError(
            f"a batch of type {type(batch).__name__}: expected columns by their name, "
            "an Arrow table or a DataFrame"
        )

    def map_frames(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Add the columns to each of many batches, as Spark's `mapInPandas` gives them.

        frames (Iterable[pandas.DataFrame]): The batches.
        YIELDS (pandas.DataFrame): The same with the new columns.
        """
        for frame in frames:
            yield self(frame)

    def find(self, texts: Iterable[Any]) -> Found:
        """Find the entities of texts.

        texts (Iterable[Any]): The texts. What is no text has a reason for an answer.
        RETURNS (Found): The entities of each text, None where there is a reason; and these
            reasons, None for all others.
        """
        texts = list(texts)
        entities: List[Optional[List[EntityRow]]] = [None] * len(texts)
        errors: List[Optional[str]] = [None] * len(texts)

        def fail(rows: List[Any], error: Exception) -> None:
            errors[rows[0]] = describe(error)

        def ask(rows: List[Any]) -> List[List[EntityRow]]:
            return self._read([str(texts[row]) for row in rows])

        # No row outlives its batch, and its words need not.
        with self.nlp.memory_zone():
            for start in range(0, len(texts), self.batch_size):
                rows: List[Any] = []
                for row, text in enumerate(texts[start : start + self.batch_size], start):
                    if isinstance(text, str):
                        rows.append(row)
                    else:
                        errors[row] = f"not a text: {reprlib.repr(text)}"
                answers: Iterable[Any] = answer_each(ask, rows, fail) if rows else ()
                for row, found in answers:
                    entities[row] = found
        return entities, errors

    def _read(self, texts: List[str]) -> List[List[EntityRow]]:
        docs = [self.nlp.make_doc(text) for text in texts]
        if self.scores:
            readings = read_docs(self.nlp, docs)
        else:
            piped = list(self.nlp.pipe(docs))
            readings = [Reading(doc, list_ents(doc), {}, {}) for doc in piped]
        return [_make_rows(reading) for reading in readings]

    def _take_texts(self, batch: Any, names: List[str]) -> Any:
        if self.text_column not in names:
            raise ValueError(
                f"no column '{self.text_column}' among {', '.join(map(repr, names))}: "
                "say where the texts are with text_column"
            )
        for name, option in (
            (self.entities_column, "entities_column"),
            (self.error_column, "error_column"),
        ):
            if name in names:
                raise ValueError(
                    f"there is a column '{name}' already: give the new one another name "
                    f"with {option}"
                )
        return batch[self.text_column]

    def _name(self, entities: Any, errors: Any) -> Dict[str, Any]:
        return {self.entities_column: entities, self.error_column: errors}

    def _append(self, table: Any, entities: Any, errors: Any) -> Any:
        import pyarrow

        table = table.append_column(self.entities_column, make_array(entities))
        return table.append_column(self.error_column, pyarrow.array(errors, "string"))


def make_array(entities: Sequence[Optional[List[EntityRow]]]) -> Any:
    """RETURNS (pyarrow.ListArray): The entities of each row. Its type is the same if there
    are none at all."""
    import pyarrow

    fields = {"start": "int64", "end": "int64", "label": "string", "score": "float64"}
    entity = pyarrow.struct([pyarrow.field(name, type_) for name, type_ in fields.items()])
    return pyarrow.array(entities, pyarrow.list_(entity))


# Some engines unpickle the callable for each part of the data: the pipeline is there.
@lru_cache(maxsize=1)
def _load(model: str, gpu_id: int, code_path: Optional[str], saved: int) -> Language:
    if code_path is not None:
        import_file("python_code", code_path)
    if gpu_id >= 0:
        require_gpu(gpu_id)
    try:
        nlp = spacy.load(model)
    except ConfigValidationError as error:
        # A process that waits for another one could not unpickle it.
        raise ValueError(f"{model} cannot be loaded: {describe(error)}") from None
    # A component that was never initialized would refuse every single text.
    read_docs(nlp, [])
    return nlp


def _make_rows(reading: Reading) -> List[EntityRow]:
    return [
        {
            "start": ent[0],
            "end": ent[1],
            "label": ent[2],
            "score": reading.confidence.get(ent),
        }
        for ent in reading.ents
    ]
