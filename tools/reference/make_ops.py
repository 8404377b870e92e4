#!/usr/bin/env python3
"""Writes test/fixtures/ops.json: elementwise functions, cross-entropy, pooling, upsampling and CIoU, with gradients."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from fixture import pack, pack_all, rounded, write_fixture
from torch import Tensor

CIOU_EPS = 1e-7


def elementwise(g: torch.Generator) -> dict[str, object]:
    """SiLU and softplus with derivatives, far tails included."""
    tails = torch.tensor([-700, -100, -40, -20, -1e-9, 0, 1e-9, 20, 40, 100, 700], dtype=torch.float64)
    x = torch.cat((tails, rounded(g, 21, scale=3))).requires_grad_()
    silu, softplus = F.silu(x), -F.logsigmoid(-x)  # F.softplus itself is linear past a threshold
    out: dict[str, object] = {"x": pack(x)}
    for name, y in (("silu", silu), ("softplus", softplus)):
        out[name] = {"y": pack(y), "derivative": pack(torch.autograd.grad(y.sum(), x)[0])}
    return out


def cross_entropy(g: torch.Generator) -> dict[str, object]:
    """log_softmax and the mean cross-entropy with every combination of its options; label -1 is masked."""
    logits = rounded(g, 6, 3, scale=2).requires_grad_()
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    masked = torch.tensor([0, -1, 1, -1, 0, 2])
    weights = torch.tensor([0.5, 1.0, 2.5], dtype=torch.float64)
    cases = []
    for target in (labels, masked):
        for smoothing in (0.0, 0.1):
            for w in (None, weights):
                loss = F.cross_entropy(logits, target, weight=w, ignore_index=-1, label_smoothing=smoothing)
                gradient = torch.autograd.grad(loss, logits)[0]
                case = {"labels": target.tolist(), "labelSmoothing": smoothing}
                case["classWeights"] = None if w is None else w.tolist()
                cases.append({**case, "loss": loss.item(), "gradient": pack(gradient)})
    about = (
        "loss = sum_i [(1 - s) w[y_i] nll_i + (s / C) sum_c w[c] (-logp_i[c])] / sum_i w[y_i] over images with "
        "label >= 0, as F.cross_entropy defines it"
    )
    return {"about": about, "logits": pack(logits), "logSoftmax": pack(F.log_softmax(logits, 1)), "cases": cases}


def pooling(g: torch.Generator) -> dict[str, object]:
    """5x5 max-pool of stride 1 padded by 2: all values distinct, so the gradient is unique."""
    x = (torch.randperm(2 * 7 * 6, generator=g).double().view(1, 2, 7, 6) / 8 - 5).requires_grad_()
    y = F.max_pool2d(x, 5, stride=1, padding=2)
    cotangent = rounded(g, *y.shape)
    dx = torch.autograd.grad((y * cotangent).sum(), x)[0]
    return {"kernel": 5, "stride": 1, "padding": 2, **pack_all({"x": x, "cotangent": cotangent, "y": y, "dx": dx})}


def upsampling(g: torch.Generator) -> dict[str, object]:
    """Nearest upsampling by two."""
    x = rounded(g, 2, 2, 3, 4).requires_grad_()
    y = F.interpolate(x, scale_factor=2, mode="nearest")
    cotangent = rounded(g, *y.shape)
    dx = torch.autograd.grad((y * cotangent).sum(), x)[0]
    return {"scale": 2, **pack_all({"x": x, "cotangent": cotangent, "y": y, "dx": dx})}


def ciou_of_pair(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and CIoU of two boxes [4] (cx, cy, w, h), one coordinate at a time."""
    overlap, hull, distance = torch.ones((), dtype=p.dtype), 0.0, 0.0
    for axis in (0, 1):
        low_p, high_p = p[axis] - p[axis + 2] / 2, p[axis] + p[axis + 2] / 2
        low_t, high_t = t[axis] - t[axis + 2] / 2, t[axis] + t[axis + 2] / 2
        overlap = overlap * torch.relu(torch.min(high_p, high_t) - torch.max(low_p, low_t))
        hull = hull + (torch.max(high_p, high_t) - torch.min(low_p, low_t)) ** 2
        distance = distance + (p[axis] - t[axis]) ** 2
    iou = overlap / (p[2] * p[3] + t[2] * t[3] - overlap + CIOU_EPS)
    v = 4 / math.pi**2 * (torch.atan(t[2] / (t[3] + CIOU_EPS)) - torch.atan(p[2] / (p[3] + CIOU_EPS))) ** 2
    alpha = (v / (1 + CIOU_EPS - iou + v)).item()
    return iou, iou - distance / (hull + CIOU_EPS) - alpha * v


def ciou(g: torch.Generator) -> dict[str, object]:
    """Twenty pairs in grid cells: 16 near each other, two apart, one inside and one around its target."""
    centre = rounded(g, 16, 2)
    predicted = torch.cat((centre, 0.3 + rounded(g, 16, 2).abs()), 1)
    target = torch.cat((centre + rounded(g, 16, 2, scale=0.3), 0.3 + rounded(g, 16, 2).abs()), 1)
    special = [
        ([0, 0, 1, 2], [5, 0.25, 2, 1]),
        ([-3, 4, 0.5, 0.75], [3, -4, 0.25, 4]),
        ([0.1, 0.2, 0.5, 0.7], [0, 0, 3, 2]),
        ([0.1, 0.2, 5, 7], [0, 0, 3, 2]),
    ]
    predicted = torch.cat((predicted, torch.tensor([p for p, _ in special], dtype=torch.float64)))
    target = torch.cat((target, torch.tensor([t for _, t in special], dtype=torch.float64)))
    predicted, target = predicted.round(decimals=3).requires_grad_(), target.round(decimals=3)
    pairs = [ciou_of_pair(p, t) for p, t in zip(predicted, target)]
    values = torch.stack([value for _, value in pairs])
    gradient = torch.autograd.grad(values.sum(), predicted)[0]
    about = (
        "iou = I / (U + eps); ciou = iou - rho2 / (c2 + eps) - alpha v; v = 4 / pi^2 (atan(wt / (ht + eps)) - "
        "atan(wp / (hp + eps)))^2; alpha = v / (v - iou + 1 + eps), held constant in the gradient"
    )
    tensors = {
        "predictedCxcywh": predicted,
        "targetCxcywh": target,
        "iou": torch.stack([iou for iou, _ in pairs]),
        "ciou": values,
        "gradientOfPredicted": gradient,
    }
    return {"about": about, "eps": CIOU_EPS, **pack_all(tensors)}


def main() -> None:
    g = torch.Generator().manual_seed(4)
    content = {
        "elementwise": elementwise(g),
        "crossEntropy": cross_entropy(g),
        "maxPool": pooling(g),
        "upsample": upsampling(g),
        "ciou": ciou(g),
    }
    about = "values and autograd gradients; dx are gradients of sum(y * cotangent)"
    write_fixture("ops.json", Path(__file__).name, about, content)


if __name__ == "__main__":
    main()
