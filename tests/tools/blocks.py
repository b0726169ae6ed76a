# SPDX-License-Identifier: GPL-3.0-or-later
"""Values to the element types of model files and back, without other packages.

The blocks are those of ggml (docs/gguf.md, ggml-common.h). Each encoder returns its bytes and
the exact values that they stand for; steps are halved scales, rounded to what the block keeps.
"""
import math
import struct


def half(x):
    """Nearest half, as bytes and as a number."""
    packed = struct.pack("<e", x)
    return packed, struct.unpack("<e", packed)[0]


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def plain(code):
    def encode(values):
        packed = struct.pack(f"<{len(values)}{code}", *values)
        return packed, list(struct.unpack(f"<{len(values)}{code}", packed))
    return encode


def bf16(values):
    out, exact = bytearray(), []
    for x in values:
        bits = struct.unpack("<I", struct.pack("<f", x))[0]
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
        out += struct.pack("<H", bits)
        exact.append(struct.unpack("<f", struct.pack("<I", bits << 16))[0])
    return bytes(out), exact


def float8(exponent_bits, largest, bias):
    """A table of all finite non-negative values; the nearest one is the code."""
    mantissa_bits = 7 - exponent_bits
    values = []
    for code in range(128):
        e, m = code >> mantissa_bits, code & ((1 << mantissa_bits) - 1)
        x = math.ldexp(m, 1 - bias - mantissa_bits) if e == 0 else \
            math.ldexp((1 << mantissa_bits) + m, e - bias - mantissa_bits)
        if x > largest:
            break
        values.append(x)

    def encode(numbers):
        out, exact = bytearray(), []
        for x in numbers:
            code = min(range(len(values)), key=lambda i: abs(values[i] - abs(x)))
            out.append(code | (0x80 if x < 0 else 0))
            exact.append(math.copysign(values[code], x))
        return bytes(out), exact
    return encode


def round_to(x, low, high):
    return max(low, min(high, math.floor(x + 0.5)))


def q8_0(x):
    packed, d = half(max(map(abs, x)) / 127)
    q = [round_to(v / d if d else 0, -127, 127) for v in x]
    return packed + struct.pack("32b", *q), [single(d * v) for v in q]


def nibbles(q):
    low = bytes((q[i] & 15) | (q[i + 16] & 15) << 4 for i in range(16))
    return struct.pack("<I", sum((v >> 4) << i for i, v in enumerate(q))), low


def symmetric(bits):
    zero = 1 << (bits - 1)

    def encode(x):
        packed, d = half(max(map(abs, x)) / zero)
        q = [round_to(v / d if d else 0, -zero, zero - 1) + zero for v in x]
        fifths, low = nibbles(q)
        return packed + (fifths if bits == 5 else b"") + low, [single(d * (v - zero)) for v in q]
    return encode


def with_minimum(bits):
    top = (1 << bits) - 1

    def encode(x):
        packed_d, d = half((max(x) - min(x)) / top)
        packed_m, m = half(min(x))
        q = [round_to((v - m) / d if d else 0, 0, top) for v in x]
        fifths, low = nibbles(q)
        return packed_d + packed_m + (fifths if bits == 5 else b"") + low, \
            [single(d * v + m) for v in q]
    return encode


def six_bits(scales, minima):
    """Eight scales and eight minima of 6 bits in 12 bytes."""
    out = [s | (scales[i + 4] >> 4) << 6 for i, s in enumerate(scales[:4])]
    out += [m | (minima[i + 4] >> 4) << 6 for i, m in enumerate(minima[:4])]
    out += [(s & 15) | (m & 15) << 4 for s, m in zip(scales[4:], minima[4:])]
    return bytes(out)


def runs(bits):
    top = (1 << bits) - 1

    def encode(x):
        parts = [x[i:i + 32] for i in range(0, 256, 32)]
        low = [max(0.0, -min(p)) for p in parts]
        step = [(max(max(p), 0.0) + m) / top for p, m in zip(parts, low)]
        packed_d, d = half(max(step) / 63)
        packed_m, dmin = half(max(low) / 63)
        scales = [round_to(s / d if d else 0, 0, 63) for s in step]
        minima = [round_to(m / dmin if dmin else 0, 0, 63) for m in low]
        q, exact = [], []
        for part, s, m in zip(parts, scales, minima):
            q += [round_to((v + dmin * m) / (d * s) if d * s else 0, 0, top) for v in part]
            exact += [single(d * (s * v) - dmin * m) for v in q[-32:]]
        fifths = bytes(sum((q[32 * r + i] >> 4) << r for r in range(8)) for i in range(32))
        body = bytes((q[64 * (r // 32) + r % 32] & 15) | (q[64 * (r // 32) + 32 + r % 32] & 15) << 4
                     for r in range(128))
        return packed_d + packed_m + six_bits(scales, minima) + (fifths if bits == 5 else b"") + \
            body, exact
    return encode


def q6_k(x):
    step = [max(map(abs, x[i:i + 16])) / 31 for i in range(0, 256, 16)]
    packed, d = half(max(step) / 127)
    scales = [round_to(s / d if d else 0, 0, 127) for s in step]
    q = [round_to(v / (d * scales[i // 16]) if d * scales[i // 16] else 0, -32, 31)
         for i, v in enumerate(x)]
    u = [v + 32 for v in q]
    low, high = bytearray(), bytearray()
    for h in (0, 128):
        low += bytes((u[h + i] & 15) | (u[h + 64 + i] & 15) << 4 for i in range(64))
        high += bytes(sum((u[h + 32 * r + i] >> 4) << 2 * r for r in range(4)) for i in range(32))
    return bytes(low + high) + struct.pack("16b", *scales) + packed, \
        [single(d * (v * scales[i // 16])) for i, v in enumerate(q)]


# name -> (values of a block, encoder of a block, number of the type in GGUF)
TYPES = {
    "F32": (1, plain("f"), 0),
    "F16": (1, plain("e"), 1),
    "BF16": (1, bf16, 30),
    "F8_E4M3": (1, float8(4, 448, 7), None),
    "F8_E5M2": (1, float8(5, 57344, 15), None),
    "Q8_0": (32, q8_0, 8),
    "Q4_0": (32, symmetric(4), 2),
    "Q4_1": (32, with_minimum(4), 3),
    "Q5_0": (32, symmetric(5), 6),
    "Q5_1": (32, with_minimum(5), 7),
    "Q4_K": (256, runs(4), 12),
    "Q5_K": (256, runs(5), 13),
    "Q6_K": (256, q6_k, 14),
}


def encode(name, values):
    """The bytes of all values, and what they stand for."""
    block, encoder, _ = TYPES[name]
    if block == 1:
        return encoder(values)
    out, exact = bytearray(), []
    for i in range(0, len(values), block):
        packed, part = encoder(values[i:i + block])
        out += packed
        exact += part
    return bytes(out), exact
