"""The best quality that any rival reaches at each rate (their hull), and how many times our rate they need for ours."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.interpolate import Akima1DInterpolator

Float = npt.NDArray[np.float64]


def hull(rates: Sequence[float], values: Sequence[float], higher: bool) -> list[int]:
    """Indexes of the points on the hull of values over rates in log scale, by rising rate.

    ``higher``: whether more is better. A point that costs more than another and is worse is never on
    it. Switching between two codings in time reaches less than the straight line in log rate between
    their points, so the hull is generous to the codecs that it represents.
    """
    order = sorted(range(len(rates)), key=lambda i: (rates[i], -values[i] if higher else values[i]))
    sign = 1.0 if higher else -1.0
    out: list[int] = []
    for i in order:
        if not (rates[i] > 0 and np.isfinite(values[i])):
            continue
        if out and sign * values[i] <= sign * values[out[-1]]:
            continue
        while len(out) > 1:
            (xa, ya), (xb, yb), (xc, yc) = ((np.log(rates[j]), sign * values[j]) for j in (out[-2], out[-1], i))
            if (yb - ya) * (xc - xa) > (yc - ya) * (xb - xa):
                break
            out.pop()
        out.append(i)
    return out


def rate_at(rates: Sequence[float], values: Sequence[float], wanted: float, higher: bool) -> float:
    """The rate at which the hull reaches ``wanted``: between its points on a straight line in log rate.

    Below its first point it is that point's rate (nothing cheaper is known), above its last it is infinite.
    """
    points = hull(rates, values, higher)
    if not points:
        return float("inf")
    sign = 1.0 if higher else -1.0
    y = [sign * values[i] for i in points]
    if sign * wanted <= y[0]:
        return float(rates[points[0]])
    if sign * wanted > y[-1]:
        return float("inf")
    return float(np.exp(np.interp(sign * wanted, y, np.log([rates[i] for i in points]))))


def bd_rate(anchor: tuple[Sequence[float], Sequence[float]], test: tuple[Sequence[float], Sequence[float]]) -> float:
    """Bjøntegaard's difference in rate, in %, of ``test`` against ``anchor``, each (rates, values);
    negative: test needs less.

    Log rate over the value, interpolated by Akima's splines as JVET recommends (VCEG-M33; Herglotz
    et al., 2022) and averaged over the values that both reach. nan if they share none, or if a
    curve has fewer than two different values; with two points the spline is a straight line.
    """
    curves = []
    for rates, values in (anchor, test):
        best: dict[float, float] = {}
        for rate, value in zip(rates, values, strict=True):
            if rate > 0 and np.isfinite(value):
                best[value] = min(rate, best.get(value, np.inf))
        if len(best) < 2:
            return float("nan")
        x = np.array(sorted(best))
        curves.append((x, np.log([best[v] for v in x])))
    low, high = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    if high <= low:
        return float("nan")
    areas = [float(_spline(x, y, low, high)) for x, y in curves]
    return float(np.expm1((areas[1] - areas[0]) / (high - low)) * 100)


def _spline(x: Float, y: Float, low: float, high: float) -> float:
    if len(x) == 2:
        return float(np.interp([low, high], x, y).mean() * (high - low))
    return float(Akima1DInterpolator(x, y).integrate(low, high))
