# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets: many pictures in one PNG, with words written above columns and beside rows."""
from PIL import Image, ImageDraw


def to_image(x):
    """float [3, H, W] in [-1, 1] -> PIL image."""
    return Image.fromarray(((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).contiguous().numpy())


def save(path, pictures, columns, titles=None, gap=2):
    """pictures [N, 3, H, W], row by row; titles: one word a column."""
    _, _, height, width = pictures.shape
    rows, head = -(-len(pictures) // columns), 14 if titles else 0
    page = Image.new("RGB", (columns * (width + gap), head + rows * (height + gap)), (32, 32, 32))
    for i, picture in enumerate(pictures):
        page.paste(to_image(picture), (i % columns * (width + gap), head + i // columns * (height + gap)))
    draw = ImageDraw.Draw(page)
    for i, title in enumerate(titles or []):
        draw.text((i * (width + gap) + 2, 1), title, fill=(255, 255, 255))
    page.save(path)
