"""Trains a network on synthetic patches; stops after so many minutes and goes on from its checkpoint when called again.

python -m spineseg.train --sources sources/*.npz --out run --minutes 45 --seed 11
python -m spineseg.train --sources sources/*.npz --out run --minutes 600            (goes on)
"""

import argparse
import json
import math
import os
import pathlib
import time

import torch
from torch.nn import functional as F

from . import classes as c
from .network import UNet, weights_from
from .sampler import Sampler

# A background lighter than the rest makes bone 1-2 mm too fat; the sacrum is the hardest.
CLASS_WEIGHTS = (1.0, 1.0, 1.0, 1.5, 1.0, 1.0)
AVERAGE = 0.995  # of the weights' running mean, which is what is exported


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="+", required=True)
    parser.add_argument("--weights", nargs="+", type=float, help="how often each source is drawn; all alike when not given")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="time to train in this call; the rate falls over it")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--batch", type=int, default=2, help="patches a step; with one alone PyTorch before 2.0 computes slowly on CPUs")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--modality", choices=("ct", "mr"), default="ct")
    parser.add_argument("--init", help="weights to begin with when there is no checkpoint: a checkpoint or an exported model.onnx")
    parser.add_argument("--small-share", type=float, default=0.6, help="share of the time on patches of 48 voxels, which are cheaper")
    parser.add_argument("--save-every", type=float, default=3, help="minutes")
    parser.add_argument("--full-precision", action="store_true", help="no bfloat16, which is used where the processor computes in it")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    Training(args).run()


def losses(logits, classes):
    """Cross entropy plus soft Dice over the classes present, and the Dice of each class (NaN where absent).

    `classes` may be UNKNOWN, which counts for nothing, or NOT + k: any class but k.
    """
    exact, denied = (classes >= 0) & (classes < c.NOT), classes >= c.NOT
    number = torch.where(denied, classes - c.NOT, classes.clamp(min=0))
    weight, hot = torch.tensor(CLASS_WEIGHTS), F.one_hot(number, len(c.CLASSES)).movedim(-1, 1).bool()
    # Of a voxel that is known to be of any class but one, that the probabilities of the others sum up to one.
    log = logits.log_softmax(1)
    of_class = log.gather(1, number[:, None])[:, 0]
    others = log.masked_fill(hot, -math.inf).logsumexp(1)
    each_weight = torch.where(exact, weight[number], denied.float())
    cross = -(torch.where(denied, others, of_class) * each_weight).sum() / each_weight.sum().clamp(min=1)
    # The overlap of a class is judged where it is known whether a voxel is of that class.
    truth = (hot & exact[:, None]).float()
    judged = exact[:, None] | (hot & denied[:, None])
    guess = log.exp() * judged
    axes = (0, 2, 3, 4)
    both, each, size = (guess * truth).sum(axes), (guess + truth).sum(axes), truth.sum(axes)
    present = (size > 30).float()[1:]
    dice = ((2 * both + 20) / (each + 20))[1:]
    loss = cross + 1 - (dice * present).sum() / present.sum().clamp(min=1)
    shown = torch.where(size > 30, 2 * both / each.clamp(min=1), torch.full_like(both, math.nan))
    return loss, shown.detach()[1:]


def has_bfloat16():
    """Whether the processor computes in bfloat16; where it does not, emulating it is slower than single precision."""
    try:
        return any(word in pathlib.Path("/proc/cpuinfo").read_text() for word in ("avx512_bf16", "amx_bf16", "bf16"))
    except OSError:
        return False


class Training:
    def __init__(self, args):
        self.args, self.checkpoint = args, args.out / "checkpoint.pt"
        self.network, self.average = UNet(), UNet()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=args.rate, weight_decay=1e-3)
        self.step, self.minutes, calls, self.from_nothing = 0, 0.0, 0, not args.init
        if self.checkpoint.exists():
            stored = torch.load(self.checkpoint, map_location="cpu")
            self.network.load_state_dict(stored["network"])
            self.average.load_state_dict(stored["average"])
            self.optimiser.load_state_dict(stored["optimiser"])
            self.step, self.minutes, calls = stored["step"], stored["minutes"], stored["calls"]
            self.from_nothing = stored["from_nothing"]
        elif args.init:
            self.network.load_state_dict(weights_from(args.init))
            self.average.load_state_dict(self.network.state_dict())
        self.calls = calls + 1
        self.half = not args.full_precision and has_bfloat16()
        # In single precision the layout makes no difference (measured); bfloat16 was trained with the other one.
        self.layout = torch.channels_last_3d if self.half else torch.contiguous_format
        self.network = self.network.to(memory_format=self.layout)
        # Another seed for every call, or a continued run would see its first patches again.
        self.sampler = Sampler(args.sources, args.seed + 1000 * calls, args.modality, args.weights)
        self.log = args.out / "log.jsonl"
        self.shown = []

    def run(self):
        args = self.args
        start = saved = time.monotonic()
        self.say(event="start", call=self.calls, step=self.step, sources=args.sources, seed=args.seed, init=args.init)
        while (spent := (time.monotonic() - start) / 60) < args.minutes:
            share = spent / args.minutes
            size = 48 if share < args.small_share else c.PATCH
            if self.sampler.size != size:
                self.sampler.resize(size)
            warm = min(1, (self.step + 1) / 60) if self.from_nothing else 1
            for group in self.optimiser.param_groups:
                group["lr"] = args.rate * warm * (0.49 * (1 + math.cos(math.pi * share)) + 0.02)
            self.shown.append(self.one())
            if self.step % 50 == 0:
                self.report(spent)
            if time.monotonic() - saved > 60 * args.save_every:
                self.save(spent)
                saved = time.monotonic()
        self.save((time.monotonic() - start) / 60)
        self.report(spent)

    def one(self):
        image, classes = map(torch.cat, zip(*(self.sampler.draw() for _ in range(self.args.batch)), strict=True))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            logits = self.network(image.contiguous(memory_format=self.layout))
        loss, dice = losses(logits.float(), classes)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        # Weights that were trained before are a mean worth keeping; the first random ones are not.
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step)) if self.from_nothing else AVERAGE
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)
        return torch.cat([loss.detach()[None], dice])

    def report(self, spent):
        recent = torch.stack(self.shown[-50:]) if self.shown else torch.zeros(1, len(c.CLASSES))
        mean = [round(float(v), 4) for v in torch.nanmean(recent, 0)]
        soft_dice = dict(zip(c.CLASSES[1:], mean[1:], strict=True))
        self.say(step=self.step, minutes=round(self.minutes + spent, 2), loss=mean[0], soft_dice=soft_dice)

    def say(self, **values):
        with self.log.open("a") as log:
            log.write(json.dumps(values) + "\n")

    def save(self, spent):
        stored = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "minutes": self.minutes + spent,
            "calls": self.calls,
            "from_nothing": self.from_nothing,
        }
        # Renamed into place, so that a call that is stopped while it writes leaves the last one.
        part = self.checkpoint.with_suffix(".part")
        torch.save(stored, part)
        part.replace(self.checkpoint)


if __name__ == "__main__":
    main()
