"""Settings of the component: the model that it has by default, and what makes no sense."""

from typing import Any, Optional

from thinc.api import Config

bilstm_crf_default_config = """
[model]
@architectures = "spacy-bilstm-crf.BiLSTMCRF.v1"
hidden_width = 128
depth = 1
dropout = 0.5
decoder = "crf"
mixed_precision = false
locked_dropout = true
adversarial_norm = 0.5
precision = "float32"
nO = null

[model.tok2vec]
@architectures = "spacy-bilstm-crf.NgramEmbed.v1"
width = 64
orders = [1, 2]
min_freq = [1, 2]
dropout = [0.05, 0.3]
singleton_dropout = 0.5
attr = "ORTH"
"""

DEFAULT_BILSTM_CRF_MODEL = Config().from_str(bilstm_crf_default_config)["model"]

DICTIONARY_SETTINGS = ("words", "mode", "bonus", "ignore_case")


def check_confidence_settings(
    name: str, threshold: float, min_probability: Optional[float], spans_key: Optional[str]
) -> None:
    """Raise ValueError if the settings that have to do with confidence make no sense.

    name (str): Name of the component.
    threshold, min_probability, spans_key: See the factory.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold of '{name}' is {threshold}: set it from 0 to 1")
    if min_probability is None:
        return
    if not 0.0 < min_probability <= 1.0:
        raise ValueError(
            f"min_probability of '{name}' is {min_probability}: set it above 0, up to 1"
        )
    if spans_key is None:
        raise ValueError(
            f"min_probability of '{name}' needs a place for spans: set its spans_key"
        )


def check_dictionary_settings(name: str, dictionary: Any) -> None:
    """Raise ValueError unless these are arguments of `BiLSTMCRF.add_dictionary`.

    name (str): Name of the component.
    dictionary (Any): What stands at its `[initialize.components]`, if anything does.
    """
    if dictionary is None:
        return
    where = f"[initialize.components.{name}.dictionary]"
    if not isinstance(dictionary, dict) or "words" not in dictionary:
        raise ValueError(
            f'{where} is {dictionary!r}: set words = "...", the path of a file'
        )
    strange = sorted(set(dictionary).difference(DICTIONARY_SETTINGS))
    if strange:
        raise ValueError(
            f"{where} has no setting {', '.join(map(repr, strange))}: it takes "
            f"{', '.join(DICTIONARY_SETTINGS)}"
        )
