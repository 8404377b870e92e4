"""A minimal safetensors reader and writer: 8-byte little-endian header length, JSON header, raw data."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import torch
from torch import Tensor

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name and the `__metadata__` strings of a file; ValueError for a file that is not consistent."""
    raw = Path(path).read_bytes()
    if len(raw) < 8:
        raise ValueError(f"{path}: expected a safetensors file, got {len(raw)} bytes")
    (length,) = struct.unpack("<Q", raw[:8])
    if 8 + length > len(raw):
        raise ValueError(f"{path}: the header claims {length} bytes, the file has {len(raw) - 8} after its length")
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__", None) or {}
    return {name: _tensor(raw, 8 + length, name, entry) for name, entry in header.items()}, metadata


def _tensor(raw: bytes, base: int, name: str, entry: dict) -> Tensor:
    begin, end = entry["data_offsets"]
    shape, dtype = entry["shape"], DTYPES[entry["dtype"]]
    empty = torch.empty(shape, dtype=dtype)
    expected = empty.numel() * empty.element_size()
    if end - begin != expected or base + end > len(raw):
        raise ValueError(f"{name}: expected {expected} bytes of data for {entry['dtype']} {shape}, got {end - begin}")
    if expected == 0:
        return empty
    return torch.frombuffer(bytearray(raw[base + begin : base + end]), dtype=dtype).reshape(shape)


def write_safetensors(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and metadata strings, by way of a temporary file beside the target."""
    header: dict[str, object] = {"__metadata__": metadata}
    chunks, offset = [], 0
    for name, tensor in tensors.items():
        data = tensor.detach().contiguous().numpy().tobytes()
        end = offset + len(data)
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        chunks.append(data)
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target = Path(path)
    temporary = target.with_name(target.name + ".tmp")
    temporary.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    temporary.replace(target)
