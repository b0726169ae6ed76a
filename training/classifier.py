# SPDX-License-Identifier: GPL-3.0-or-later
"""The small network that the measures look through: which material a crop shows, which style it has, its features.

It learns from the train split alone (train_classifier.py) and is used at 64 px: a fill is looked at through a window
that lies inside the hole, a restyle through four.
"""
import torch
from torch import nn
import torch.nn.functional as F

import common
import samples
import styles

WINDOW = 64
WIDTHS = (16, 32, 64, 128)
FEATURES = 64
MATERIALS = tuple(samples.MATERIALS)
STYLES = ("no style",) + tuple(styles.STYLES)
MATERIAL_OF = {label: i for i, labels in enumerate(samples.MATERIALS.values()) for label in labels}


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)
        self.conv2, self.norm2 = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)

    def forward(self, x):
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class Classifier(nn.Module):
    """Crops [B, 3, 64, 64] in [-1, 1] -> features [B, 64]; `material` and `style` are linear in those."""

    def __init__(self):
        super().__init__()
        layers, c = [], 3
        for i, width in enumerate(WIDTHS):
            layers += [nn.Conv2d(c, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [Block(width)] if i else []
            c = width
        self.trunk = nn.Sequential(*layers)
        self.project = nn.Linear(c, FEATURES)
        self.material, self.style = nn.Linear(FEATURES, len(MATERIALS)), nn.Linear(FEATURES, len(STYLES))

    def forward(self, x):
        return F.relu(self.project(self.trunk(x).mean((2, 3))))


def load(path):
    state = common.load_checkpoint(path)
    if state is None:
        raise SystemExit(f"{path} is missing: run train_classifier.py with the same --work first")
    net = Classifier()
    net.load_state_dict(state["net"])
    return net.eval()


def quarters(x):
    """[B, 3, 128, 128] -> [4 B, 3, 64, 64], a picture's four windows one after another."""
    rows = [x[:, :, top:top + WINDOW, left:left + WINDOW] for top in (0, WINDOW) for left in (0, WINDOW)]
    return torch.stack(rows, 1).flatten(0, 1)


@torch.no_grad()
def materials(net, windows):
    """[B, 3, 64, 64] -> most likely material of each, as indices, and features."""
    features = torch.cat([net(part) for part in windows.split(64)])
    return net.material(features).argmax(1), features


@torch.no_grad()
def find_styles(net, pictures):
    """[B, 3, 128, 128] -> most likely style of each, as indices into STYLES: the windows' mean opinion."""
    scores = torch.cat([net.style(net(quarters(part))) for part in pictures.split(16)])
    return scores.log_softmax(1).unflatten(0, (-1, 4)).mean(1).argmax(1)
