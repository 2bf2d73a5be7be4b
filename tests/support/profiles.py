"""ICC profiles made by code, so that tests know exactly what they mean."""

import struct

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = np.array([0.3127 / 0.329, 1.0, (1 - 0.3127 - 0.329) / 0.329])
SRGB_PRIMARIES = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
P3_PRIMARIES = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def rgb_to_xyz(primaries) -> np.ndarray:
    """Linear RGB with white D65 -> XYZ adapted to D50 (Bradford), (3, 3)."""
    matrix = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    matrix = matrix * np.linalg.solve(matrix, D65)
    return np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ D65)) @ BRADFORD @ matrix


def rgb_profile(primaries=P3_PRIMARIES, gamma: float = 1.8) -> bytes:
    """A display with these primaries and a plain power curve."""
    columns = rgb_to_xyz(primaries).T
    tags = [(name, xyz(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)]
    return profile(b"mntr", b"RGB ", b"XYZ ", [*tags, *((name, curve(gamma)) for name in (b"rTRC", b"gTRC", b"bTRC"))])


def grey_profile(gamma: float = 1.0) -> bytes:
    """Grey with a plain power curve."""
    return profile(b"mntr", b"GRAY", b"XYZ ", [(b"kTRC", curve(gamma))])


def ink_profile(shown) -> bytes:
    """A press: `shown(c, m, y, k)` is the Lab of each corner of the ink cube (0 or 1), interpolated between. One way only."""
    corners = [shown(*(n >> shift & 1 for shift in (3, 2, 1, 0))) for n in range(16)]
    table = bytes(round(v) for lightness, a, b in corners for v in (lightness * 2.55, a + 128, b + 128))
    ramp = bytes(range(256))
    head = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + b"".join(fixed(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    return profile(b"prtr", b"CMYK", b"Lab ", [(b"A2B0", head + ramp * 4 + table + ramp * 3)])


def srgb_of(rgb, primaries=P3_PRIMARIES, gamma: float = 1.8) -> tuple[int, ...]:
    """What `rgb_profile(primaries, gamma)` says the colour is in sRGB, by arithmetic of our own."""
    linear = np.linalg.solve(rgb_to_xyz(SRGB_PRIMARIES), rgb_to_xyz(primaries) @ (np.array(rgb) / 255) ** gamma).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple(int(v) for v in np.rint(encoded * 255))


def lab_of(rgb) -> tuple[float, ...]:
    """CIELAB (D50) of an sRGB colour, levels 0 to 255."""
    encoded = np.array(rgb) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    ratio = rgb_to_xyz(SRGB_PRIMARIES) @ linear / D50
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def xyz(values) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(fixed, values))


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IHH", 1, round(gamma * 256), 0)


def profile(kind: bytes, space: bytes, connection: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """ICC version 2: header, tag table, tags (each padded to four bytes)."""
    name = b"facevae test"
    text = b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + bytes(79)
    tags = [(b"desc", text), (b"cprt", b"text" + bytes(4) + b"none\0"), (b"wtpt", xyz(D50)), *tags]
    table, body = struct.pack(">I", len(tags)), b""
    for key, value in tags:
        table += key + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s6H", size, b"test", 0x02400000, kind, space, connection, 2026, 1, 1, 0, 0, 0)
    header += b"acsp" + bytes(28) + b"".join(map(fixed, D50))
    return header.ljust(128, b"\0") + table + body
