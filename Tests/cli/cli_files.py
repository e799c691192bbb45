"""Writes the PNG and NIfTI files of the tests, well-formed and not, with nothing but numpy."""

import gzip
import struct
import zlib

import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bytes(samples, bits=16, colour=0, size=None, interlaced=False):
    """`samples` height x width (x channels); `size` overrides the size that the header claims."""
    samples = np.asarray(samples)
    height, width = samples.shape[:2]
    data = samples.astype(">u2" if bits == 16 else "u1")

    def packed(rows):
        return b"".join(b"\0" + row.tobytes() for row in rows) if rows.size else b""

    if interlaced:
        steps = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
        raw = b"".join(packed(data[y0::dy, x0::dx]) for y0, dy, x0, dx in steps)
    else:
        raw = packed(data)
    claimed_width, claimed_height = size or (width, height)
    header = struct.pack(">IIBBBBB", claimed_width, claimed_height, bits, colour, 0, 0, int(interlaced))
    return PNG_SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(raw, 1)) + png_chunk(b"IEND", b"")


def hu_png(hu, **keywords):
    return png_bytes(np.asarray(hu).astype(np.int32) + 32768, **keywords)


NIFTI_TYPES = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "float64": 64, "uint16": 512}


def nifti_bytes(voxels, affine=None, kind="int16", slope=1.0, intercept=0.0, big_endian=False, form="sform", dims=None,
                pixdim=None, magic=b"n+1\0", offset=352.0, datatype=None, units=2):
    """`voxels` in i, j, k order; `affine` 3 x 4 to world coordinates (right, anterior, superior)."""
    voxels = np.asarray(voxels)
    e = ">" if big_endian else "<"
    affine = np.asarray(affine if affine is not None else [[-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0]], float)
    dims = list(dims) if dims is not None else [voxels.ndim, *voxels.shape]
    zooms = list(pixdim) if pixdim is not None else [1.0, *np.sqrt((affine[:, :3] ** 2).sum(0))]
    header = bytearray(352)
    struct.pack_into(e + "i", header, 0, 348)
    struct.pack_into(e + "8h", header, 40, *(dims + [1] * 8)[:8])
    struct.pack_into(e + "hh", header, 70, datatype if datatype is not None else NIFTI_TYPES[kind], np.dtype(kind).itemsize * 8)
    struct.pack_into(e + "8f", header, 76, *(zooms + [0.0] * 8)[:8])
    struct.pack_into(e + "fff", header, 108, offset, slope, intercept)
    header[123] = units
    if form == "sform":
        struct.pack_into(e + "hh", header, 252, 0, 1)
        struct.pack_into(e + "12f", header, 280, *affine.ravel())
    elif form == "qform":
        # Half a turn about the z axis: voxel axes to the left, to the back and to the head.
        struct.pack_into(e + "hh", header, 252, 1, 0)
        struct.pack_into(e + "3f", header, 256, 0.0, 0.0, 1.0)
        struct.pack_into(e + "3f", header, 268, *affine[:, 3])
    header[344:348] = magic
    return bytes(header) + voxels.astype(np.dtype(kind).newbyteorder(e)).tobytes(order="F")


def compressed(data):
    return gzip.compress(data, 1)


def phantom(depth=5, height=120, width=136, seed=3):
    """A body of soft tissue with lungs and a few nodules: depth x height x width, HU, head to feet."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    volume = np.full((depth, height, width), -1000.0)
    for z in range(depth):
        slice_ = volume[z]
        slice_[((x - width / 2) / (0.45 * width)) ** 2 + ((y - height / 2) / (0.42 * height)) ** 2 < 1] = 40
        slice_[((x - 0.3 * width) / (0.13 * width)) ** 2 + ((y - 0.45 * height) / (0.2 * height)) ** 2 < 1] = -800
        for _ in range(4):
            cx, cy = generator.uniform(0.25, 0.75) * width, generator.uniform(0.25, 0.75) * height
            r = generator.uniform(3, 9)
            slice_[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = generator.uniform(60, 300)
    return np.clip(np.round(volume + generator.normal(0, 12, volume.shape)), -1024, 3071).astype(np.int16)
