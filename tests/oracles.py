"""Reference implementations in NumPy and SciPy, float64, as plain as their formulas.

Nothing here imports the package under test: what agrees with these lines agrees with the formula.
"""

import numpy as np
import scipy.linalg
import scipy.signal


def moments(samples):
    """Mean `[d]` and covariance `[d, d]` (divided by n) of samples `[n, d]`."""
    samples = np.asarray(samples, np.float64)
    return samples.mean(axis=0), np.cov(samples, rowvar=False, bias=True).reshape(
        samples.shape[1], samples.shape[1]
    )


def shrunk(covariance, amount):
    """`(1 - l) S + (l tr(S)/d + 1e-8) I`."""
    covariance = np.asarray(covariance, np.float64)
    size = len(covariance)
    floor = amount * np.trace(covariance) / size + 1e-8
    return (1 - amount) * covariance + floor * np.eye(size)


def matrix_power(covariance, power):
    """`S ** power` of a symmetric positive definite matrix."""
    values, vectors = scipy.linalg.eigh(np.asarray(covariance, np.float64))
    return (vectors * values**power) @ vectors.T


def covariance_with_spectrum(spectrum, seed=0):
    """A covariance with these eigenvalues in a random orthogonal basis."""
    size = len(spectrum)
    gaussian = np.random.default_rng(seed).normal(size=(size, size))
    basis = np.linalg.qr(gaussian)[0]
    covariance = (basis * np.asarray(spectrum, np.float64)) @ basis.T
    return (covariance + covariance.T) / 2


def relative_frobenius(matrix, reference):
    """`|A - B| / |B|` in the Frobenius norm."""
    matrix, reference = np.asarray(matrix, np.float64), np.asarray(reference, np.float64)
    return np.linalg.norm(matrix - reference) / np.linalg.norm(reference)


def softplus(values):
    """`log(1 + exp(x))` without overflow."""
    return np.logaddexp(0.0, np.asarray(values, np.float64))


def gaussian_divergence(mean, covariance, other_mean, other_covariance):
    """`KL(N(m0, S0) || N(m1, S1))` of Gaussians in d dimensions, general closed form. `(tr(S1^-1
    S0) + (m1 - m0)' S1^-1 (m1 - m0) - d + ln(det S1 / det S0)) / 2`."""
    inverse = np.linalg.inv(other_covariance)
    gap = other_mean - mean
    logarithms = np.linalg.slogdet(other_covariance)[1] - np.linalg.slogdet(covariance)[1]
    return 0.5 * (np.trace(inverse @ covariance) + gap @ inverse @ gap - len(mean) + logarithms)


def gram(features):
    """`G[i, j] = sum over pixels of f_i f_j / (H W)` of features `[H, W, C]`, by loops."""
    height, width, channels = features.shape
    result = np.zeros((channels, channels))
    for first in range(channels):
        for second in range(channels):
            products = features[..., first].astype(np.float64) * features[..., second]
            result[first, second] = products.sum() / (height * width)
    return result


def convolve(image, kernel, bias=0.0, stride=1, depthwise=False):
    """Reflection-padded cross-correlation of `[H, W, C]` with `[k, k, C, F]`, odd k. Depthwise
    kernels are `[k, k, C, 1]`: channel c of the result is channel c of the image correlated with
    kernel c."""
    image, kernel = np.asarray(image, np.float64), np.asarray(kernel, np.float64)
    reach = kernel.shape[0] // 2
    padded = np.pad(image, [(reach, reach), (reach, reach), (0, 0)], mode="reflect")
    channels = range(image.shape[2])
    if depthwise:
        maps = [
            scipy.signal.correlate2d(padded[..., c], kernel[..., c, 0], "valid") for c in channels
        ]
    else:
        maps = [
            sum(
                scipy.signal.correlate2d(padded[..., c], kernel[..., c, f], "valid")
                for c in channels
            )
            for f in range(kernel.shape[3])
        ]
    return np.stack(maps, axis=-1)[::stride, ::stride] + bias


def max_pool(image):
    """Maximum of every 2 x 2 square of `[H, W, C]`, H and W even."""
    height, width, channels = image.shape
    return image.reshape(height // 2, 2, width // 2, 2, channels).max(axis=(1, 3))


def whitened_and_coloured(features, matrix, shift, strength, shrinkage):
    """`(1 - s) x + s (A S'^-1/2 (x - m) + b)` of one group, pixel by pixel. features `[H, W, g]`,
    matrix A `[g, g]`, shift b `[g]`; m and S are the features' own moments."""
    samples = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    mean, covariance = moments(samples)
    whiten = matrix_power(shrunk(covariance, shrinkage), -0.5)
    result = np.empty_like(samples)
    for number, sample in enumerate(samples):
        coloured = matrix @ (whiten @ (sample - mean)) + shift
        result[number] = (1 - strength) * sample + strength * coloured
    return result.reshape(features.shape)


def spectral_norm(kernel):
    """Largest singular value of a kernel `[k, k, C, F]` taken as a matrix `[k k C, F]`."""
    kernel = np.asarray(kernel, np.float64)
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


def transport_map(source, target):
    """`W = S^-1 (S T)^1/2`, the geometric mean of S^-1 and T: another form of optimal transport. By
    SciPy's root of a matrix that is not symmetric."""
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    return np.linalg.solve(source, scipy.linalg.sqrtm(source @ target)).real


def fidelity(covariance, other):
    """`tr (S S')^1/2`, equal to `tr (S^1/2 S' S^1/2)^1/2`, by SciPy."""
    product = np.asarray(covariance, np.float64) @ np.asarray(other, np.float64)
    return np.trace(scipy.linalg.sqrtm(product)).real


def frechet(mean, covariance, other_mean, other_covariance):
    """`|m - m'|^2 + tr S + tr S' - 2 tr (S S')^1/2`."""
    gap = np.sum((np.asarray(mean, np.float64) - other_mean) ** 2)
    traces = np.trace(covariance) + np.trace(other_covariance)
    return gap + traces - 2 * fidelity(covariance, other_covariance)
