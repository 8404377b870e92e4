#!/usr/bin/env python3
"""A PyTorch twin of EchoDuet's joint model, to compare its training step with in value and in speed.

The network is YOLOv5 release 6 in sizes n, s, m, l and x, written from the architecture's description, with
the state-dict names of the published checkpoints (`model.0.conv.weight` ... `model.24.m.2.bias`), plus a view
classifier on the P3 features (`classifier.conv.conv.weight`, `classifier.conv.bn.*`, `classifier.linear.*`).

As a program it speaks one JSON line per command, so that a benchmark can interleave its rounds with others:

    python3 bench/torch_twin.py --model n --size 320 --batch 8 --classes 4 --views 3 --threads 2 [--channels-last]

    <- {"ready": true, "torch": ..., "parameters": ..., "assignmentSeconds": ..., "timed": ..., ...}
    -> step 5
    <- {"seconds": [five numbers], "peakRssBytes": ..., "loss": the last step's loss}
    -> quit

A step is zeroing the gradients, forward, both losses, backward and SGD with Nesterov momentum, in eager float32
on one fixed random batch. Loading data, anchor assignment (timed once, `assignmentSeconds`) and weight averaging
are not in it. With `--predict` a step is the forward pass of the model in evaluation, batch normalisation folded
into the convolutions; decoding the boxes is not in it. Needs PyTorch 1.13 or later and nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import time
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

DEPTH_WIDTH = {"n": (0.33, 0.25), "s": (0.33, 0.50), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
STRIDES = (8, 16, 32)
ANCHORS_PX = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
BALANCE = (4.0, 1.0, 0.4)
MATCH_RATIO = 4.0
CLASSIFIER_CHANNELS = 128


class Conv(nn.Module):
    """SiLU(BatchNorm(conv(x))), the convolution without bias and padded by k // 2 unless told otherwise."""

    def __init__(self, cin: int, cout: int, kernel: int = 1, stride: int = 1, padding: int | None = None):
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(cin, cout, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """1x1 then 3x3 convolution at constant width, with or without the identity added."""

    def __init__(self, channels: int, shortcut: bool):
        super().__init__()
        self.cv1 = Conv(channels, channels, 1)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    """Cross-stage partial block: cv3(concat(bottlenecks(cv1(x)), cv2(x)))."""

    def __init__(self, cin: int, cout: int, repeats: int, shortcut: bool):
        super().__init__()
        hidden = cout // 2
        self.cv1 = Conv(cin, hidden)
        self.cv2 = Conv(cin, hidden)
        self.cv3 = Conv(2 * hidden, cout)
        self.m = nn.Sequential(*(Bottleneck(hidden, shortcut) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    """Spatial pyramid pooling by three chained 5x5 max-pools whose stages are concatenated."""

    def __init__(self, channels: int):
        super().__init__()
        self.cv1 = Conv(channels, channels // 2)
        self.cv2 = Conv(2 * channels, channels)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        stages = [self.cv1(x)]
        for _ in range(3):
            stages.append(self.pool(stages[-1]))
        return self.cv2(torch.cat(stages, 1))


class Detect(nn.Module):
    """One biased 1x1 convolution per level: logits [B, 3, 5 + classes, H, W] (x, y, w, h, objectness, classes)."""

    def __init__(self, channels: list[int], classes: int):
        super().__init__()
        self.outputs = 5 + classes
        self.m = nn.ModuleList(nn.Conv2d(c, 3 * self.outputs, 1) for c in channels)
        strides = torch.tensor(STRIDES, dtype=torch.float32).view(3, 1, 1)
        self.register_buffer("anchors", torch.tensor(ANCHORS_PX, dtype=torch.float32) / strides)
        for conv, stride in zip(self.m, STRIDES):  # focal-loss style prior: about 8 objects in a 640 px image
            bias = conv.bias.data.view(3, -1)
            bias[:, 4] += math.log(8 / (640 / stride) ** 2)
            bias[:, 5:] += math.log(0.6 / (classes - 0.99999))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        heads = (conv(x) for conv, x in zip(self.m, features))
        return [y.view(y.shape[0], 3, self.outputs, *y.shape[2:]) for y in heads]


class ViewClassifier(nn.Module):
    """3x3 Conv to 128 channels, global average pool, dropout, linear: view logits [B, views]."""

    def __init__(self, channels: int, views: int, dropout: float):
        super().__init__()
        self.conv = Conv(channels, CLASSIFIER_CHANNELS, 3)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(CLASSIFIER_CHANNELS, views)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.dropout(self.conv(x).mean((2, 3))))


class JointYolov5(nn.Module):
    """YOLOv5 release 6 (CSP backbone, PAN neck, three heads); views > 0 adds the view classifier on P3."""

    def __init__(self, size: str, classes: int, views: int = 0, dropout: float = 0.2):
        super().__init__()
        depth, width = DEPTH_WIDTH[size]
        c1, c2, c3, c4, c5 = (math.ceil(c * width / 8) * 8 for c in (64, 128, 256, 512, 1024))
        n3, n6, n9 = (max(round(n * depth), 1) for n in (3, 6, 9))
        concat = nn.Identity  # holds the place of a concatenation, so that indices are the published ones
        upsample = partial(nn.Upsample, scale_factor=2, mode="nearest")
        layers = [
            Conv(3, c1, 6, 2, 2), Conv(c1, c2, 3, 2), C3(c2, c2, n3, True),
            Conv(c2, c3, 3, 2), C3(c3, c3, n6, True),
            Conv(c3, c4, 3, 2), C3(c4, c4, n9, True),
            Conv(c4, c5, 3, 2), C3(c5, c5, n3, True), SPPF(c5),
            Conv(c5, c4), upsample(), concat(), C3(2 * c4, c4, n3, False),
            Conv(c4, c3), upsample(), concat(), C3(2 * c3, c3, n3, False),
            Conv(c3, c3, 3, 2), concat(), C3(2 * c3, c4, n3, False),
            Conv(c4, c4, 3, 2), concat(), C3(2 * c4, c5, n3, False),
            Detect([c3, c4, c5], classes),
        ]  # fmt: skip
        self.model = nn.ModuleList(layers)
        self.classifier = ViewClassifier(c3, views, dropout) if views > 0 else None

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """Head logits of P3, P4, P5 and view logits (None without classifier) of x [B, 3, H, W] in [0, 1]."""
        m = self.model
        for layer in m[:4]:
            x = layer(x)
        b3 = m[4](x)
        b4 = m[6](m[5](b3))
        n5 = m[10](m[9](m[8](m[7](b4))))
        n4 = m[14](m[13](torch.cat((m[11](n5), b4), 1)))
        p3 = m[17](torch.cat((m[15](n4), b3), 1))
        p4 = m[20](torch.cat((m[18](p3), n4), 1))
        p5 = m[23](torch.cat((m[21](p4), n5), 1))
        return m[24]([p3, p4, p5]), None if self.classifier is None else self.classifier(p3)


@dataclass
class LevelMatches:
    """Matches of one level: cell indices image, anchor, row, column [n], boxes relative to their cell [n, 4]
    (cx, cy, w, h in cells), anchor sizes [n, 2] in cells, classes [n], and for each matched cell the flat index
    `cells` [k] and the last match that fell on it, `winners` [k]."""

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    boxes: Tensor
    anchor_sizes: Tensor
    classes: Tensor
    cells: Tensor
    winners: Tensor


def match_level(targets: Tensor, anchors: Tensor, rows: int, columns: int) -> LevelMatches:
    """Match targets [n, 6] (image, class, cx, cy, w, h normalised) with the anchors [3, 2] (in cells) of a grid.

    A target takes each anchor whose sides differ by less than a factor of four, in its own cell and in the
    neighbours across the nearer vertical and horizontal cell border. Order: own cell, left, up, right, down;
    then anchor; then target.
    """
    grid = torch.tensor([columns, rows], dtype=targets.dtype)
    centre, extent = targets[:, 2:4] * grid, targets[:, 4:6] * grid
    ratio = extent[None] / anchors[:, None]
    fits = torch.maximum(ratio, 1 / ratio).amax(2) < MATCH_RATIO
    anchor, target = fits.nonzero(as_tuple=True)
    c = centre[target]
    near_low = (c % 1 < 0.5) & (c > 1)
    near_high = ((grid - c) % 1 < 0.5) & (grid - c > 1)
    chosen = (torch.ones_like(near_low[:, 0]), near_low[:, 0], near_low[:, 1], near_high[:, 0], near_high[:, 1])
    steps = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (-0.5, 0.0), (0.0, -0.5))
    picks = [k.nonzero()[:, 0] for k in chosen]
    cell = torch.cat([(c[p] - c.new_tensor(s)).long() for p, s in zip(picks, steps)])
    pick = torch.cat(picks)
    anchor, target = anchor[pick], target[pick]
    image = targets[target, 0].long()
    boxes = torch.cat((centre[target] - cell, extent[target]), 1)
    column, row = cell[:, 0].clamp(0, columns - 1), cell[:, 1].clamp(0, rows - 1)
    flat = ((image * len(anchors) + anchor) * rows + row) * columns + column
    last = {int(cell): index for index, cell in enumerate(flat)}
    cells, winners = torch.tensor(list(last), dtype=torch.long), torch.tensor(list(last.values()), dtype=torch.long)
    return LevelMatches(
        image, anchor, row, column, boxes, anchors[anchor], targets[target, 1].long(), cells, winners
    )


def assign(targets: Tensor, model: JointYolov5, height: int, width: int) -> list[LevelMatches]:
    """The matches of all three levels for images of height x width pixels."""
    anchors = model.model[24].anchors
    return [match_level(targets, anchors[i], height // s, width // s) for i, s in enumerate(STRIDES)]


def ciou(a: Tensor, b: Tensor, eps: float = 1e-7) -> Tensor:
    """Complete IoU [n] of boxes [n, 4] (cx, cy, w, h) (Zheng et al. 2020), its trade-off alpha held constant."""
    half_a, half_b = a[:, 2:] / 2, b[:, 2:] / 2
    low_a, high_a, low_b, high_b = a[:, :2] - half_a, a[:, :2] + half_a, b[:, :2] - half_b, b[:, :2] + half_b
    overlap = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0).prod(1)
    iou = overlap / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - overlap + eps)
    hull = torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)
    distance = (a[:, :2] - b[:, :2]).square().sum(1) / (hull.square().sum(1) + eps)
    angle = torch.atan(b[:, 2] / (b[:, 3] + eps)) - torch.atan(a[:, 2] / (a[:, 3] + eps))
    v = (4 / math.pi**2) * angle.square()
    alpha = (v / (v - iou + (1 + eps))).detach()
    return iou - distance - alpha * v


@dataclass
class Gains:
    """Gains of the three detection items."""

    box: float
    objectness: float
    classes: float

    @staticmethod
    def scaled(image_size: int, classes: int) -> "Gains":
        """Box .05, objectness 1 x (size / 640) squared, class .5 x classes / 80."""
        return Gains(0.05, (image_size / 640) ** 2, 0.5 * classes / 80)


def detection_items(heads: list[Tensor], matches: list[LevelMatches], gains: Gains) -> Tensor:
    """Box, objectness and class items [3] after gains; YOLOv5's loss is their sum (times the batch there)."""
    box = objectness = classes = heads[0].new_zeros(())
    for logits, m, balance in zip(heads, matches, BALANCE):
        batch, _, outputs, rows, columns = logits.shape
        target = logits.new_zeros(batch * 3 * rows * columns)
        if len(m.image):
            p = logits[m.image, m.anchor, :, m.row, m.column]
            s = p[:, :4].sigmoid() * 2
            predicted = torch.cat((s[:, :2] - 0.5, s[:, 2:].square() * m.anchor_sizes), 1)
            overlap = ciou(predicted, m.boxes)
            box = box + (1 - overlap).mean()
            target[m.cells] = overlap.detach().clamp(min=0)[m.winners]
            if outputs > 6:  # with one class, objectness already says it all
                one_hot = F.one_hot(m.classes, outputs - 5).to(p.dtype)
                classes = classes + F.binary_cross_entropy_with_logits(p[:, 5:], one_hot)
        cells = target.view(batch, 3, rows, columns)
        objectness = objectness + balance * F.binary_cross_entropy_with_logits(logits[:, :, 4], cells)
    return torch.stack((box * gains.box, objectness * gains.objectness, classes * gains.classes))


def view_loss(logits: Tensor, views: Tensor) -> Tensor:
    """Mean cross-entropy over the images that have a view (-1: none); zero where no image has one."""
    if not bool((views >= 0).any()):
        return logits.sum() * 0
    return F.cross_entropy(logits, views, ignore_index=-1)


def sgd(model: nn.Module, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """Nesterov SGD with weight decay on the weights of convolutions and linear layers only."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=True)


def random_batch(args: argparse.Namespace) -> tuple[Tensor, Tensor, Tensor]:
    """Images [B, 3, S, S] in [0, 1], two boxes an image [2 B, 6] and a view an image [B], from the seed."""
    torch.manual_seed(args.seed + 1)
    x = torch.rand(args.batch, 3, args.size, args.size)
    image = torch.arange(args.batch).repeat_interleave(2)[:, None].float()
    label = torch.randint(args.classes, (len(image), 1)).float()
    boxes = torch.cat((0.2 + 0.6 * torch.rand(len(image), 2), 0.05 + 0.35 * torch.rand(len(image), 2)), 1)
    return x, torch.cat((image, label, boxes), 1), torch.randint(max(args.views, 1), (args.batch,))


def fold(model: nn.Module) -> None:
    """Fold every batch normalisation into the convolution before it, in place."""
    for module in model.modules():
        if isinstance(module, Conv):
            module.conv, module.bn = fuse_conv_bn_eval(module.conv, module.bn), nn.Identity()


class Bench:
    """The model, its optimiser and one batch, ready to be stepped."""

    def __init__(self, args: argparse.Namespace):
        torch.set_num_threads(args.threads)
        torch.manual_seed(args.seed)
        self.model = JointYolov5(args.model, args.classes, args.views).train()
        self.x, targets, self.views = random_batch(args)
        if args.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        started = time.perf_counter()
        self.matches = assign(targets, self.model, args.size, args.size)
        self.assignment_seconds = time.perf_counter() - started
        self.gains = Gains.scaled(args.size, args.classes)
        self.optimiser = sgd(self.model, lr=0.001, momentum=0.937, weight_decay=5e-4)
        if args.predict:
            fold(self.model.eval())
            self.step = self.predict

    def predict(self) -> Tensor:
        """One forward pass; there is no loss."""
        with torch.inference_mode():
            self.model(self.x)
        return torch.tensor(math.nan)

    def step(self) -> Tensor:
        """One training step; the loss as a tensor without history."""
        self.optimiser.zero_grad(set_to_none=True)
        heads, view_logits = self.model(self.x)
        loss = detection_items(heads, self.matches, self.gains).sum()
        if view_logits is not None:
            loss = loss + view_loss(view_logits, self.views)
        loss.backward()
        self.optimiser.step()
        return loss.detach()


def run_steps(bench: Bench, count: int) -> dict[str, object]:
    """Seconds of each of count steps, the process's peak resident set so far and the last loss."""
    seconds, loss = [], math.nan
    for _ in range(count):
        started = time.perf_counter()
        loss = float(bench.step())
        seconds.append(time.perf_counter() - started)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"seconds": seconds, "peakRssBytes": peak, "loss": loss if math.isfinite(loss) else None}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(DEPTH_WIDTH), default="n")
    parser.add_argument("--size", type=int, default=320, help="image side in pixels, a multiple of 32")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--views", type=int, default=3, help="0 leaves the classifier out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--predict", action="store_true", help="forward passes in evaluation, not training steps")
    args = parser.parse_args()
    if args.size % 32 != 0:
        parser.error(f"--size expects a multiple of 32, got {args.size}")
    return args


def main() -> None:
    args = parse_arguments()
    bench = Bench(args)
    ready = {
        "ready": True,
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in bench.model.parameters()),
        "threads": torch.get_num_threads(),
        "channelsLast": args.channels_last,
        "timed": "forward alone"
        if args.predict
        else "zero_grad, forward, losses, backward, SGD; without loading, assignment and EMA",
        "assignmentSeconds": bench.assignment_seconds,
        "matches": [len(m.image) for m in bench.matches],
    }
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        if len(words) == 2 and words[0] == "step" and words[1].isdigit():
            print(json.dumps(run_steps(bench, int(words[1]))), flush=True)
        elif words:
            print(json.dumps({"error": f"expected 'step COUNT' or 'quit', got {line.strip()!r}"}), flush=True)


if __name__ == "__main__":
    main()
