#!/usr/bin/env python3
"""Writes test/fixtures/batch-norm.json: train-mode batch normalisation, its running statistics and gradients."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from fixture import pack_all, rounded, write_fixture

MOMENTUM, EPS = 0.03, 1e-3


def main() -> None:
    g = torch.Generator().manual_seed(2)
    spread = torch.tensor([0.2, 1.0, 2.0, 3.0], dtype=torch.float64).view(1, 4, 1, 1)
    shift = torch.tensor([-1.0, 0.0, 2.0, 5.0], dtype=torch.float64).view(1, 4, 1, 1)
    x = ((rounded(g, 3, 4, 5, 6) * spread + shift) * 1000).round() / 1000
    weight, bias = 1 + rounded(g, 4, scale=0.5), rounded(g, 4)
    before = {"runningMean": rounded(g, 4), "runningVar": rounded(g, 4).abs() + 0.5}
    cotangent = rounded(g, 3, 4, 5, 6)
    inputs = {"x": x, "weight": weight, "bias": bias}
    leaves = [value.clone().requires_grad_() for value in inputs.values()]
    mean, var = before["runningMean"].clone(), before["runningVar"].clone()
    y = F.batch_norm(leaves[0], mean, var, leaves[1], leaves[2], training=True, momentum=MOMENTUM, eps=EPS)
    gradients = torch.autograd.grad((y * cotangent).sum(), leaves)
    write_fixture(
        "batch-norm.json",
        Path(__file__).name,
        "F.batch_norm in training mode over axes 0, 2, 3; runningVar takes the unbiased variance; gradients are of "
        "sum(y * cotangent)",
        {
            "momentum": MOMENTUM,
            "eps": EPS,
            "inputs": pack_all({**inputs, **before, "cotangent": cotangent}),
            "outputs": pack_all({"y": y, "runningMean": mean, "runningVar": var}),
            "gradients": pack_all(dict(zip(inputs, gradients))),
        },
    )


if __name__ == "__main__":
    main()
