#!/usr/bin/env python3
"""Writes test/fixtures/conv.json: small two-dimensional convolutions with both gradients."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from fixture import pack_all, rounded, write_fixture

# name, x [B, C, H, W], filters, kernel [rows, columns], stride, padding (the same on all four sides)
CASES = [
    ("1x1", (2, 3, 4, 5), 2, (1, 1), 1, 0),
    ("3x3 same", (2, 2, 5, 6), 3, (3, 3), 1, 1),
    ("3x3 without padding", (1, 2, 6, 4), 2, (3, 3), 1, 0),
    ("3x3 stride 2, even sides", (2, 2, 6, 8), 3, (3, 3), 2, 1),
    ("3x3 stride 2, odd sides", (2, 2, 7, 5), 2, (3, 3), 2, 1),
    ("1x1 stride 2", (1, 2, 5, 6), 3, (1, 1), 2, 0),
    ("6x6 stride 2 stem", (1, 3, 8, 10), 2, (6, 6), 2, 2),
    ("3x5 kernel", (1, 2, 6, 7), 2, (3, 5), 1, 1),
]


def main() -> None:
    g = torch.Generator().manual_seed(3)
    cases = []
    for name, shape, filters, kernel, stride, padding in CASES:
        x = rounded(g, *shape).requires_grad_()
        w = rounded(g, filters, shape[1], *kernel).requires_grad_()
        y = F.conv2d(x, w, stride=stride, padding=padding)
        cotangent = rounded(g, *y.shape)
        dx, dw = torch.autograd.grad((y * cotangent).sum(), (x, w))
        tensors = {"x": x, "w": w, "cotangent": cotangent, "y": y, "dx": dx, "dw": dw}
        cases.append({"name": name, "stride": stride, "padding": padding, **pack_all(tensors)})
    about = "F.conv2d, NCHW and OIHW, one group, no bias; dx and dw are gradients of sum(y * cotangent)"
    write_fixture("conv.json", Path(__file__).name, about, {"cases": cases})


if __name__ == "__main__":
    main()
