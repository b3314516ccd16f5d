"""thinc shim: builds the torch module late, averages its weights, saves without pickle."""

import copy
import os
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

import numpy
import srsly
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save
from spacy.util import logger
from thinc.api import Optimizer, PyTorchGradScaler, PyTorchShim
from thinc.types import ArgsKwargs, FloatsXd
from thinc.util import get_torch_default_device
from torch import Tensor

from .averages import replaced_weights
from .gradients import finish_update, renew_id
from .grow import carry_over
from .memory import Gradients, Padded, add_gradients, learn
from .message import FORMAT, read_message
from .network import BiLSTMCRF
from .precision import cpu_has_bfloat16


class BiLSTMCRFShim(PyTorchShim):
    """Border between thinc and `BiLSTMCRF`.

    The module is built when labels and widths are known, by `build` or `from_bytes`; until
    then there is none. It has no modes and stays in training mode for ever: cuDNN's LSTM
    has no backward pass in evaluation mode, dropout is an argument, and a switch at every
    prediction would be seen by other threads.

    mixed_precision (bool): Train the LSTM in 16 bits: bfloat16 on a CPU; on CUDA, where it
        holds for prediction too, float16 with loss scaling, or bfloat16 without if that is
        the `precision`. The CRF stays in float32.
    precision (str): What the LSTM predicts in on a CPU, "float32" or "bfloat16".
    adversarial_norm (float): Euclidean norm of the perturbation that training adds to each
        token's vector in a second pass (FGM, Miyato et al. 2017). 0 for no second pass.
    expected (Optional[Dict[str, Any]]): Settings of the module, as far as the config has
        them: what is loaded must have the same.
    """

    _model: Optional[BiLSTMCRF]

    def __init__(
        self,
        *,
        mixed_precision: bool = False,
        precision: str = "float32",
        adversarial_norm: float = 0.0,
        expected: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.adversarial_norm = adversarial_norm
        self.expected = expected or {}
        self.overflows = 0
        self.dtype_on_gpu = torch.bfloat16 if precision == "bfloat16" else torch.float16
        self.predict_bfloat16 = precision == "bfloat16" and cpu_has_bfloat16()
        on_gpu = get_torch_default_device().type == "cuda"
        if precision == "bfloat16" and not (self.predict_bfloat16 or on_gpu):
            logger.info(
                'precision = "bfloat16": this processor has no instructions for it, so '
                "the BiLSTM-CRF predicts in float32"
            )
        super().__init__(
            None,
            mixed_precision=mixed_precision,
            # bfloat16 has the range of float32: only float16 needs its loss scaled.
            grad_scaler=PyTorchGradScaler(
                mixed_precision and on_gpu and self.dtype_on_gpu == torch.float16
            ),
        )

    @property
    def is_built(self) -> bool:
        """RETURNS (bool): Whether there is a module."""
        return self._model is not None

    @property
    def network(self) -> BiLSTMCRF:
        """RETURNS (BiLSTMCRF): The module. Raises ValueError if it is not built yet."""
        if self._model is None:
            raise ValueError(
                "the BiLSTM-CRF has no weights yet: initialize the pipeline or load one"
            )
        return self._model

    def build(self, settings: Dict[str, Any]) -> None:
        """Build the module with fresh weights.

        settings (Dict[str, Any]): Arguments of `BiLSTMCRF`, saved with its weights.
        """
        if self._model is not None:
            # Optimizers know the weights by this id, and remember the shapes of the old
            # ones: under a new id they begin anew, as after a load from disk.
            renew_id(self)
        self.cfg = settings
        self._model = BiLSTMCRF(**settings).to(get_torch_default_device())

    def grow(self, source: NDArray[numpy.int64], margin: float) -> None:
        """Rebuild the module with more tags; see `carry_over`.

        source (int array, shape (K,)): Id of each tag among the present ones, or less than
            0 for a new tag.
        margin (float): How much less than O the new tags score.
        """
        old = self.network
        self.build({**self.cfg, "num_tags": len(source)})
        carry_over(old, self.network, torch.from_numpy(source), margin)

    def predict(self, inputs: ArgsKwargs) -> Tensor:
        on_cpu = self._device_type == "cpu"
        reduced = self.predict_bfloat16 if on_cpu else self._mixed_precision
        with torch.inference_mode(), self._autocast(reduced):
            tags: Tensor = self.network(*inputs.args, **inputs.kwargs)
        return tags

    def begin_update(
        self, inputs: ArgsKwargs
    ) -> Tuple[Tensor, Callable[[ArgsKwargs], ArgsKwargs]]:
        """Run the module for training. The callback may be called for several batches
        before `finish_update`: their gradients add up.

        inputs (ArgsKwargs): Arguments of `BiLSTMCRF`, the token vectors first.
        RETURNS (Tuple): The losses, and the callback that takes their gradient and gives
            that of the token vectors.
        """
        vectors, *others = inputs.args
        batch = Padded(vectors, others, inputs.kwargs)
        losses, differentiate = learn(batch, self._forward, self._differentiate)

        def backprop(d_output: ArgsKwargs) -> ArgsKwargs:
            d_vectors, gradients = differentiate(d_output.kwargs["grad_tensors"])
            named = zip(self.network.parameters(), gradients, strict=True)
            for parameter, gradient in named:
                if gradient is not None:
                    if parameter.grad is None:
                        parameter.grad = torch.zeros_like(parameter)
                    parameter.grad += gradient
            return ArgsKwargs(args=(d_vectors,), kwargs={})

        return losses, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        finish_update(self, optimizer)

    def _forward(self, batch: Padded) -> Tensor:
        with self._autocast(self._mixed_precision):
            losses: Tensor = self.network(batch.vectors, *batch.others, **batch.kwargs)
        return losses

    def _differentiate(self, batch: Padded, losses: Tensor, d_losses: Tensor) -> Gradients:
        d_vectors, gradients = self._backward(losses, batch.vectors, d_losses)
        if self.adversarial_norm > 0.0:
            # The direction in which the loss grows fastest at each token.
            direction = F.normalize(d_vectors, dim=-1)
            worse = batch.vectors.detach() + self.adversarial_norm * direction
            harder = self._forward(batch._replace(vectors=worse.requires_grad_()))
            d_worse, more = self._backward(harder, worse, d_losses)
            return d_vectors + d_worse, add_gradients(gradients, more)
        return d_vectors, gradients

    def _backward(self, losses: Tensor, vectors: Tensor, d_losses: Tensor) -> Gradients:
        """RETURNS (Gradients): Those of the vectors and, still scaled, of the weights."""
        d_vectors, *gradients = torch.autograd.grad(
            losses,
            [vectors, *self.network.parameters()],
            self._grad_scaler.scale(d_losses),
            allow_unused=True,
        )
        overflow = self._grad_scaler.unscale([d_vectors])
        return (torch.zeros_like(d_vectors) if overflow else d_vectors), gradients

    @property
    def _device_type(self) -> str:
        return self.network.scorer.weight.device.type

    def _autocast(self, enabled: bool) -> torch.autocast:
        device = self._device_type
        dtype = self.dtype_on_gpu if device == "cuda" else torch.bfloat16
        return torch.autocast(device, dtype, enabled=enabled)

    @contextmanager
    def use_params(self, params: Dict[Tuple[int, str], FloatsXd]) -> Iterator[None]:
        with replaced_weights(self, params):
            yield

    def copy(self) -> "BiLSTMCRFShim":
        """RETURNS (BiLSTMCRFShim): A copy under an id of its own, so that the optimizer
        keeps the state of the two apart."""
        copied = copy.deepcopy(self)
        renew_id(copied)
        return copied

    def to_device(self, device_type: str, device_id: int) -> None:
        if self._model is not None:
            super().to_device(device_type, device_id)

    def to_bytes(self) -> bytes:
        weights = None
        if self._model is not None:
            state = self._model.state_dict()
            weights = save({name: value.contiguous() for name, value in state.items()})
        message = {"format": FORMAT, "settings": self.cfg, "weights": weights}
        data: bytes = srsly.msgpack_dumps(message)
        return data

    def from_bytes(self, bytes_data: bytes) -> "BiLSTMCRFShim":
        settings, network = read_message(bytes_data)
        if network is not None:
            self._require_same(settings)
            network.to(get_torch_default_device())
        self.cfg, self._model = settings, network
        return self

    def _require_same(self, saved: Dict[str, Any]) -> None:
        for name, value in self.expected.items():
            if saved[name] != value:
                raise ValueError(
                    f"the config has {name} = {value!r}, but this BiLSTM-CRF was trained "
                    f"with {name} = {saved[name]!r}: load it with that, or train another"
                )


def _use_one_thread() -> None:
    torch.set_num_threads(1)


# torch's threads do not survive a fork: a worker of `nlp.pipe(n_process=2)` whose parent
# had started them would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)
