"""torch: other weights in the place of a module's own, for a while."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, Tuple

from thinc.types import FloatsXd
from thinc.util import xp2torch


@contextmanager
def replaced_weights(shim: Any, params: Dict[Tuple[int, str], FloatsXd]) -> Iterator[None]:
    """Put other weights in place for a while, usually the optimizer's averages.

    thinc's own shim looks for keys that its optimizer never writes; these are the ones
    that it does.

    shim (PyTorchShim): The shim. It may have no module yet.
    params (Dict[Tuple[int, str], FloatsXd]): Weights by shim and name.
    """
    named = shim._model.named_parameters() if shim._model is not None else ()
    backup = {}
    for name, parameter in named:
        if (shim.id, name) in params:
            backup[parameter] = parameter.data
            parameter.data = xp2torch(params[shim.id, name], device=parameter.device)
    try:
        yield
    finally:
        for parameter, data in backup.items():
            parameter.data = data
