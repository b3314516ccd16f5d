"""Load a component without changing it, until all that was loaded is known to be sound."""

import gc
import math
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, cast

import srsly
from thinc.api import Model
from thinc.util import convert_recursive, is_xp_array

from .query import CHECK_LOADED
from .tags import count_tags


class Loaded(NamedTuple):
    """What was loaded, and is sound. Nothing has been changed by it.

    cfg (Dict[str, Any]): The component's `cfg`, or parts of it.
    model (Optional[Model]): A copy of the component's model, with what was loaded.
    message (Dict[str, Any]): What was loaded into it, as thinc saves it.
    """

    cfg: Dict[str, Any]
    model: Optional[Model[Any, Any]]
    message: Dict[str, Any]

    def hand_over(self, cfg: Dict[str, Any], model: Model[Any, Any]) -> None:
        """Put what was loaded into a component.

        cfg (Dict[str, Any]): The component's `cfg`.
        model (Model): Its model. It keeps its ids, by which an optimizer knows the weights.
        """
        cfg.update(self.cfg)
        if self.model is None:
            return
        columns = (model.walk(), self.model.walk(), self.message["attrs"])
        for node, source, attrs in zip(*columns, strict=True):
            for name in node.dim_names:
                _set_dim(node, name, source.maybe_get_dim(name))
            for name in attrs:
                node.attrs[name] = source.attrs[name]
            for name in source.param_names:
                node.set_param(name, source.maybe_get_param(name))
            for shim, loaded in zip(node.shims, source.shims, strict=True):
                vars(shim).update({**vars(loaded), "id": shim.id})


def load(
    where: str, parts: Mapping[str, bytes], cfg: Mapping[str, Any], model: Model[Any, Any]
) -> Loaded:
    """Load the parts of a component that are there.

    where (str): What stands before the names of the parts in messages.
    parts (Mapping[str, bytes]): "cfg", "model" or both, as the base class saves them.
    cfg (Mapping[str, Any]): The component's `cfg`.
    model (Model): Its model.
    RETURNS (Loaded): What was loaded.
    RAISES (ValueError): At the first thing that is wrong.
    """
    new_cfg: Dict[str, Any] = {}
    message: Dict[str, Any] = {}
    loaded = None
    if "cfg" in parts:
        with explain(f"{where}cfg"):
            new_cfg = _read_cfg(parts["cfg"])
    if "model" in parts:
        with explain(f"{where}model"):
            message = srsly.msgpack_loads(parts["model"])
            loaded = _fill(model.copy(), message)
    whole: Any = model if loaded is None else loaded
    num_labels = len({**cfg, **new_cfg}["labels"])
    if whole.shims[0].is_built and whole.get_dim("nO") != count_tags(num_labels):
        raise ValueError(
            f"{where}cfg and model were not saved together: {num_labels} labels make "
            f"{count_tags(num_labels)} tags, and the model has {whole.get_dim('nO')}"
        )
    return Loaded(new_cfg, loaded, message)


@contextmanager
def explain(what: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into one clear error, but for a lack of memory: what
    does not fit into it may be sound.

    what (str): What is being loaded.
    RAISES (ValueError): If something goes wrong.
    """
    collecting = gc.isenabled()
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        if not isinstance(error, ValueError):
            reason = f"{type(error).__name__} {reason}"
        raise ValueError(
            f"{what} is damaged, or of another component or config: copy it again, or load "
            f"it with its own config ({reason})"
        ) from error
    finally:
        # srsly switches it off, and forgets to switch it on again when it fails.
        if collecting:
            gc.enable()


def _set_dim(model: Model[Any, Any], name: str, value: Optional[int]) -> None:
    """Set a dimension of a layer, or make it unknown again."""
    model.set_dim(name, cast(int, value), force=True)


def _read_cfg(data: bytes) -> Dict[str, Any]:
    cfg: Dict[str, Any] = srsly.json_loads(data)
    labels, temperature = cfg.get("labels", []), cfg.get("temperature", 1.0)
    if (
        not isinstance(labels, list)
        or not all(isinstance(label, str) and label for label in labels)
        or len(set(labels)) < len(labels)
    ):
        raise ValueError(f"labels are {labels!r}, expected a list of different strings")
    if not (math.isfinite(temperature) and temperature > 0.0):
        raise ValueError(f"temperature is {temperature!r}, expected more than 0")
    for word, label, bonus, ignore_case in cfg.get("dictionary", []):
        if not (
            isinstance(word, str)
            and word
            and label in labels
            and (bonus is None or math.isfinite(bonus))
            and isinstance(ignore_case, bool)
        ):
            raise ValueError(f"the entry of {word!r} in its dictionary is damaged")
    return cfg


def _fill(model: Model[Any, Any], message: Dict[str, Any]) -> Model[Any, Any]:
    # The config may have set it before more labels came.
    _set_dim(model, "nO", None)
    if len({len(message[name]) for name in ("nodes", "attrs", "params", "shims")}) > 1:
        raise ValueError("it does not tell the same number of layers everywhere")
    model.from_dict(convert_recursive(is_xp_array, model.ops.asarray, message))
    for node in model.walk():
        for name in node.param_names:
            weights: Any = node.maybe_get_param(name)
            if weights is not None and not node.ops.xp.isfinite(weights).all():
                raise ValueError(f"the weights {name} of {node.name} are no numbers")
        if CHECK_LOADED in node.attrs:
            node.attrs[CHECK_LOADED](node)
    network: Any = model.shims[0]
    if network.is_built and network.cfg["num_tags"] != model.get_dim("nO"):
        raise ValueError("the number of tags is another than that of its weights")
    return model
