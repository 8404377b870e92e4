"""Writes test/fixtures/statistics.json: paired tests, effects and corrections by SciPy and NumPy.

    python3 tools/reference/make_statistics.py

Needs SciPy 1.11 or later.
"""

import json
from pathlib import Path

import numpy
import scipy
from scipy import stats

# The plant heights of Darwin's Zea mays (Fisher 1935, "The Design of Experiments", section 21): cross-fertilised
# minus self-fertilised, in eighths of an inch.
ZEA = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]

rng = numpy.random.default_rng(0)
CASES = {
    "darwin": ZEA,
    "five": [0.031, -0.012, 0.054, 0.022, 0.017],
    "ties": [1.0, 1.0, -1.0, 2.0, 0.0, 0.0, 3.0],
    "normal": rng.normal(0.3, 1, 12).round(3).tolist(),
}


def sign_flip(differences):
    result = stats.permutation_test(
        (numpy.array(differences, float),),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=numpy.inf,
        alternative="two-sided",
    )
    return float(result.pvalue)


def hodges_lehmann(differences):
    x = numpy.array(differences, float)
    i, j = numpy.triu_indices(len(x))
    return float(numpy.median((x[i] + x[j]) / 2))


P_VALUES = [
    [0.01, 0.04, 0.03, 0.005],
    [0.001, 0.001, 0.5],
    [0.2],
    rng.uniform(0, 0.2, 9).round(4).tolist(),
]


def holm(p):
    """Holm by its definition as sequential rejection: the level at which each hypothesis is first rejected."""
    p = numpy.array(p)
    adjusted = []
    for i in range(len(p)):
        levels = sorted(p)
        worst = 0.0
        for rank, value in enumerate(levels):
            worst = max(worst, min(1.0, value * (len(p) - rank)))
            if value == p[i]:
                break
        adjusted.append(worst)
    return adjusted


fixture = {
    "metadata": {
        "script": "tools/reference/make_statistics.py",
        "scipy": scipy.__version__,
        "numpy": numpy.__version__,
    },
    "paired": {
        name: {
            "differences": values,
            "signFlipP": sign_flip(values),
            "hodgesLehmann": hodges_lehmann(values),
            "standardised": float(numpy.mean(values) / numpy.std(values, ddof=1)),
        }
        for name, values in CASES.items()
    },
    "holm": [{"p": p, "adjusted": holm(p)} for p in P_VALUES],
    "quantiles": [
        {
            "values": values,
            "low": float(numpy.quantile(values, 0.025)),
            "high": float(numpy.quantile(values, 0.975)),
        }
        for values in (rng.normal(size=n).round(4).tolist() for n in (7, 40, 101))
    ],
    "detectable": float(stats.norm.ppf(0.975) + stats.norm.ppf(0.8)),
}

path = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "statistics.json"
path.write_text(json.dumps(fixture, indent=2) + "\n")
print(path)
