"""thinc shim of a transformer: any precision, averages, prediction in several threads."""

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Tuple

import torch
from spacy.util import logger
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import Optimizer
from thinc.types import ArgsKwargs, FloatsXd
from thinc.util import get_torch_default_device

from .averages import replaced_weights
from .gradients import finish_update, renew_id
from .precision import cpu_has_bfloat16


class TransformerShim(HFShim):
    """spacy-transformers' shim and its format on disk, with another precision.

    The module is in training mode only while it runs for training: a switch at every
    prediction would be seen by other threads.

    hf_model (HFObjects): The transformer and its tokenizer, or how to make them.
    precision (str): What it computes in, "float32", "float16" or "bfloat16"; its weights
        are float32. On CUDA all three, float16 with loss scaling; on a CPU bfloat16 where
        the processor has instructions for it, else float32.
    """

    def __init__(self, hf_model: HFObjects, precision: str = "float32") -> None:
        self.precision = precision
        self.overflows = 0
        on_gpu = get_torch_default_device().type == "cuda"
        super().__init__(
            hf_model, grad_scaler_config={"enabled": on_gpu and precision == "float16"}
        )
        if precision != "float32" and not (on_gpu or self._cpu_dtype == torch.bfloat16):
            logger.info(
                'precision = "%s": this processor has no instructions for it, so the '
                "transformer computes in float32",
                precision,
            )

    def predict(self, inputs: ArgsKwargs) -> Any:
        with torch.no_grad(), self._autocast():
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(
        self, inputs: ArgsKwargs
    ) -> Tuple[Any, Callable[[ArgsKwargs], ArgsKwargs]]:
        with self._training(), self._autocast():
            output = self._model(*inputs.args, **inputs.kwargs)

        def backprop(grads: ArgsKwargs) -> ArgsKwargs:
            d_output = self._grad_scaler.scale(grads.kwargs["grad_tensors"])
            # With gradient checkpointing this runs parts of the module again.
            with self._training():
                torch.autograd.backward(grads.args, d_output)
            # Ids of wordpieces have no gradient.
            return ArgsKwargs(args=(), kwargs={})

        return output, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        finish_update(self, optimizer)

    @contextmanager
    def use_params(self, params: Dict[Tuple[int, str], FloatsXd]) -> Iterator[None]:
        with replaced_weights(self, params):
            yield

    def from_bytes(self, bytes_data: bytes) -> "TransformerShim":
        super().from_bytes(bytes_data)
        if self._model is not None:
            self._model.eval()
        return self

    def copy(self) -> "TransformerShim":
        """RETURNS (TransformerShim): A copy under an id of its own, so that the optimizer
        keeps the state of the two apart."""
        copied: TransformerShim = super().copy()
        renew_id(copied)
        return copied

    @contextmanager
    def _training(self) -> Iterator[None]:
        self._model.train()
        try:
            yield
        finally:
            self._model.eval()

    @property
    def _cpu_dtype(self) -> torch.dtype:
        wanted = self.precision == "bfloat16" and cpu_has_bfloat16()
        return torch.bfloat16 if wanted else torch.float32

    def _autocast(self) -> torch.autocast:
        device = self.device.type
        dtype = getattr(torch, self.precision) if device == "cuda" else self._cpu_dtype
        return torch.autocast(device, dtype, enabled=dtype != torch.float32)
