# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Qt's binary resource files (.rcc), in which some packages keep their pictures.

Layout: qt/qtbase:src/corelib/io/qresource.cpp. All numbers are big-endian: magic "qres", version, offsets of the tree,
the data and the names, from version 3 on flags; a node is name offset, flags, then (folder) count and first child or
(file) locale and data offset, from version 2 on a time of 8 bytes.
"""
import struct
import zlib

COMPRESSED, FOLDER, ZSTD = 1, 2, 4


def read(data):
    """-> {path without the leading slash: bytes}."""
    if data[:4] != b"qres":
        raise ValueError("not a Qt resource file")
    version, tree, payload, names = struct.unpack_from(">4I", data, 4)
    width, out = 14 if version < 2 else 22, {}

    def name(offset):
        length, = struct.unpack_from(">H", data, names + offset)
        return data[names + offset + 6:names + offset + 6 + 2 * length].decode("utf-16-be")

    def walk(node, path):
        at = tree + node * width
        label, flags = struct.unpack_from(">IH", data, at)
        path = path + [name(label)] if node else path
        if flags & FOLDER:
            count, first = struct.unpack_from(">2I", data, at + 6)
            for child in range(first, first + count):
                walk(child, path)
            return
        offset, = struct.unpack_from(">I", data, at + 10)
        length, = struct.unpack_from(">I", data, payload + offset)
        content = data[payload + offset + 4:payload + offset + 4 + length]
        if flags & ZSTD:
            raise ValueError(f"{'/'.join(path)} is compressed with Zstandard, which is not read")
        out["/".join(path)] = zlib.decompress(content[4:]) if flags & COMPRESSED else content

    walk(0, [])
    return out
