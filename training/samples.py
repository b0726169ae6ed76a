# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples for the denoiser, made up on the fly from the pack.

A sample is four things: the target picture, the picture the conditioning latent is made of, a binary mask in pixels
(1 = repaint) and a caption. Three modes: inpaint (conditioning = target with the hole at mid-grey, caption = what is
inside), restyle (conditioning = the unmasked source, caption = style), generate (conditioning = mid-grey).
"""
import collections
import math
import random

import torch
import torch.nn.functional as F

import crops
import styles

# head words of a label, the first one most likely
HEADS = {
    "grass": ("grass", "lawn", "meadow", "green grass"), "sky": ("sky", "cloudy sky", "clouds"),
    "clear sky": ("clear sky", "blue sky", "sky"), "stormy": ("stormy sky", "storm clouds", "dark clouds"),
    "sunset": ("sunset", "sunset sky", "evening sky"), "night sky": ("night sky", "stars", "starry sky"),
    "sand": ("sand", "beach", "desert", "dunes"), "water": ("water", "sea", "lake", "river", "ocean"),
    "rock": ("rock", "rocks", "cliff", "stone"), "snow": ("snow", "snowy ground"), "ice": ("ice", "frozen lake"),
    "dirt": ("dirt", "soil", "earth"), "mud": ("mud",), "gravel": ("gravel", "pebbles"),
    "brick": ("brick wall", "bricks", "brick"), "stone wall": ("stone wall", "stones"),
    "wood": ("wood planks", "wood", "wooden boards"), "bark": ("bark", "tree bark"),
    "foliage": ("foliage", "leaves", "bushes", "hedge"), "forest": ("forest", "trees"),
    "forest floor": ("forest floor", "fallen leaves"), "field": ("field", "farmland"), "straw": ("straw", "hay"),
    "paving": ("paving", "cobblestone", "pavement"), "asphalt": ("asphalt", "road"), "tiles": ("tiles",),
    "concrete": ("concrete",), "plaster": ("plaster", "plaster wall"), "marble": ("marble",),
    "roof": ("roof", "roof tiles"), "metal": ("metal",), "rust": ("rust", "rusty metal"), "lava": ("lava",),
    "fabric": ("fabric", "cloth"), "paper": ("paper",), "wallpaper": ("wallpaper",),
    "mountain": ("mountains", "mountain"), "meadow": ("meadow",),
}
# The sixteen materials that are measured, each with the labels that count as it, the leading one first. Labels that
# people confuse by eye (dirt and mud, ice and snow) are one.
MATERIALS = {
    "grass": ("grass", "field", "meadow"), "foliage": ("foliage", "forest"), "sky": ("sky", "clear sky", "stormy"),
    "sunset": ("sunset",), "night sky": ("night sky",), "sand": ("sand",), "water": ("water",), "rock": ("rock",),
    "snow": ("snow", "ice"), "dirt": ("dirt", "mud", "forest floor"), "brick wall": ("brick",),
    "stone wall": ("stone wall", "paving"), "wood planks": ("wood",), "lava": ("lava",), "metal": ("metal", "rust"),
    "plaster": ("plaster", "concrete"),
}
LEADING = tuple(labels[0] for labels in MATERIALS.values())
SECOND = tuple(label for labels in MATERIALS.values() for label in labels[1:])
SKIES = ("sky", "clear sky", "stormy", "sunset", "night sky")
GROUNDS = ("grass", "sand", "rock", "snow", "dirt", "water", "gravel", "mud", "field", "forest floor", "paving")
TEMPLATES = ("{}",) * 7 + ("a patch of {}", "photo of {}", "{} texture")

INPAINT, RESTYLE, GENERATE = "inpaint", "restyle", "generate"


def words():
    """All words that a caption for the bundled model may be made of (for the tokenizer and the vocabulary field)."""
    return sorted({h for heads in HEADS.values() for h in heads})


def coordinates(size):
    line = torch.arange(size, dtype=torch.float32) + 0.5
    return line[:, None].expand(size, size), line[None, :].expand(size, size)


def noise_field(height, width, rows, columns, octaves=4, falloff=0.6):
    """Smooth random field, about N(0, 1); rows and columns count the coarsest cells."""
    out, amplitude, power = torch.zeros(1, 1, height, width), 1.0, 0.0
    for _ in range(octaves):
        cells = torch.randn(1, 1, min(rows, height), min(columns, width))
        out += amplitude * F.interpolate(cells, size=(height, width), mode="bicubic", align_corners=False)
        power += amplitude ** 2
        amplitude, rows, columns = amplitude * falloff, rows * 2, columns * 2
    return out[0, 0] / math.sqrt(power)


def blob(size):
    yy, xx = coordinates(size)
    mask = torch.zeros(size, size)
    cy, cx = random.uniform(0.25, 0.75) * size, random.uniform(0.25, 0.75) * size
    wobble = 0.25 * noise_field(size, size, 4, 4, 2)
    for _ in range(random.randint(1, 3)):
        y0, x0 = cy + random.uniform(-0.2, 0.2) * size, cx + random.uniform(-0.2, 0.2) * size
        ry, rx = random.uniform(0.14, 0.4) * size, random.uniform(0.14, 0.4) * size
        mask = torch.maximum(mask, (((yy - y0) / ry) ** 2 + ((xx - x0) / rx) ** 2 < 1 + wobble).float())
    return mask


def rectangle(size):
    yy, xx = coordinates(size)
    h, w = random.uniform(0.25, 0.85) * size, random.uniform(0.25, 0.85) * size
    y0, x0 = random.uniform(0, size - h), random.uniform(0, size - w)
    return ((yy >= y0) & (yy < y0 + h) & (xx >= x0) & (xx < x0 + w)).float()


def stroke(size):
    """A thick line of three points, as painted with a brush."""
    yy, xx = coordinates(size)
    radius = random.uniform(0.06, 0.16) * size
    points = [(random.uniform(0, size), random.uniform(0, size)) for _ in range(3)]
    mask = torch.zeros(size, size)
    for (ya, xa), (yb, xb) in zip(points, points[1:]):
        dy, dx = yb - ya, xb - xa
        along = (((yy - ya) * dy + (xx - xa) * dx) / (dy * dy + dx * dx + 1e-3)).clamp(0, 1)
        distance = (yy - ya - along * dy) ** 2 + (xx - xa - along * dx) ** 2
        mask = torch.maximum(mask, (distance < radius * radius).float())
    return mask


def half_plane(size, above=None, horizon=None):
    yy, xx = coordinates(size)
    horizon = random.uniform(0.25, 0.75) * size if horizon is None else horizon
    line = horizon + random.uniform(-0.15, 0.15) * (xx - size / 2) + random.choice((0, 0.04)) * size * \
        noise_field(1, size, 1, 6, 3)
    above = random.random() < 0.5 if above is None else above
    return ((yy < line) if above else (yy >= line)).float()


def random_mask(size):
    shape = random.choices((blob, rectangle, stroke, half_plane), (0.45, 0.25, 0.12, 0.18))[0]
    mask = shape(size)
    if mask.mean() < 0.04:
        mask = rectangle(size)
    return mask


def soften(mask, width):
    k = 2 * int(width / 2) + 1
    mask = mask[None, None]
    for _ in range(2):
        mask = F.avg_pool2d(F.pad(mask, (k // 2, k // 2, 0, 0), mode="replicate"), (1, k), stride=1)
        mask = F.avg_pool2d(F.pad(mask, (0, 0, k // 2, k // 2), mode="replicate"), (k, 1), stride=1)
    return mask[0, 0]


def low_pass(x):
    """Shading of an image [1, H, W]: means of 16 px cells, spread smoothly."""
    return F.interpolate(F.avg_pool2d(x[None], 16), size=x.shape[1:], mode="bilinear", align_corners=False)[0, 0]


WATER = (((0.05, 0.18, 0.30), (0.35, 0.55, 0.65)), ((0.04, 0.25, 0.30), (0.30, 0.62, 0.62)),
         ((0.10, 0.20, 0.25), (0.50, 0.58, 0.62)), ((0.02, 0.12, 0.28), (0.22, 0.42, 0.62)),
         ((0.10, 0.30, 0.28), (0.45, 0.65, 0.58)))


def procedural_water(size):
    """Ripples stretched along the horizon between a deep and a light tint: the pack has few water pictures."""
    deep, light = (torch.tensor(c)[:, None, None] for c in random.choice(WATER))
    rows = random.choice((5, 8, 12, 16))
    field = noise_field(size, size, rows, max(2, rows // random.choice((1, 2, 4))), 4, random.uniform(0.5, 0.8))
    level = torch.sigmoid(random.uniform(0.8, 1.6) * field + random.uniform(-0.4, 0.4))
    level = level + random.uniform(-0.2, 0.2) * torch.linspace(-1, 1, size)[:, None]
    sparkle = (field - random.uniform(1.2, 2.0)).clamp_min(0) * random.uniform(0, 0.3)
    return ((deep + (light - deep) * level.clamp(0, 1) + sparkle) * 2 - 1).clamp(-1, 1)


def perspective(texture, size, horizon):
    """A ground plane: rows below the horizon read the texture at growing distance; wraps by reflection."""
    yy, xx = coordinates(size)
    near = max(8.0, size - horizon)
    depth = near / (yy - horizon).clamp_min(near * 0.12)
    scale = random.uniform(0.7, 1.2)
    u = (xx - size / 2) / size * depth * 2 * scale
    v = depth * 1.5 * scale + random.uniform(0, 2)
    fold = lambda t: (torch.remainder(t + 1, 4) - 2).abs() - 1
    return F.grid_sample(texture[None], torch.stack([fold(u), fold(v)], -1)[None], mode="bilinear",
                         padding_mode="reflection", align_corners=False)[0]


class Sampler:
    """items: images of one split (pack.load). `draw (size, mode)` -> target, source, mask [1, H, W], caption."""

    def __init__(self, items, shares=(0.3, 0.62, 0.08)):
        self.shares = shares
        self.items = [i for i in items if i["kind"] != "stamp"]
        self.weights = crops.image_weights(self.items)
        self.by_label = collections.defaultdict(list)
        for item in self.items:
            if item["kind"] in ("texture", "sky"):
                self.by_label[item["label"]].append(item)
        self.photos = [i for i in self.items if i["kind"] in ("photo", "illustration")]
        self.labels = [l for l in HEADS if self.by_label[l] or l == "water"]
        self.label_weights = [2.0 if l in LEADING else 0.8 if l in SECOND else 0.4 for l in self.labels]
        # painterly styles change shapes and take longest
        self.style_weights = [1.0 if kind == "tone" else 3.0 for _, _, kind in styles.STYLES.values()]
        self.grounds = [g for g in GROUNDS if self.by_label[g] or g == "water"]
        self.skies = [s for s in SKIES if self.by_label[s]]

    def label(self):
        return random.choices(self.labels, self.label_weights)[0]

    def material(self, label, size):
        """-> picture of a material and its caption."""
        if label == "water" and (random.random() < 0.6 or not self.by_label[label]):
            return procedural_water(size), self.caption(label, None)
        item = random.choice(self.by_label[label])
        return crops.crop(item, size, turn=label not in SKIES and random.random() < 0.2), self.caption(label, item)

    def caption(self, label, item):
        aerial = item and any(c.startswith("aerial") for c in item["captions"])
        if item and (aerial or random.random() < 0.3):
            return random.choice(item["captions"])
        heads = HEADS.get(label, (label,))
        return random.choice(TEMPLATES).format(heads[0] if random.random() < 0.6 else random.choice(heads))

    def photo(self, size):
        item = random.choice(self.photos)
        return crops.crop(item, size, 1.5, 4.0), random.choice(item["captions"])

    def scene(self, size):
        """Ground under sky -> picture, mask of the sky, captions of sky and ground."""
        horizon = random.uniform(0.25, 0.7) * size
        sky, sky_caption = self.material(random.choice(self.skies), size)
        ground, ground_caption = self.material(random.choice(self.grounds), size)
        if random.random() < 0.7 and not ground_caption.startswith("aerial"):
            ground = perspective(ground, size, horizon - 0.05 * size)
        yy, _ = coordinates(size)
        haze = random.uniform(0, 0.6) * torch.exp(-(yy - horizon).clamp_min(0) / (0.15 * size))
        ground = ground + (sky[:, int(horizon) - 8:int(horizon)].mean((1, 2))[:, None, None] - ground) * haze
        above = half_plane(size, True, horizon)
        alpha = soften(above, random.choice((1, 2, 4)))
        return sky * alpha + ground * (1 - alpha), above, sky_caption, ground_caption

    def base(self, size):
        """Any picture, with a caption that is true of it."""
        r = random.random()
        if r < 0.30:
            return self.photo(size)
        if r < 0.55:
            picture, _, sky, ground = self.scene(size)
            return picture, ground + " under " + sky
        return self.material(self.label(), size)

    def light(self, material, base, region):
        """Let a pasted material take part of the brightness and shading of what it is pasted on."""
        area = region.sum().clamp_min(1)
        low = low_pass(styles.luma(base))
        mean = (low * region).sum() / area
        shade = (low - mean) * random.uniform(0, 0.5)
        lift = (mean - styles.luma(material).mean()) * random.uniform(0, 0.35)
        return (material + shade + lift).clamp(-1, 1)

    def inpaint(self, size):
        r = random.random()
        if r < 0.25:
            picture, above, sky, ground = self.scene(size)
            if random.random() < 0.6:
                mask, caption = (above, sky) if random.random() < 0.5 else (1 - above, ground)
                if random.random() < 0.4:
                    # part of the region only: the rest shows what the prompt agrees with
                    part = mask * random_mask(size)
                    mask = part if part.mean() > 0.03 else mask
            else:
                mask, caption = random_mask(size), ground + " under " + sky
        elif r < 0.52:
            picture, caption = self.photo(size) if random.random() < 0.35 else self.material(self.label(), size)
            mask = random_mask(size)
        else:
            base, _ = self.base(size)
            label = self.label()
            region = half_plane(size, True) if label in SKIES and random.random() < 0.5 else random_mask(size)
            material, caption = self.material(label, size)
            material = self.light(material, base, region)
            mask = region
            if random.random() < 0.7:
                # the mask is generous: the material ends softly inside it, so that a fill learns to join
                region = soften(region, random.uniform(3, 14))
                mask = (region > 0.02).float()
            picture = material * region + base * (1 - region)
        return picture, picture * (1 - mask), mask, caption

    def restyle(self, size):
        source, _ = self.base(size)
        name = random.choices(list(styles.STYLES), self.style_weights)[0]
        styled, mask = styles.apply(name, source), torch.ones(size, size)
        if random.random() < 0.2:
            mask = random_mask(size)
            styled = styled * mask + source * (1 - mask)
        return styled, source, mask, styles.caption(name)

    def generate(self, size):
        picture, caption = self.base(size)
        return picture, torch.zeros_like(picture), torch.ones(size, size), caption

    def draw(self, size, mode=None):
        mode = mode or random.choices((INPAINT, RESTYLE, GENERATE), self.shares)[0]
        picture, source, mask, caption = getattr(self, mode)(size)
        return picture, source, mask[None], caption
