"""Writes small float64 fixtures as JSON in the layout that the project's formatter keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from torch import Tensor

FOLDER = Path(__file__).resolve().parents[2] / "test" / "fixtures"
LINE_WIDTH = 110


def rounded(generator: torch.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Normal float64 numbers with three decimals, so that inputs are short and exact in the file."""
    drawn = torch.randn(*shape, generator=generator, dtype=torch.float64) * scale
    return (drawn * 1000).round() / 1000


def pack(tensor: Tensor) -> dict[str, object]:
    """A tensor as {shape, data}, data flat in row-major order."""
    if not bool(torch.isfinite(tensor.double()).all()):
        raise ValueError(f"fixture: expected finite numbers, got {tensor}")
    return {"shape": list(tensor.shape), "data": tensor.detach().reshape(-1).tolist()}


def pack_all(tensors: dict[str, Tensor]) -> dict[str, object]:
    """`pack` over a dictionary."""
    return {name: pack(tensor) for name, tensor in tensors.items()}


def _word(value: object) -> str:
    text = json.dumps(value)
    if not isinstance(value, float):
        return text
    return re.sub(r"e([+-])0*(\d+)$", lambda m: f"e{m[1].replace('+', '')}{m[2]}", text)


def _numbers(values: list, prefix: int, indent: str) -> str:
    words = [_word(v) for v in values]
    line = "[" + ", ".join(words) + "]"
    if prefix + len(line) + 1 <= LINE_WIDTH:
        return line
    lines, current = [], indent + "  " + words[0]
    for index, word in enumerate(words[1:], 2):
        comma = 1 if index < len(words) else 0
        if len(current) + 2 + len(word) + comma > LINE_WIDTH:
            lines.append(current + ",")
            current = indent + "  " + word
        else:
            current += ", " + word
    return "[\n" + "\n".join([*lines, current]) + f"\n{indent}]"


def _text(value: object, prefix: int, indent: str) -> str:
    if isinstance(value, dict) and value:
        inner = indent + "  "
        fields = [f"{inner}{json.dumps(k)}: " for k in value]
        parts = [key + _text(v, len(key), inner) for key, v in zip(fields, value.values())]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    if isinstance(value, list) and value and not isinstance(value[0], (dict, list)):
        return _numbers(value, prefix, indent)
    if isinstance(value, list) and value:
        inner = indent + "  "
        return "[\n" + ",\n".join(inner + _text(v, len(inner), inner) for v in value) + f"\n{indent}]"
    return _word(value)


def write_fixture(name: str, script: str, about: str, content: dict[str, object]) -> None:
    """Write test/fixtures/NAME with its origin under `metadata`, and say how large it is."""
    origin = {"about": about, "script": f"tools/reference/{script}", "torch": torch.__version__, "dtype": "float64"}
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = _text({"metadata": origin, **content}, 0, "") + "\n"
    (FOLDER / name).write_text(text)
    print(f"{name}: {len(text) / 1000:.1f} kB, PyTorch {torch.__version__}")
