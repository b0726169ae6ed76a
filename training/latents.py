# SPDX-License-Identifier: GPL-3.0-or-later
"""The latent space: a hierarchical 8x8 principal-component transform, written into the stock encoder's weights.

Because the encoder is known before any training, the decoder and the denoiser can be trained side by side, and the
denoiser's training never runs the encoder: one 8x8 convolution with stride 8 gives the same latents.

How a network of GroupNorm and SiLU becomes linear: residual branches are zero (conv2 = 0); the three downsampling
convolutions hold the transform, 2x2 taps each; in the last level each component runs as a pair (+s, -s), and
silu (s) - silu (-s) = s exactly. Constant channels, much larger than the pairs, share each group, so that the norm's
mean is 0 and its deviation nearly constant.
"""
import math

import torch
import torch.nn.functional as F

import common

PIXELS = 8
SIGNAL = 0.06      # amplitude of a component of deviation 1 against constants of 1


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
    """weight [16, 3, 8, 8], bias [16]: the latent of an image is conv2d (image, weight, bias, stride 8)."""

    def __init__(self, images=None, state=None):
        if state is not None:
            self.stages, self.scale, self.shift, self.deviation = (state[k] for k in
                                                                   ("stages", "scale", "shift", "deviation"))
        else:
            self.fit(images)
        self.weight, self.bias = self.compose()

    def fit(self, images):
        f, self.stages = images, []
        for keep in (12, 32, common.LATENT_CHANNELS):
            w = taps(principal(f, keep), f.shape[1])
            self.stages.append(w)
            f = F.conv2d(f, w, stride=2)
        sd = f.std((0, 2, 3))
        # partial whitening: dividing by the root of the deviation leaves coarse components larger than fine ones, so
        # that a sampler settles colour first; the common factor makes the mean variance 1
        self.scale = 1 / (sd.sqrt() * sd.mean().sqrt())
        self.shift = f.mean((0, 2, 3))
        self.deviation = sd * self.scale

    @classmethod
    def read(cls, vae):
        """The transform that `write` put into an encoder, so that training can go on from an exported model."""
        encoder, widths = vae.encoder, (3, 12, 32, common.LATENT_CHANNELS)
        convs = [encoder.down_blocks[i].downsamplers[0].conv for i in range(3)]
        stages = [c.weight[:out, :into, :2, :2].detach().clone() for c, into, out in zip(convs, widths, widths[1:])]
        shortcut, groups = encoder.down_blocks[3].resnets[0].conv_shortcut, vae.config["norm_num_groups"]
        per_group = common.LATENT_CHANNELS // groups
        rows = [k // per_group * (shortcut.weight.shape[0] // groups) + 2 * (k % per_group)
                for k in range(common.LATENT_CHANNELS)]
        scale = torch.stack([shortcut.weight[row, k, 0, 0] for k, row in enumerate(rows)]).detach() / SIGNAL
        shift = -shortcut.bias[rows].detach() / (SIGNAL * scale)
        # scale = 1 / sqrt (sd x mean sd), hence mean sd = the root of the mean of 1 / scale^2
        deviation = 1 / (scale * (1 / scale.square()).mean().sqrt())
        return cls(state={"stages": stages, "scale": scale, "shift": shift, "deviation": deviation})

    def state(self):
        return {"stages": self.stages, "scale": self.scale, "shift": self.shift, "deviation": self.deviation}

    def compose(self):
        basis = torch.eye(3 * PIXELS * PIXELS).reshape(-1, 3, PIXELS, PIXELS)
        for w in self.stages:
            basis = F.conv2d(basis, w, stride=2)
        weight = basis.reshape(3, PIXELS, PIXELS, -1).permute(3, 0, 1, 2) * self.scale[:, None, None, None]
        return weight.contiguous(), -self.shift * self.scale

    def __call__(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=PIXELS)

    def inverse(self, z):
        """The best linear picture of a latent (the stages have orthonormal rows)."""
        weight = self.weight / self.scale[:, None, None, None]
        f = z / self.scale[:, None, None] + self.shift[:, None, None]
        return F.conv_transpose2d(f, weight, stride=PIXELS)

    def write(self, vae):
        """Set the encoder of an AutoencoderKL to this transform."""
        with torch.no_grad():
            encoder = vae.encoder
            for resnet in [r for b in encoder.down_blocks for r in b.resnets] + list(encoder.mid_block.resnets):
                resnet.conv2.weight.zero_()
                resnet.conv2.bias.zero_()
            self._pass(encoder.conv_in, 3, centre=1)
            for level, w in enumerate(self.stages):
                conv = encoder.down_blocks[level].downsamplers[0].conv
                conv.weight.zero_()
                conv.bias.zero_()
                conv.weight[: w.shape[0], : w.shape[1], :2, :2] = w
                if level < 2:
                    self._pass(encoder.down_blocks[level + 1].resnets[0].conv_shortcut, w.shape[0])
            self._pairs(encoder, vae.config["norm_num_groups"])
            common_channels = 2 * common.LATENT_CHANNELS
            for conv, n in ((vae.quant_conv, common_channels), (vae.post_quant_conv, common.LATENT_CHANNELS)):
                conv.weight.copy_(torch.eye(n)[:, :, None, None])
                conv.bias.zero_()

    @staticmethod
    def _pass(conv, n, centre=0):
        conv.weight[:] = 0
        conv.bias.zero_()
        for c in range(n):
            conv.weight[c, c, centre, centre] = 1

    def _pairs(self, encoder, groups):
        """Last level: components as +- pairs among constants, read back by conv_out."""
        shortcut, out = encoder.down_blocks[3].resnets[0].conv_shortcut, encoder.conv_out
        for conv in (shortcut, out):
            conv.weight.zero_()
            conv.bias.zero_()
        channels = shortcut.weight.shape[0] // groups
        per_group = common.LATENT_CHANNELS // groups
        constants = channels - 2 * per_group
        sigma = math.sqrt((constants + 2 * per_group * SIGNAL ** 2 * float(self.deviation.square().mean())) / channels)
        encoder.conv_norm_out.weight.fill_(1)
        encoder.conv_norm_out.bias.zero_()
        for k in range(common.LATENT_CHANNELS):
            group, slot = divmod(k, per_group)
            first = group * channels
            for sign, row in ((1, first + 2 * slot), (-1, first + 2 * slot + 1)):
                shortcut.weight[row, k] = sign * SIGNAL * self.scale[k]
                shortcut.bias[row] = -sign * SIGNAL * self.shift[k] * self.scale[k]
                out.weight[k, row, 1, 1] = sign * sigma / SIGNAL
            for j in range(2 * per_group, channels):
                shortcut.bias[first + j] = 1.0 if j % 2 else -1.0
        # the posterior has no width: a sample of it is its mean
        out.bias[common.LATENT_CHANNELS:] = -30.0
