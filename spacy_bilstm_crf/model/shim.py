"""thinc shim: builds the torch module late, averages its weights, saves without pickle."""

import copy
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

import srsly
import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from thinc.api import Optimizer, PyTorchGradScaler, PyTorchShim
from thinc.shims.shim import Shim
from thinc.types import ArgsKwargs, FloatsXd
from thinc.util import get_torch_default_device, xp2torch
from torch import Tensor

from .network import BiLSTMCRF

# Written into every saved model. A later format reads this one too.
FORMAT = 1


class BiLSTMCRFShim(PyTorchShim):
    """Border between thinc and `BiLSTMCRF`.

    The module is built when labels and widths are known, by `build` or `from_bytes`; until
    then there is none. It has no modes and stays in training mode for ever: cuDNN's LSTM
    has no backward pass in evaluation mode, dropout is an argument, and a switch at every
    prediction would be seen by other threads.

    mixed_precision (bool): Run the LSTM in 16 bits: float16 with loss scaling on CUDA,
        bfloat16 on a CPU. The CRF stays in float32.
    adversarial_norm (float): Euclidean norm of the perturbation that training adds to each
        token's vector in a second pass (FGM, Miyato et al. 2017). 0 for no second pass.
    """

    _model: Optional[BiLSTMCRF]

    def __init__(
        self, *, mixed_precision: bool = False, adversarial_norm: float = 0.0
    ) -> None:
        self.adversarial_norm = adversarial_norm
        on_gpu = get_torch_default_device().type == "cuda"
        self._cpu_bfloat16 = mixed_precision and not on_gpu
        super().__init__(
            None,
            mixed_precision=mixed_precision and on_gpu,
            grad_scaler=PyTorchGradScaler(mixed_precision and on_gpu),
        )

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
        self.cfg = settings
        self._model = BiLSTMCRF(**settings).to(get_torch_default_device())

    def predict(self, inputs: ArgsKwargs) -> Any:
        with torch.inference_mode(), self._autocast(), self._cuda_autocast():
            return self.network(*inputs.args, **inputs.kwargs)

    def begin_update(
        self, inputs: ArgsKwargs
    ) -> Tuple[Tensor, Callable[[ArgsKwargs], ArgsKwargs]]:
        """Run the module for training.

        inputs (ArgsKwargs): Arguments of `BiLSTMCRF`, the token vectors first.
        RETURNS (Tuple): The losses, and the callback that takes their gradient and gives
            that of the inputs.
        """
        with self._autocast():
            output, backprop = super().begin_update(inputs)

        def backprop_twice(d_output: ArgsKwargs) -> ArgsKwargs:
            d_losses = d_output.kwargs["grad_tensors"].clone()
            d_clean = backprop(d_output).args[0].clone()
            vectors = inputs.args[0].detach()
            # The direction in which the loss of each token grows fastest.
            vectors = vectors + self.adversarial_norm * F.normalize(d_clean, dim=-1)
            arguments = (vectors.requires_grad_(), *inputs.args[1:])
            with self._autocast():
                harder, backprop_harder = super(BiLSTMCRFShim, self).begin_update(
                    ArgsKwargs(args=arguments, kwargs=inputs.kwargs)
                )
            d_harder = backprop_harder(
                ArgsKwargs(args=(harder,), kwargs={"grad_tensors": d_losses})
            ).args[0]
            return ArgsKwargs(args=(d_clean + d_harder,), kwargs={})

        return output, backprop_twice if self.adversarial_norm > 0.0 else backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        if self._model is not None:
            super().finish_update(optimizer)

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self._cpu_bfloat16)

    def _cuda_autocast(self) -> torch.autocast:
        return torch.autocast("cuda", enabled=self._mixed_precision)

    @contextmanager
    def use_params(self, params: Dict[Tuple[int, str], FloatsXd]) -> Iterator[None]:
        """Put other weights in place for a while, usually the optimizer's averages.

        thinc's own shim looks for keys that its optimizer never writes; these are the ones
        that it does.
        """
        named = self._model.named_parameters() if self._model is not None else ()
        backup = {}
        for name, parameter in named:
            if (self.id, name) in params:
                backup[parameter] = parameter.data
                parameter.data = xp2torch(params[self.id, name], device=parameter.device)
        try:
            yield
        finally:
            for parameter, data in backup.items():
                parameter.data = data

    def copy(self) -> "BiLSTMCRFShim":
        """RETURNS (BiLSTMCRFShim): A copy under an id of its own, so that the optimizer
        keeps the state of the two apart."""
        copied = copy.deepcopy(self)
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
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
        message = srsly.msgpack_loads(bytes_data)
        if message.get("format") != FORMAT:
            raise ValueError(
                f"this BiLSTM-CRF was saved in format {message.get('format')}, and this "
                f"version of spacy-bilstm-crf reads format {FORMAT}: upgrade the package "
                "or train the pipeline again"
            )
        model = None
        if message["weights"] is not None:
            model = BiLSTMCRF(**message["settings"])
            model.load_state_dict(load(message["weights"]))
            model.to(get_torch_default_device())
        self.cfg, self._model = message["settings"], model
        return self
