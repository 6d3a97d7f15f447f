"""torch's checkpoints: ``.pt``, ``.pth``, ``.bin`` and Lightning's ``.ckpt``.

torch unpickles only tensors and plain containers here (``weights_only=True``), and in a process of
its own, which turns them into safetensors.
"""

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from deep_learning_dynamics.store.collecting.checkpoint import FORMATS, Checkpoint, Format, Options
from deep_learning_dynamics.store.collecting.converting import CONVERTER, RefusedError
from deep_learning_dynamics.store.collecting.safetensors_files import TYPES, Safetensors

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
# Beginnings of files that lie beside weights but hold none; some of them are pickles.
NO_WEIGHTS = ("optimizer", "scheduler", "training_args", "rng_state", "scaler")
OLDEST_TORCH = (2, 10)  # earlier versions could be made to execute code in spite of weights_only
STEP_KEYS = ("global_step", "step", "iteration", "iter", "num_steps", "epoch")
WEIGHT_KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights")


@FORMATS.register
class TorchFile(Format):
    key, title = "torch", "torch's .pt, .pth, .bin or .ckpt"

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.suffix in SUFFIXES and path.is_file() and not path.name.startswith(NO_WEIGHTS)

    @staticmethod
    def open(path: Path, options: Options, files: ExitStack) -> Checkpoint:
        folder = files.enter_context(tempfile.TemporaryDirectory(prefix="dynamics-"))
        converted = Path(folder, "weights.safetensors")
        found = CONVERTER.convert(convert, path, converted, key=options.key)
        checkpoint = Safetensors.open(converted, options, files)
        checkpoint.path = path
        checkpoint.step, checkpoint.scores = found["step"], found["scores"]
        return checkpoint


def convert(path: Path, out: Path, key: str | None) -> dict[str, Any]:
    """Write the tensors of ``path`` as safetensors to ``out``; returns step and scores."""
    try:
        import torch
    except ImportError:
        raise RefusedError("needs torch, which is not installed. Install it.") from None

    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_TORCH:
        raise RefusedError(
            f"needs torch {OLDEST_TORCH[0]}.{OLDEST_TORCH[1]} or newer to be opened safely; "
            f"found {torch.__version__}. Upgrade torch, or save the weights as safetensors."
        )
    content = _load(torch, path)
    plain = content if isinstance(content, dict) else {}
    weights = _find_weights(torch, content, key)
    _check_sizes(weights, path.stat().st_size)
    _write(torch, weights, out)
    steps = [plain[name] for name in STEP_KEYS if type(plain.get(name)) is int]
    scores = {
        str(name): float(value)
        for name, value in plain.items()
        if type(value) in (int, float) and name not in STEP_KEYS and str(name).isidentifier()
    }
    return {"step": steps[0] if steps else None, "scores": scores}


def _load(torch: Any, path: Path) -> Any:
    arguments = {"map_location": "cpu", "weights_only": True}
    try:
        try:
            return torch.load(path, mmap=True, **arguments)
        except RuntimeError as error:
            if "mmap can only be used" not in str(error):
                raise
            return torch.load(path, **arguments)  # the format before 1.6
    except Exception as error:
        text = " ".join(str(error).split())
        if "TorchScript" in text:
            raise RefusedError(
                "is a TorchScript archive, which is code; expected a state dict. Export it with: "
                'torch.save(torch.jit.load("FILE").state_dict(), "FILE.pt")'
            ) from None
        marker = "Unsupported global: GLOBAL "
        if marker in text:
            name = text.split(marker)[1].split()[0]
            raise RefusedError(
                f"holds an object of {name}, which would have to be executed to be read; expected "
                "only tensors, numbers, texts, lists and dicts. Export it where you trust it: "
                'torch.save(model.state_dict(), "FILE.pt")'
            ) from None
        raise RefusedError(
            f"cannot be read ({text[:300]}). Copy it again, or leave it out."
        ) from None


def _find_weights(torch: Any, content: Any, key: str | None) -> dict[str, Any]:
    def tensors(candidate: Any) -> dict[str, Any]:
        items = candidate.items() if isinstance(candidate, dict) else ()
        return {str(name): value for name, value in items if isinstance(value, torch.Tensor)}

    if key is not None:
        for part in key.split("."):
            content = content.get(part) if isinstance(content, dict) else None
        if not tensors(content):
            raise RefusedError(f"has no tensors under the key {key!r}. Name another with --key.")
        return tensors(content)
    if not isinstance(content, dict):
        raise RefusedError(f"holds a {type(content).__name__}; expected a dict of tensors.")
    for place in (content, *(content.get(name) for name in WEIGHT_KEYS)):
        if tensors(place):
            return tensors(place)
    others = [str(name) for name, value in content.items() if tensors(value)]
    if len(others) == 1:
        return tensors(content[others[0]])
    found = ", ".join(others or [str(name) for name in content][:10]) or "nothing"
    raise RefusedError(
        f"has no tensors at its top; it holds {found}. Say where they are with --key."
    )


def _check_sizes(weights: dict[str, Any], file_bytes: int) -> None:
    for name, tensor in weights.items():
        # A view of a small storage can claim any shape.
        if tensor.layout != tensor.new_empty(0).layout or tensor.is_sparse or tensor.is_quantized:
            raise RefusedError(
                f"holds {name}, which is sparse or quantised; expected dense tensors."
            )
        if tensor.numel() * tensor.element_size() > file_bytes:
            raise RefusedError(
                f"claims shape {list(tensor.shape)} for {name}, more than the whole file holds; "
                "it is damaged or made to exhaust memory."
            )


def _write(torch: Any, weights: dict[str, Any], out: Path) -> None:
    """Tensor by tensor: the library's own writer would need all of them copied."""
    names = {getattr(torch, dtype): kind for kind, dtype in TYPES.items()}
    known = {name: tensor for name, tensor in weights.items() if tensor.dtype in names}
    header, offset = {}, 0
    for name, tensor in known.items():
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header).encode()
    with out.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in known.values():
            flat = tensor.detach().contiguous().reshape(-1)
            if flat.numel():
                file.write(flat.view(torch.uint8).numpy().data)
