"""Reads the tensors of a YOLOv5 checkpoint without YOLOv5's code: every class in it becomes an inert record.

Nothing named by the pickle is imported or called, so an untrusted file can do no more than fail to load.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "LongStorage": torch.int64,
}


class Record:
    """Stands in for any class: keeps what the pickle sets on it."""

    def __init__(self, *_: object):
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: object) -> Tensor:
    return storage.as_strided(size, stride, offset).clone()


def _rebuild_parameter(data: Tensor, *_: object) -> Tensor:
    return data


class CheckpointUnpickler(pickle.Unpickler):
    """Resolves tensors from the archive's storages and everything else to `Record`."""

    def __init__(self, archive: zipfile.ZipFile, entry: str):
        super().__init__(archive.open(entry))
        self.archive, self.folder = archive, entry[: -len("data.pkl")]

    def find_class(self, module: str, name: str) -> object:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("__builtin__", "set"): set,
            ("builtins", "set"): set,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        return known.get((module, name), Record)

    def persistent_load(self, reference: tuple) -> Tensor:
        _, dtype, key, _, _ = reference
        return torch.frombuffer(bytearray(self.archive.read(f"{self.folder}data/{key}")), dtype=dtype)


def _collect(module: Record, prefix: str, out: dict[str, Tensor]) -> None:
    for kind in ("_parameters", "_buffers"):
        for name, tensor in module.__dict__[kind].items():
            if tensor is not None:
                out[prefix + name] = tensor.float() if tensor.is_floating_point() else tensor
    for name, child in module.__dict__["_modules"].items():
        _collect(child, f"{prefix}{name}.", out)


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """State dict (floating-point tensors as float32) of the averaged model in a checkpoint, else of its model."""
    with zipfile.ZipFile(path) as archive:
        entry = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        checkpoint = CheckpointUnpickler(archive, entry).load()
    state: dict[str, Tensor] = {}
    _collect(checkpoint.get("ema") or checkpoint["model"], "", state)
    return state
