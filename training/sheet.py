# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets: many pictures in one PNG, with words written above columns or under groups of pictures."""
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

DARK, LIGHT = (32, 32, 32), (255, 255, 255)
PAPER, INK, FAINT = (255, 255, 255), (34, 34, 34), (110, 110, 110)
FONT_PX = 15


def to_image(x):
    """float [3, H, W] in [-1, 1] -> PIL image."""
    return Image.fromarray(((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).contiguous().numpy())


def save(path, pictures, columns, titles=None, gap=2):
    """pictures [N, 3, H, W], row by row; titles: one word a column."""
    _, _, height, width = pictures.shape
    rows, head = -(-len(pictures) // columns), 14 if titles else 0
    page = Image.new("RGB", (columns * (width + gap), head + rows * (height + gap)), DARK)
    for i, picture in enumerate(pictures):
        page.paste(to_image(picture), (i % columns * (width + gap), head + i // columns * (height + gap)))
    draw = ImageDraw.Draw(page)
    for i, title in enumerate(titles or []):
        draw.text((i * (width + gap) + 2, 1), title, fill=LIGHT)
    page.save(path)


def gallery(path, groups, across, tile, heads=(), gap=4, apart=20):
    """Groups of pictures that belong together, each a row of tiles with its caption under it, on white.

    groups: (caption, pictures [3, H, W] each, as many in every group); across: groups side by side; heads: words above
    the pictures of the groups in the first row.
    """
    font = ImageFont.load_default(size=FONT_PX)
    count, caption_px = len(groups[0][1]), FONT_PX + 12
    width, height = count * tile + (count - 1) * gap, tile + caption_px
    head = FONT_PX + 8 if heads else 0
    rows = -(-len(groups) // across)
    page = Image.new("RGB", (across * (width + apart) + apart, rows * height + head + apart), PAPER)
    draw = ImageDraw.Draw(page)
    for i, (caption, pictures) in enumerate(groups):
        left, top = apart + i % across * (width + apart), apart // 2 + head + i // across * height
        for k, picture in enumerate(pictures):
            small = F.interpolate(picture[None], size=(tile, tile), mode="bicubic", antialias=True)[0]
            page.paste(to_image(small), (left + k * (tile + gap), top))
            if i < across and heads:
                middle = left + k * (tile + gap) + tile / 2
                draw.text((middle, top - FONT_PX / 2 - 3), heads[k], fill=FAINT, font=font, anchor="mm")
        draw.text((left + width / 2, top + tile + caption_px / 2 - 2), caption, fill=INK, font=font, anchor="mm")
    page.save(path, optimize=True)
