#!/usr/bin/env python3
"""Writes test/fixtures/optimisers.json: three steps of SGD, of AdamW and of the parameter average."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from fixture import pack_all, rounded, write_fixture
from torch import Tensor

LEARNING_RATES = [(0.01, 0.1), (0.012, 0.07), (0.009, 0.02)]  # per step: weight (decayed), bias (not decayed)
EMA_DECAY, EMA_TAU = 0.9999, 2000
State = dict[str, Tensor]


def run(kind: str, parameters: State, gradients: list[State], decay: float) -> dict[str, object]:
    """Parameters and optimiser state after each step."""
    p = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    groups = [
        {"params": [p["weight"]], "weight_decay": decay, "lr": LEARNING_RATES[0][0]},
        {"params": [p["bias"]], "weight_decay": 0.0, "lr": LEARNING_RATES[0][1]},
    ]
    if kind == "sgd":
        optimiser = torch.optim.SGD(groups, lr=0.01, momentum=0.937, nesterov=True)
        names = {"momentum": "momentum_buffer"}
    else:
        optimiser = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.999), eps=1e-8)
        names = {"firstMoment": "exp_avg", "secondMoment": "exp_avg_sq"}
    after = []
    for rates, gradient in zip(LEARNING_RATES, gradients):
        for group, rate in zip(optimiser.param_groups, rates):
            group["lr"] = rate
        for name, value in gradient.items():
            p[name].grad = value.clone()
        optimiser.step()
        entry = {"parameters": {n: v.detach().clone() for n, v in p.items()}}
        for ours, theirs in names.items():
            entry[ours] = {n: optimiser.state[v][theirs].clone() for n, v in p.items()}
        after.append(entry)
    return after


def average(start: State, values: list[State], first_update: int) -> list[dict[str, object]]:
    """Exponential average of the values: d = decay (1 - exp(-t / tau)), e = d e + (1 - d) value."""
    e, out = start, []
    for t, value in enumerate(values, first_update):
        d = EMA_DECAY * (1 - math.exp(-t / EMA_TAU))
        e = {name: d * e[name] + (1 - d) * value[name] for name in e}
        out.append({"t": t, "d": d, "average": pack_all(e)})
    return out


def main() -> None:
    g = torch.Generator().manual_seed(1)
    parameters = {"weight": rounded(g, 3, 2), "bias": rounded(g, 3)}
    gradients = [{name: rounded(g, *v.shape) for name, v in parameters.items()} for _ in LEARNING_RATES]
    sgd, adamw = run("sgd", parameters, gradients, 0.05), run("adamw", parameters, gradients, 0.01)
    walked = [entry["parameters"] for entry in sgd]
    write_fixture(
        "optimisers.json",
        Path(__file__).name,
        "torch.optim.SGD and AdamW over given gradients; ema averages the parameters of the sgd run, from the "
        "initial parameters: `fresh` counts updates from t = 1, `late` from t = 2001",
        {
            "learningRates": [{"weight": w, "bias": b} for w, b in LEARNING_RATES],
            "parameters": pack_all(parameters),
            "gradients": [pack_all(gradient) for gradient in gradients],
            "sgd": {
                "momentum": 0.937,
                "nesterov": True,
                "weightDecay": {"weight": 0.05, "bias": 0},
                "steps": [{key: pack_all(value) for key, value in entry.items()} for entry in sgd],
            },
            "adamw": {
                "betas": [0.9, 0.999],
                "eps": 1e-8,
                "weightDecay": {"weight": 0.01, "bias": 0},
                "steps": [{key: pack_all(value) for key, value in entry.items()} for entry in adamw],
            },
            "ema": {
                "decay": EMA_DECAY,
                "tau": EMA_TAU,
                "fresh": average(parameters, walked, 1),
                "late": average(parameters, walked, 2001),
            },
        },
    )


if __name__ == "__main__":
    main()
