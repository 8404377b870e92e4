#!/usr/bin/env python3
"""Runs joint training steps with the PyTorch twin on a state and a batch from a file, to cross-check a program.

    python3 tools/reference/joint_step.py IN.safetensors OUT.safetensors
    python3 tools/reference/joint_step.py --example IN.safetensors

IN holds the whole state under its state-dict names (`model.*`, `classifier.*`; `num_batches_tracked` and
`model.24.anchors` may be absent) and one batch, used in every step:

    batch.x        float32 [B, 3, H, W] in [0, 1], RGB
    batch.targets  float32 [n, 6]: image, class, cx, cy, w, h normalised
    batch.views    int32 or int64 [B], -1 where an image has no view

Its metadata, each value a JSON text: `model` ("n" to "x"), `classes`, `views`, `learningRates` (one [weights,
others] pair per step: weights of convolutions and linear layers decay, the others do not), and optionally
`momentum` (.937), `weightDecay` (.0005), `taskWeights` ([1, 1]: detection, classification), `gains` ([box,
objectness, classes]; default .05, (H / 640)^2, .5 classes / 80) and `precision` ("float32" or "float64").

OUT holds, with S steps, in the chosen precision:

    loss [S]                  weighted total before each step's update
    items [S, 3]              box, objectness, class items of the detection loss, after gains
    classification [S]        mean cross-entropy
    taskGradnorm [S, 2]       norms of each unweighted task's gradient at model.17.cv3.conv.weight
    gradnorm/NAME [S]         norm of the total gradient of each parameter
    state/NAME                parameters and running statistics after the last step
    momentum/NAME             momentum buffers after the last step

Dropout is off. `--example` writes an IN of a small random model, with some unlabelled views and two boxes on
one cell.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from safetensors_io import read_safetensors, write_safetensors  # noqa: E402
from torch_twin import Gains, JointYolov5, LevelMatches, assign, detection_items, sgd, view_loss  # noqa: E402

DEFAULTS = {"momentum": 0.937, "weightDecay": 5e-4, "taskWeights": [1, 1], "precision": "float32"}
SHARED = "model.17.cv3.conv.weight"


def load_model(state: dict[str, Tensor], settings: dict) -> JointYolov5:
    """The twin with the given state, in training mode without dropout; ValueError names what does not fit."""
    model = JointYolov5(settings["model"], settings["classes"], settings["views"], dropout=0)
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [n for n in missing if not n.endswith("num_batches_tracked") and n != "model.24.anchors"]
    if missing or unexpected:
        raise ValueError(f"state: missing {missing[:5]}, unexpected {unexpected[:5]}")
    return model.train()


def in_precision(matches: list[LevelMatches], dtype: torch.dtype) -> list[LevelMatches]:
    """Matches decided in float32, as programs do, with their boxes in the precision of the run."""
    for m in matches:
        m.boxes, m.anchor_sizes = m.boxes.to(dtype), m.anchor_sizes.to(dtype)
    return matches


def run(tensors: dict[str, Tensor], settings: dict) -> dict[str, Tensor]:
    """All outputs of the training steps."""
    dtype = {"float32": torch.float32, "float64": torch.float64}[settings["precision"]]
    batch = {n[len("batch.") :]: tensors.pop(n) for n in [n for n in tensors if n.startswith("batch.")]}
    model = load_model(tensors, settings)
    height, width = batch["x"].shape[2:]
    matches = in_precision(assign(batch["targets"].float(), model, height, width), dtype)
    model, x, views = model.to(dtype), batch["x"].to(dtype), batch["views"].long()
    given = settings.get("gains")
    gains = Gains(*given) if given else Gains.scaled(height, settings["classes"])
    optimiser = sgd(model, 0.01, settings["momentum"], settings["weightDecay"])
    shared = dict(model.named_parameters())[SHARED]
    record: dict[str, list[Tensor]] = {}

    for rates in settings["learningRates"]:
        for group, rate in zip(optimiser.param_groups, rates):
            group["lr"] = rate
        optimiser.zero_grad()
        heads, logits = model(x)
        items, classification = detection_items(heads, matches, gains), view_loss(logits, views)
        tasks = (items.sum(), classification)
        norms = [torch.autograd.grad(task, shared, retain_graph=True)[0].norm() for task in tasks]
        loss = sum(weight * task for weight, task in zip(settings["taskWeights"], tasks))
        loss.backward()
        step = {"loss": loss, "items": items, "classification": classification, "taskGradnorm": torch.stack(norms)}
        step |= {f"gradnorm/{name}": p.grad.norm() for name, p in model.named_parameters()}
        for name, value in step.items():
            record.setdefault(name, []).append(value.detach())
        optimiser.step()

    out = {name: torch.stack(values) for name, values in record.items()}
    out |= {f"state/{name}": value for name, value in model.state_dict().items()}
    buffers = {name: optimiser.state[p]["momentum_buffer"] for name, p in model.named_parameters()}
    return out | {f"momentum/{name}": value for name, value in buffers.items()}


def example() -> tuple[dict[str, Tensor], dict[str, str]]:
    """A random joint-yolov5n with perturbed running statistics, and a batch of three 64 x 96 images."""
    torch.manual_seed(0)
    state = {name: value.clone() for name, value in JointYolov5("n", classes=4, views=3).state_dict().items()}
    for name, value in state.items():
        if name.endswith("running_mean"):
            value.normal_(std=0.1)
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    boxes = [
        [0, 1, 0.40, 0.50, 0.30, 0.40],
        [0, 2, 0.41, 0.52, 0.25, 0.45],
        [0, 0, 0.75, 0.20, 0.10, 0.12],
        [2, 3, 0.30, 0.60, 0.50, 0.60],
    ]
    batch = {
        "batch.x": torch.rand(3, 3, 64, 96),
        "batch.targets": torch.tensor(boxes),
        "batch.views": torch.tensor([2, -1, 0]),
    }
    settings = {"model": "n", "classes": 4, "views": 3, "taskWeights": [1, 0.5]}
    settings["learningRates"] = [[0.01, 0.05], [0.011, 0.04], [0.012, 0.03]]
    return state | batch, {name: json.dumps(value) for name, value in settings.items()}


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if sys.argv[1] == "--example":
        write_safetensors(sys.argv[2], *example())
        return
    tensors, metadata = read_safetensors(sys.argv[1])
    settings = DEFAULTS | {name: json.loads(value) for name, value in metadata.items()}
    out = run(tensors, settings)
    origin = {"torch": torch.__version__, **{name: json.dumps(value) for name, value in settings.items()}}
    write_safetensors(sys.argv[2], out, origin)
    for step, loss in enumerate(out["loss"].tolist()):
        items, views = out["items"][step].tolist(), out["classification"][step].item()
        print(json.dumps({"step": step, "loss": loss, "items": items, "classification": views}))


if __name__ == "__main__":
    main()
