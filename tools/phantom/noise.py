"""Random fields over a slice: what tissue looks like up close, and the grain of a CT."""
import numpy as np

from .canvas import SIZE

FREQUENCY = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])  # cycles a pixel


def filtered(rng, response):
    """Noise with the power spectrum response ** 2, unit variance."""
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE))) * response
    field = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return (field / field.std()).astype(np.float32)


def texture(rng):
    return filtered(rng, np.exp(-(FREQUENCY / 0.05) ** 2)) * 0.6 + filtered(rng, np.exp(-(FREQUENCY / 0.015) ** 2)) * 0.8
