"""Random fields over a slice: what tissue looks like up close, and the grain of a CT."""
import functools

import numpy as np

from .canvas import SIZE


@functools.lru_cache(maxsize=1)
def frequency(size):
    """Of a slice's spectrum, in cycles a pixel of SIZE x SIZE: grain and blur have the same mm in smaller slices."""
    return np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * (size / SIZE)


def filtered(rng, response):
    """Noise with the power spectrum response ** 2, unit variance."""
    shape = len(response), len(response)
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) * response
    field = np.fft.irfft2(spectrum, s=shape)
    return (field / field.std()).astype(np.float32)


def texture(rng, size):
    f = frequency(size)
    return filtered(rng, np.exp(-(f / 0.05) ** 2)) * 0.6 + filtered(rng, np.exp(-(f / 0.015) ** 2)) * 0.8
