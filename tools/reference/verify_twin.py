#!/usr/bin/env python3
"""Checks the PyTorch twin (bench/torch_twin.py) against reference values computed with YOLOv5 itself.

    python3 tools/reference/verify_twin.py [FOLDER]

FOLDER (default: shared/reference beside the checkout) holds yolov5n.pt, train_step_yolov5n, forward_a/b and
loss_nc4/nc1. Prints how closely each value is met and exits 1 where one is not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from checkpoint import read_checkpoint  # noqa: E402
from safetensors_io import read_safetensors  # noqa: E402
from torch_twin import STRIDES, Gains, JointYolov5, assign, detection_items, match_level  # noqa: E402

PLAIN_GAINS = Gains(0.05, 1.0, 0.5)
failures: list[str] = []


def check(what: str, error: float, bound: float) -> None:
    """Report an error beside the bound it has to stay under."""
    verdict = "ok" if error <= bound else "FAILED"
    print(f"{verdict:6} {what}: {error:.2e} (bound {bound:.0e})")
    if verdict != "ok":
        failures.append(what)


def relative(actual: Tensor, expected: Tensor) -> float:
    """Norm of the difference over the norm of the expected tensor."""
    if expected.numel() == 0:
        return 0.0 if actual.numel() == 0 else float("inf")
    scale = expected.double().norm().clamp(min=1e-30)
    return float((actual.double() - expected.double()).norm() / scale)


def coco_twin(folder: Path) -> JointYolov5:
    """yolov5n with the COCO weights; raises where a name or a shape differs."""
    model = JointYolov5("n", classes=80)
    state = read_checkpoint(folder / "yolov5n.pt")
    state.pop("model.24.anchor_grid", None)  # the anchors in pixels, which early checkpoints repeat
    model.load_state_dict(state, strict=True)
    return model


def decode(heads: list[Tensor], anchors: Tensor) -> Tensor:
    """Boxes in pixels with their confidences [B, cells, 5 + classes] from head logits."""
    levels = []
    for logits, sizes, stride in zip(heads, anchors, STRIDES):
        s = logits.permute(0, 1, 3, 4, 2).sigmoid()
        rows, columns = s.shape[2:4]
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centre = (s[..., :2] * 2 - 0.5 + torch.stack((x, y), -1)) * stride
        extent = (s[..., 2:4] * 2).square() * sizes.view(1, 3, 1, 1, 2) * stride
        levels.append(torch.cat((centre, extent, s[..., 4:]), -1).flatten(1, 3))
    return torch.cat(levels, 1)


def verify_forward(folder: Path) -> None:
    """Evaluation-mode output of the COCO weights."""
    model = coco_twin(folder).eval()
    for name in ("forward_a", "forward_b"):
        reference, _ = read_safetensors(folder / f"{name}.safetensors")
        x = reference["letterboxed_rgb"]
        x = (x if x.ndim == 4 else x[None]).float() / 255
        if x.shape[-1] == 3:
            x = x.permute(0, 3, 1, 2).contiguous()
        with torch.no_grad():
            heads, _ = model(x)
        check(f"{name} raw_p5", relative(heads[2].permute(0, 1, 3, 4, 2), reference["raw_p5"]), 1e-5)
        check(f"{name} decoded", relative(decode(heads, model.model[24].anchors), reference["decoded"]), 1e-5)


def verify_loss(folder: Path) -> None:
    """Assignment, loss items and head gradients from given logits."""
    for name in ("loss_nc4", "loss_nc1"):
        r, _ = read_safetensors(folder / f"{name}.safetensors")
        heads = [r[f"pred.{i}"].permute(0, 1, 4, 2, 3).clone().requires_grad_() for i in range(3)]
        matches = [match_level(r["targets"], r["anchors_grid_units"][i], *h.shape[3:]) for i, h in enumerate(heads)]
        for i, m in enumerate(matches):
            where = torch.stack((m.image, m.anchor, m.row, m.column), 1)
            same = torch.equal(where, r[f"assign.{i}.b_a_gj_gi"]) and torch.equal(m.classes, r[f"assign.{i}.tcls"])
            repeated = len(where) - len(m.cells)
            check(f"{name} level {i}: {len(where)} matches in order, {repeated} overwritten", 0.0 if same else 1.0, 0)
            check(f"{name} level {i}: boxes", relative(m.boxes, r[f"assign.{i}.tbox"]), 1e-6)
        items = detection_items(heads, matches, PLAIN_GAINS)
        check(f"{name} items", relative(items, r["items_box_obj_cls"]), 1e-6)
        (items.sum() * heads[0].shape[0]).backward()
        for i, h in enumerate(heads):
            check(f"{name} gradient {i}", relative(h.grad.permute(0, 1, 3, 4, 2), r[f"grad.{i}"]), 1e-5)


def verify_training_step(folder: Path) -> None:
    """Loss, every parameter's gradient norm and four whole gradients of one train-mode batch."""
    r, _ = read_safetensors(folder / "train_step_yolov5n.safetensors")
    model, x = coco_twin(folder).train(), r["x"]
    heads, _ = model(x)
    items = detection_items(heads, assign(r["targets"], model, *x.shape[2:]), PLAIN_GAINS)
    (items.sum() * len(x)).backward()
    check("train step items", relative(items, r["items_box_obj_cls"]), 1e-5)
    check("train step loss", relative(items.sum()[None] * len(x), r["loss"]), 1e-5)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    missing = set(gradients) ^ {name[len("gradnorm/") :] for name in r if name.startswith("gradnorm/")}
    check(f"train step: names that differ {sorted(missing)[:3]}", float(len(missing)), 0)
    errors = {n: relative(g.norm().reshape(-1), r[f"gradnorm/{n}"].reshape(-1)) for n, g in gradients.items()}
    worst = max(errors, key=lambda name: errors[name])
    check(f"train step: {len(errors)} gradient norms, worst {worst}", errors[worst], 1e-4)
    for name in (key[len("grad/") :] for key in r if key.startswith("grad/")):
        check(f"train step: whole gradient of {name}", relative(gradients[name], r[f"grad/{name}"]), 1e-4)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "reference"
    if not folder.is_dir():
        sys.exit(f"{folder}: expected a folder with the reference values")
    torch.manual_seed(0)
    print(f"PyTorch {torch.__version__}")
    verify_loss(folder)
    verify_forward(folder)
    verify_training_step(folder)
    if failures:
        sys.exit(f"{len(failures)} checks failed")


if __name__ == "__main__":
    main()
