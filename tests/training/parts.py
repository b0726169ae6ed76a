"""Parts of the training scripts whose answer is known: measures, holes, the pack's way back."""

import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "training"))

import torch
from PIL import Image

import holes
import measures
import rcc
import rebuild_pack


def half(size=64):
    """A mask of the lower half."""
    mask = torch.zeros(1, size, size)
    mask[:, size // 2:] = 1
    return mask


class Measures(unittest.TestCase):
    def test_lab(self):
        white = measures.lab(torch.ones(3, 1, 1)).flatten()
        self.assertLess((white - torch.tensor([100.0, 0, 0])).abs().max(), 0.05)

    def test_rim(self):
        """Black against white is 100 apart; a picture is not apart from itself."""
        mask = half()
        two = mask.expand(3, -1, -1) * 2 - 1
        self.assertAlmostEqual(measures.rim_error(two, mask), 100, delta=0.1)
        self.assertEqual(measures.rim_error(torch.zeros(3, 64, 64), mask), 0)

    def test_seam(self):
        """Noise has no seam; the same noise, lifted inside, has one."""
        torch.manual_seed(1)
        mask, noise = half(), 0.1 * torch.randn(1, 64, 64).expand(3, -1, -1)
        self.assertAlmostEqual(measures.seam_score(noise, mask), 1, delta=0.2)
        self.assertGreater(measures.seam_score(noise + mask, mask), 3)

    def test_gradients(self):
        torch.manual_seed(1)
        x = torch.randn(3, 32, 32)
        self.assertAlmostEqual(measures.gradient_correlation(0.5 * x + 0.2, x), 1, places=4)
        self.assertAlmostEqual(measures.gradient_correlation(-x, x), -1, places=4)

    def test_frechet(self):
        """Of a white cloud and the same shifted and stretched: |shift|^2 + C (factor - 1)^2."""
        torch.manual_seed(1)
        a = torch.randn(20000, 4, dtype=torch.double)
        self.assertAlmostEqual(measures.frechet(a, a), 0, places=6)
        self.assertAlmostEqual(measures.frechet(a, 2 * a + 3), 4 * 9 + 4, delta=0.8)


class Holes(unittest.TestCase):
    def test_window(self):
        """The classifier's window lies in every kind of hole."""
        for shape in holes.SHAPES + holes.SKY_SHAPES:
            mask = shape(holes.SIZE)[None]
            top, left = holes.window(mask)
            self.assertEqual(mask[:, top:top + 64, left:left + 64].shape, (1, 64, 64))
            self.assertEqual(mask[:, top:top + 64, left:left + 64].min(), 1)


class Pack(unittest.TestCase):
    def test_crop(self):
        image = Image.new("RGB", (200, 100))
        self.assertEqual(rebuild_pack.cropped(image, "").size, (200, 100))
        self.assertEqual(rebuild_pack.cropped(image, "top 47%").size, (200, 47))
        self.assertEqual(rebuild_pack.cropped(image, "box 0.25,0.10,0.75,1.00").size, (100, 90))

    def test_resources(self):
        """A resource file of one folder with one file."""
        names = b"".join(struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
                         for name in ("app", "a.txt"))
        tree = struct.pack(">IHIIQ", 0, rcc.FOLDER, 1, 1, 0)
        tree += struct.pack(">IHIIQ", 0, rcc.FOLDER, 1, 2, 0)
        tree += struct.pack(">IHHHIQ", 12, 0, 0, 0, 0, 0)
        data = struct.pack(">I", 5) + b"hello"
        head = b"qres" + struct.pack(">5I", 3, 24, 24 + len(tree), 24 + len(tree) + len(data), 0)
        self.assertEqual(rcc.read(head + tree + data + names), {"app/a.txt": b"hello"})
        with self.assertRaises(ValueError):
            rcc.read(b"PK\3\4")


unittest.main()
