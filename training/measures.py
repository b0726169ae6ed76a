# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be measured on a picture: colour, seams, gradients, distances of feature clouds. Pictures float
[3, H, W] in [-1, 1], masks [1, H, W] of zeros and ones."""
import torch
import torch.nn.functional as F

import styles

RIM = 8         # px on either side of a mask's border


def lab(x):
    """[..., 3, H, W] in [-1, 1], sRGB, D65 -> CIELAB."""
    c = ((x + 1) / 2).clamp(0, 1)
    c = torch.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    matrix = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = torch.einsum("ij,...jhw->...ihw", matrix / matrix.sum(1, keepdim=True), c)
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    fx, fy, fz = f.unbind(-3)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], -3)


def rim_error(x, mask):
    """Distance in CIELAB of the mean colours of the rings of RIM px inside and outside the mask's border."""
    wide = F.max_pool2d(mask[None], 2 * RIM + 1, 1, RIM)[0]
    narrow = 1 - F.max_pool2d(1 - mask[None], 2 * RIM + 1, 1, RIM)[0]
    colours = lab(x)
    inner, outer = ((colours * ring).sum((1, 2)) / ring.sum() for ring in (mask - narrow, wide - mask))
    return float((inner - outer).norm())


def seam_score(x, mask):
    """Mean step of lightness across the mask's border over the mean step inside; 0.3 is a step no one sees."""
    light = lab(x)[:1]
    across = inside = cross_n = inside_n = 0.0
    for dim in (1, 2):
        n = light.shape[dim] - 1
        step = (light.narrow(dim, 1, n) - light.narrow(dim, 0, n)).abs()
        a, b = mask.narrow(dim, 1, n), mask.narrow(dim, 0, n)
        across, cross_n = across + (step * (a - b).abs()).sum(), cross_n + (a - b).abs().sum()
        inside, inside_n = inside + (step * a * b).sum(), inside_n + (a * b).sum()
    return float(across / cross_n / (inside / inside_n).clamp_min(0.3))


def gradient_correlation(y, x):
    """Correlation of the steps of lightness between neighbours of two pictures."""
    def steps(picture):
        g = styles.luma(picture)
        return torch.cat([(g[:, :, 1:] - g[:, :, :-1]).flatten(), (g[:, 1:] - g[:, :-1]).flatten()])
    a, b = steps(y), steps(x)
    a, b = a - a.mean(), b - b.mean()
    return float((a @ b) / (a.norm() * b.norm()).clamp_min(1e-6))


def frechet(a, b):
    """Frechet distance of two clouds of features [N, C], taken as Gaussians (arXiv 1706.08500)."""
    a, b = a.double(), b.double()
    values, vectors = torch.linalg.eigh(torch.cov(a.T))
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ torch.cov(b.T) @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + values.sum() + torch.cov(b.T).trace() - 2 * mixed)
