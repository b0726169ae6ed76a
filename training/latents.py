# SPDX-License-Identifier: GPL-3.0-or-later
"""The latent space: a hierarchical 8x8 principal-component transform, written into the stock autoencoder's weights.

Because the encoder is known before any training, the decoder and the denoiser can be trained side by side, and the
denoiser's training never runs the encoder: one 8x8 convolution with stride 8 gives the same latents. The decoder
starts as the transform's exact inverse, and training can only add to that.

How a network of residual blocks becomes linear: the weights of their norms are zero, so they pass what they get. The
encoder's downsamplers move 8x8 pixels into channels and its last convolution mixes them. The decoder's upsamplers pick
from each phase's rows of the inverse. Its last norm divides by the root mean square of all channels: the picture runs
small beside constants of 1, as a pair (+s, -s), since relu (s) - relu (-s) = s.
"""
import torch
import torch.nn.functional as F

import common

PIXELS = 8
SIGNAL = 0.08      # amplitude of the picture's full range in the decoder's last level, against constants of 1


def principal(features, keep):
    """[N, C, H, W] -> basis [4 C, keep] over 2x2 blocks, in tap-major order (row, column, channel)."""
    n, c, h, w = features.shape
    blocks = features.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4 * c).double()
    blocks = blocks - blocks.mean(0)
    _, vectors = torch.linalg.eigh(blocks.T @ blocks)
    vectors = vectors.flip(1)[:, :keep]
    # a fixed sign makes the latent space the same on every machine
    sign = torch.sign(vectors.gather(0, vectors.abs().argmax(0, keepdim=True)))
    return (vectors * sign).float()


def taps(basis, c_in):
    """[4 C, K] -> convolution weight [K, C, 2, 2]."""
    return basis.reshape(2, 2, c_in, -1).permute(3, 2, 0, 1).contiguous()


