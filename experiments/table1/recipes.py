"""How each data set is trained on: the network, what the rows begin with, how long."""
from dataclasses import dataclass
from typing import Optional, Tuple

from paths import NETWORK

PHANTOM_EPOCHS, PHANTOM_START_EPOCHS, STS_EPOCHS = 5, 4, 16
NARROW = "resnet18:stem=16,fpn=32,fc=64,mask=32"
# Every run has the same number of steps and its last weights count, the rate having gone down to zero. Early in training the
# validation loss says the opposite of the sensitivity: it rises while proposals get better, because there is more to classify.
# Few lesions a slice: smaller samples are as good and cost less. One image a pass and four to a step: each image's losses have
# their own normalisers, and no image is looked at twice (docs/architecture.md).
SMALL = ("--batch", "1", "--accumulation", "4", "--proposals", "200", "--rpn-samples", "128", "--roi-samples", "64",
         "--trainable-layers", "5", "--patience", "0", "--validation-split", "0")
RATE = ("--optimiser", "adamw", "--lr", "1e-3", "--lr-schedule", "cosine", "--weight-decay", "0.01", "--warmup", "60",
        "--clip", "5")


@dataclass(frozen=True)
class Recipe:
    """`start` is a file of weights; None: each seed has a beginning of its own, trained for `start_epochs` without masks."""

    epochs: int
    options: Tuple[str, ...]
    start_epochs: int = 0
    start: Optional[str] = None
    architecture: Optional[str] = None


def phantom(epochs: int, start_epochs: int) -> Recipe:
    return Recipe(epochs, SMALL + RATE + ("--flip-x", "0.5", "--scale", "0.9,1.1"), start_epochs,
                  architecture=NARROW)


def sts(epochs: int) -> Recipe:
    """Its rows begin with what the phantoms' begin with: 26 patients are too few for a random start."""
    return Recipe(epochs, SMALL + RATE + ("--flip-x", "0.5", "--flip-y", "0.5", "--scale", "0.75,1.35", "--shift", "16"))


def deeplesion(epochs: int, architecture: str, start: Optional[str], options: Tuple[str, ...]) -> Recipe:
    """The paper's: SGD, 1e-3 times 0.1 every 4 epochs."""
    return Recipe(epochs, options or ("--batch", "2"), 0 if start else 1, start, architecture)


def network_options(recipe: Recipe) -> Tuple[str, ...]:
    if recipe.architecture == NARROW:
        return "--arch", NARROW, "--config", str(NETWORK)
    return ("--arch", recipe.architecture) if recipe.architecture else ()