class LinearLatents:
    """weight [32, 3, 8, 8], bias [32]: the latent of an image is conv2d (image, weight, bias, stride 8)."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias
        # rows are orthogonal: row k has length 1 / sqrt (sd_k x mean sd), and latents the deviation sd_k times that
        self.scale = weight.flatten(1).norm(dim=1)
        self.deviation = 1 / (self.scale * self.scale.pow(-2).mean().sqrt())

    @classmethod
    def fit(cls, images):
        f, basis = images, torch.eye(3 * PIXELS * PIXELS).reshape(-1, 3, PIXELS, PIXELS)
        for keep in (12, 48, common.LATENT_CHANNELS):
            w = taps(principal(f, keep), f.shape[1])
            f, basis = F.conv2d(f, w, stride=2), F.conv2d(basis, w, stride=2)
        sd = f.std((0, 2, 3))
        # partial whitening: dividing by the root of the deviation leaves coarse components larger than fine ones, so
        # that a sampler settles colour first; the common factor makes the mean variance 1
        scale = 1 / (sd.sqrt() * sd.mean().sqrt())
        weight = basis.reshape(3, PIXELS, PIXELS, -1).permute(3, 0, 1, 2) * scale[:, None, None, None]
        return cls(weight.contiguous(), -f.mean((0, 2, 3)) * scale)

    @classmethod
    def read(cls, vae):
        """The transform that `write` put into an encoder, so that training can go on from an exported model."""
        out = vae.encoder.conv_out
        rows = out.weight[:, :, 1, 1].detach().cpu().reshape(len(out.weight), -1, PIXELS * PIXELS)[:, :3]
        return cls(from_phases(rows), out.bias.detach().cpu().clone())

    def state(self):
        return {"weight": self.weight, "bias": self.bias}

    def __call__(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=PIXELS)

    def inverse(self, z):
        """The best linear picture of a latent."""
        return F.conv_transpose2d((z - self.bias[:, None, None]) / self.scale.square()[:, None, None], self.weight,
                                  stride=PIXELS)

    def write(self, vae):
        """Set the encoder of an AutoencoderDC to this transform and its decoder to the inverse."""
        with torch.no_grad():
            for module in vae.modules():
                if hasattr(module, "norm"):
                    module.norm.weight.zero_()
            self._write_encoder(vae.encoder)
            self._write_decoder(vae.decoder)

    def _write_encoder(self, encoder):
        for conv in [encoder.conv_in, encoder.conv_out] + [block[-1].conv for block in encoder.down_blocks[:-1]]:
            conv.weight.zero_()
            conv.bias.zero_()
        for c in range(3):
            encoder.conv_in.weight[c, c, 1, 1] = 1
        encoder.conv_out.weight[:, :3 * PIXELS * PIXELS, 1, 1] = to_phases(self.weight).flatten(1)
        encoder.conv_out.bias.copy_(self.bias)

    def _write_decoder(self, decoder):
        up = [block[0] for block in reversed(decoder.up_blocks[:-1])]       # 1/8 -> 1/4 -> 1/2 -> 1
        known, k = common.LATENT_CHANNELS, torch.arange(common.LATENT_CHANNELS)
        decoder.conv_in.weight[:known] = 0
        decoder.conv_in.weight[k, k, 1, 1] = 1
        decoder.conv_in.bias.zero_()
        rows = to_phases(self.weight / self.scale.square()[:, None, None, None])       # [latent, 3, 64]
        mean = (rows * self.bias[:, None, None]).sum(0)                                # of the picture, [3, 64]
        # the inverse as a matrix from latents to the 3 x 16 x 4 values that the first upsampler sends to its phases
        first = rows.reshape(known, 3, 16, 4).flatten(1, 2).permute(1, 2, 0)           # [48, 4, latent]
        self._pick(up[0], first, -mean.reshape(48, 4))
        self._pick(up[1], torch.eye(48).reshape(12, 4, 48), torch.zeros(12, 4))
        last, width = torch.eye(12).reshape(3, 4, 12), up[2].conv.weight.shape[0] // 4
        constant = torch.zeros(width, 4)
        constant[6:] = 1
        matrix = torch.zeros(width, 4, 12)
        matrix[:3], matrix[3:6] = SIGNAL * last, -SIGNAL * last
        self._pick(up[2], matrix, constant)
        decoder.norm_out.weight.fill_(1)
        decoder.norm_out.bias.zero_()
        decoder.conv_out.weight.zero_()
        decoder.conv_out.bias.zero_()
        # the constants' root mean square, a little more with a picture of usual contrast beside them
        level = ((width - 6 + 6 * (SIGNAL * 0.5) ** 2) / width) ** 0.5
        for c in range(3):
            decoder.conv_out.weight[c, c, 1, 1] = level / SIGNAL
            decoder.conv_out.weight[c, c + 3, 1, 1] = -level / SIGNAL

    @staticmethod
    def _pick(block, matrix, bias):
        """First output channels of an upsampler: matrix [out, phase, in], bias [out, phase]; less its shortcut."""
        outs, phases, ins = matrix.shape
        rows = torch.arange(outs * phases)
        block.conv.weight[: outs * phases] = 0
        block.conv.weight[: outs * phases, :ins, 1, 1] = matrix.reshape(outs * phases, ins)
        block.conv.weight[rows, rows // block.repeats, 1, 1] -= 1
        block.conv.bias[: outs * phases] = bias.reshape(-1)


def to_phases(x):
    """[N, C, 8, 8] -> [N, C, 64] in the order in which three unshuffles by 2 leave the pixels of a channel."""
    return F.pixel_unshuffle(F.pixel_unshuffle(F.pixel_unshuffle(x, 2), 2), 2).reshape(len(x), -1, PIXELS * PIXELS)


def from_phases(x):
    """The reverse: [N, C, 64] -> [N, C, 8, 8]."""
    return F.pixel_shuffle(F.pixel_shuffle(F.pixel_shuffle(x.reshape(len(x), -1, 1, 1), 2), 2), 2)
