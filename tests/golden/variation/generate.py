#!/usr/bin/env python3
"""An independent implementation of `src/variation` with numpy and scipy, and the cases that both must agree on.

    python3 generate.py        writes cases.json.gz beside this file

A case is a monitor: its columns with the counts of the reference's windows, some windows, and for every window and statistic the p-value,
size, margin and effective size. The same seed gives the same file. Made with numpy 2.4.6 and scipy 1.17.1.
"""
import gzip, json, pathlib
import numpy as np
from scipy import stats
from scipy.signal import lfilter
from scipy.special import digamma, ndtr, ndtri, polygamma

# ---------- the confidence distribution of theta ----------
CHANCES = np.concatenate([10.0 ** np.arange(-9, -1.4, .5), [.06, .1, .2, .35, .5, .65, .8, .9, .97, 1.0]])
WEIGHTS = np.zeros(len(CHANCES)); _d = np.diff(CHANCES)
WEIGHTS[0] = CHANCES[0]; WEIGHTS[:-1] += _d / 2; WEIGHTS[1:] += _d / 2
SHOWN = int(np.argmin(np.abs(CHANCES - .35)))
LEAST_WINDOWS, FEW = 6, 10
FOREIGN = ("unseen", "below", "above")
ONE_SIDED = FOREIGN + ("invalid",)

def chi_square_quantiles(degrees):
    q = stats.chi2.ppf(np.minimum(CHANCES, 1 - 1e-12), degrees); q[-1] = np.inf
    return q
def signed_root(x, n, X, N):
    x, n, X, N = np.broadcast_arrays(*(np.asarray(a, float) for a in (x, n, X, N)))
    share = (x + X) / (n + N); d = x - share * n; h = np.sign(d) * np.minimum(.5, np.abs(d)); a, b = x - h, X + h
    def t(o, m): return np.where((o > 0) & (m > 0), o * np.log(np.where(o > 0, o, 1) / np.where(m > 0, m, 1)), 0)
    g = t(a, n * share) + t(b, N * share) + t(n - a, n * (1 - share)) + t(N - b, N * (1 - share))
    return np.sign(d) * np.sqrt(np.maximum(2 * g, 0))
def arcsine(p): return np.arcsin(np.sqrt(np.clip(p, 0, 1)))
def share_size(a, b):
    if a == b: return 0.0
    ratio = max(a, b) / min(a, b) if min(a, b) > 0 else np.inf
    return float(max(2 * abs(arcsine(a) - arcsine(b)), min((ratio - 1) / 4, 40 * abs(a - b), .5)))

# ---------- score functions ----------
def numeric_scores(total):
    v = total.astype(float); N = v.sum(); cum = np.cumsum(v) / N; p = v / N
    u = np.clip((np.cumsum(v) - v / 2) / N, .5 / N, 1 - .5 / N); z = ndtri(u); out = {}
    def std(h): m = (p * h).sum(); return (h - m) / np.sqrt(max((p * (h - m) ** 2).sum(), 1e-12))
    constant = p.max() > .95
    if not constant: out["location"] = (std(np.clip(z, -2.5, 2.5)), .25); out["spread"] = (std(np.minimum(z * z, 6.25)), .15)
    filled, place = np.flatnonzero(v), np.arange(len(v)); lowest, highest = max(filled[0], 1), min(filled[-1], len(v) - 2)
    out["below"] = ((place < lowest).astype(float), .05); out["above"] = ((place > highest).astype(float), .05)
    low, high = cum <= .025 + 1e-9, (cum - p) >= .975 - 1e-9
    if low.sum() > lowest: out["low_tail"] = (low.astype(float), .05)
    if high.sum() > len(v) - 1 - highest: out["high_tail"] = (high.astype(float), .05)
    g = np.minimum((u * 10).astype(int), 9); present = np.unique(g)
    for i in present: out[f"group{i}"] = ((g == i).astype(float), (.55 if constant else .15) / len(present))
    return out
def categorical_scores(total):
    v = total.astype(float); N = v.sum(); own = [j for j in range(len(v) - 2) if v[j] >= max(.005 * N, 20)]; e = np.eye(len(v)); filled = int((v[:-1] > 0).sum())
    if filled <= 2: own = own[-1:]
    out = {f"category{j}": (e[j], (.8 if filled <= 3 else .65) / max(len(own), 1)) for j in own}
    u = (v == 0).astype(float); u[-1] = 1; out["unseen"] = (u, .05)
    return out
def family(name, share):
    if name.startswith("group"): return "group"
    if name.startswith("category"): return "common" if share >= .05 else "rare"
    if name.endswith("tail"): return "tail"
    return name

class Column:
    """One column of a reference, from the windows that are not dropped."""
    def __init__(self, kind, windows, nulls, total, total_nulls, foreign, dropped=None):
        self.kind, self.total, self.foreign = kind, total, foreign
        k = len(windows); self.learns = k >= LEAST_WINDOWS; self.places = k
        self.dropped = np.zeros(k, bool) if dropped is None else dropped
        if self.learns and dropped is None and k >= 12:
            found = Column(kind, windows, nulls, total, total_nulls, foreign, np.zeros(k, bool)).outlying()
            self.all = Column(kind, windows, nulls, total, total_nulls, foreign, np.zeros(k, bool)); self.dropped = found
        else: self.all = self
        C, nul = (windows[~self.dropped], nulls[~self.dropped]) if self.learns else (total[None], np.array([total_nulls]))
        C = C.astype(float); self.k = len(C); pooled = C.sum(0); N = pooled.sum(); M = N + nul.sum()
        scored = (numeric_scores if kind == "numeric" else categorical_scores)(total) if total.sum() else {}
        names = list(scored) + ["null"]; H = [scored[a][0] for a in scored]; S = len(names)
        n = np.column_stack([np.repeat(C.sum(1)[:, None], S - 1, 1), C.sum(1) + nul]); self.tot = n.sum(0)
        sums = np.column_stack([C @ h for h in H] + [nul.astype(float)]) if H else nul[:, None].astype(float)
        if "unseen" in names:
            j = names.index("unseen")
            if "only_here" in foreign:
                only = np.array(foreign["only_here"], float)
                if self.learns: sums[:, j] += only[~self.dropped]
                else: sums[0, j] += only.sum()
            elif "singletons" in foreign: sums[0, j] += foreign["singletons"]
            elif self.learns: sums[:, j] += np.where(windows[:, :-2] == total[None, :-2], windows[:, :-2], 0).sum(1)[~self.dropped]
            else: sums[0, j] += (total[:-2] == 1).sum()
            sums = np.minimum(sums, n)
        self.names, self.H = names, H; self.weight = [scored[a][1] for a in scored] + [.10]; self.is_share = np.array([a not in ("location", "spread") for a in names])
        self.X = sums.sum(0); self.mean = self.X / np.maximum(self.tot, 1); self.var = self.mean * (1 - self.mean); self.skew = np.zeros(S)
        for j in range(2):
            if S > 2 and not self.is_share[j]:
                p = pooled / N; m = p @ H[j]; self.mean[j] = m; self.var[j] = max(p @ (H[j] - m) ** 2, 1e-12); self.skew[j] = p @ (H[j] - m) ** 3 / self.var[j] ** 1.5
        self.n = n; y = sums / np.where(n > 0, n, 1); self.raw = y
        self.y = np.where(self.is_share, arcsine(y), y); self.centre = np.where(self.is_share, arcsine(self.mean), self.mean); self.unit = np.where(self.is_share, .25, self.var)
        self.nbar = (self.tot - (n ** 2).sum(0) / np.maximum(self.tot, 1)) / max(self.k - 1, 1); self.conc = (n ** 2).sum(0) / np.maximum(self.tot, 1) ** 2
        self.theta = np.zeros((len(CHANCES), S)); self.c = self.conc; self.bursty = np.zeros(S, bool); self.tail = np.inf
        self.bursts = bursts(C) if self.learns and kind == "categorical" else None
        if self.learns: self.disperse()
        self.pooled = pooled
        if kind == "categorical": self.fit_mix(C)
    def outlying(self):
        k = self.k; bad = np.zeros(k, bool); limit = stats.t.isf(.001 / (2 * k), k - 2)
        use = np.array([a not in FOREIGN and (not s or m >= .02) for a, s, m in zip(self.names, self.is_share, self.mean)])
        a = (np.abs(self.y - np.median(self.y, 0)) * np.sqrt(self.n))[:, use]; least = np.sqrt(self.unit[use])
        for _ in range(k // 10):
            b = a.copy(); b[bad] = 0; j = b.argmax(0); top = b.max(0); b[j, np.arange(b.shape[1])] = 0
            t = top / np.maximum(np.sqrt((b ** 2).sum(0) / (k - 2 - bad.sum())), least)
            if not len(t) or t.max() <= limit: break
            bad[j[t.argmax()]] = True
        return bad
    def disperse(self):
        e = self.y - self.centre; Q = (self.n * e ** 2).sum(0) / self.unit; up = 2 * (self.n * np.maximum(e, 0) ** 2).sum(0) / self.unit
        pearson = (self.n * (self.raw - self.mean) ** 2).sum(0) / np.maximum(self.var, 1e-300)
        self.bursty = self.is_share & (self.mean < .05) & (self.mean > 0) & (np.maximum(Q, pearson) > 3 * (self.k - 1))
        self.Q = np.where(self.bursty, np.maximum(np.maximum(Q, up), pearson), Q); self.D = self.Q / (self.k - 1)
        r = e * np.sqrt(self.n); r = r - r.mean(0); d = (r * r).sum(0); self.lag = np.where(d > 0, (r[1:] * r[:-1]).sum(0) / np.where(d > 0, d, 1), np.nan)
    def degrees(self, r): return max((self.k - 1) * (1 - r * r) / (1 + r * r), 1)
    def set_theta(self, r, prior):
        nu = self.degrees(r); L = (1 + r) / (1 - r); self.c = self.conc * L
        found = {}
        for j, a in enumerate(self.names):
            d0, D0 = (0, 1) if self.bursty[j] else prior.get(family(a, self.mean[j]), (0, 1))
            found[a] = self.Q[j] / (self.k - 1) * nu + d0 * D0, nu + d0
        for j, a in enumerate(self.names):
            q, f = found[a]; beside = self.bursts if a == "unseen" else found.get({"below": "low_tail", "above": "high_tail"}.get(a))
            if beside and beside[0] / beside[1] > q / f: q, f = beside
            if a == "unseen": self.bursty[j] |= q > 3 * f and self.mean[j] > 0
            self.theta[:, j] = np.maximum(q / chi_square_quantiles(f) - 1, 0) / self.nbar[j] / max(1 - L / self.k, .2) if self.nbar[j] > 0 else 0
    # ---- Pearson's statistic over cells
    def fit_mix(self, C):
        t = self.total.astype(float); known, N = t[:-2], t.sum(); self.mix = None
        if (t[:-1] > 0).sum() <= 3: return
        few = max(FEW, known[known > 0].min()) if t[-2] > 0 and (known > 0).any() else FEW
        own = [j for j in range(len(known)) if known[j] >= max(.005 * N, 20) and known[j] > few]; mid = [j for j in range(len(known)) if known[j] > few and j not in own]; b = min(30, len(mid))
        cell = np.full(len(t), len(own) + b); cell[own] = np.arange(len(own))
        for j in mid: cell[j] = len(own) + mix64(j) % b
        cells = len(own) + b + 1
        if cells < 4: return
        tally = lambda A: np.stack([np.bincount(cell, r, cells) for r in np.atleast_2d(A).astype(float)])
        X = tally(self.pooled)[0]
        X[-1] += self.pooled[:-2][known == few + 1].sum()
        if self.learns:
            low = self.pooled[None] - C <= few * (1 - 1 / len(C)); low[:, -2:] = True
            X[-1] = max(X[-1], np.where(low, C, 0).sum())
        self.mix = (tally, X); self.xtheta = np.zeros(len(CHANCES)); self.xvar = 0.0; N = self.pooled.sum()
        if not self.learns: return
        c, n = tally(C), C.sum(1); q, m, v = pearson(c, n, X - c, N - n); ratio = q / m
        self.xvar = ratio.var(ddof=1) / max(ratio.mean(), 1e-9) ** 2 * (1 + 3 / np.sqrt(self.k)); nu = min(2 * self.k / max(np.mean(v / m ** 2), self.xvar, 1e-9), 1e6)
        self.xtheta = np.maximum(ratio.mean() * nu / chi_square_quantiles(nu) - 1, 0) / self.nbar[0]
    # ---- judging
    def judge(self, bins, nulls):
        n = float(bins.sum()); out = {}
        for j, a in enumerate(self.names):
            of = n + nulls if a == "null" else n; N = self.tot[j]
            if of == 0 or N == 0: continue
            x = nulls if a == "null" else bins @ self.H[j]; base = 1 / of + 1 / N; R = 1 + self.theta[:, j] * (max(1, self.nbar[j] / of) + self.c[j]) / base; mean = self.mean[j]
            if self.is_share[j]:
                after = x / of; before = mean; one = a in ONE_SIDED and after <= before
                s = abs(float(signed_root(x, of, self.X[j], N))); g = abs(2 * (arcsine(after) - arcsine(before))) / np.sqrt(base); z = np.maximum(g / np.sqrt(R) + (s - g) / R, 0)
                size = 0.0 if one else share_size(before, after); lowest = max(s, g); half = min((self.X[j] + .5) / (N + 1), 1); var = half * (1 - half)
            else:
                before, after = 0.0, (x / of - mean) / np.sqrt(self.var[j]); s = abs(after) / np.sqrt(base); one = False
                k = np.sign(after) * self.skew[j] / np.sqrt(of) * (s * s - 1) / 6; s = s - min(max(k, 0), .3 * s); z = s / np.sqrt(R); size = abs(after); lowest = s; var = 1.0
            p = min(float((WEIGHTS * 2 * ndtr(-z)).sum()), 1)
            if self.tail < 50 and self.theta[SHOWN, j] > 0: p = max(p, 2 * stats.t.sf(-ndtri(max(p, 1e-300) / 2) * stats.t.isf(.25, self.tail) / .6745, self.tail))
            if self.bursty[j]:
                f = after / before; shape = before / ((1 - before) * base * R); p = max(p, min(2 * float((WEIGHTS * (stats.gamma.sf(f * shape, shape) if f > 1 else stats.gamma.cdf(f * shape, shape))).sum()), 1))
            if one: p = 1.0
            out[a] = dict(p=p, quiet=bool(one or lowest < 2), size=size, before=before, after=float(after), margin=float(1.96 * np.sqrt(var * base * R[SHOWN])), effective_size=float(1 / (1 / of + self.theta[SHOWN, j])), weight=float(self.weight[j]))
        if n == 0 or not len(self.H) or self.pooled.sum() == 0: return out
        if self.kind == "numeric":
            near = lambda x: np.convolve(np.pad(x, (4, 4)), np.ones(9), "valid"); x, X, N = bins[1:-1].astype(float), self.total[1:-1].astype(float), float(self.total.sum()); L, XL = near(x), near(X); i = np.arange(len(X))
            ok = (X <= .02 * N) & (XL <= .1 * N) & (i >= 4) & (i < len(X) - 4)
            if ok.any():
                z = np.where(L[ok] > 0, signed_root(x[ok], np.maximum(L[ok], 1e-9), np.minimum(1.5 * X[ok] + 1, .9 * (XL[ok] + 1)), XL[ok] + 1), 0); b = np.where(ok)[0][z.argmax()]
                before, after = X[b] / N, x[b] / n
                out["stuck"] = dict(p=float(min(ndtr(-z.max()) * ok.sum(), 1)), quiet=bool(z.max() < 2), bin=int(b + 1), size=share_size(before, after) if after > before else 0.0, before=before, after=after, weight=.10)
        elif self.mix:
            tally, X = self.mix; N = self.pooled.sum(); q, m, v = (float(a[0]) for a in pearson(tally(bins), np.array([n]), X[None], np.array([N])))
            base = 1 / n + 1 / N; R = 1 + self.xtheta * (max(1, self.nbar[0] / n) + self.conc[0]) / base; a = 1 / max(v / m ** 2, self.xvar); sd = m / np.sqrt(a)
            size = float(np.sqrt(max(q - m * R[SHOWN], 0) * base))
            out["mix"] = dict(p=min(float((WEIGHTS * (stats.gamma.sf(q / R, a, scale=m / a) / R + stats.invgamma.sf(q / R / m, 2 + a, scale=1 + a) * (1 - 1 / R))).sum()), 1), quiet=bool(q < m + 1.6 * sd), size=size, before=0.0, after=size, margin=float(np.sqrt(1.96 * sd * R[SHOWN] * base)), effective_size=float(1 / (1 / n + self.xtheta[SHOWN])), weight=.10)
        return out
def bursts(C):
    """Q and degrees of freedom of small categories: how often two records of a window are of the same one, of those that are small in the other windows."""
    K = C.sum(0)[:-2]; n = C.sum(1); N = n.sum(); C = C[:, :-2]; others = K - C
    small = (C > 0) & (others < np.maximum(.005 * (N - n), 20)[:, None])
    same = np.where(small, C * (C - 1 - (n - 1)[:, None] * others / np.maximum(N - n, 1)[:, None]), 0).sum(1); possible = np.where(small, C, 0).sum(1) * np.maximum(n - 1, 0)
    k, B = len(C), possible.sum()
    if k < 3 or B <= 0: return 0.0, 1.0
    theta = same.sum() / B; mean = n.sum() / k; D = max(1 + mean * theta, 0)
    relative = mean ** 2 * ((same - theta * possible) ** 2).sum() / B ** 2 * k / (k - 1) * (1 + 3 / np.sqrt(k)) / max(D, 1e-9) ** 2
    nu = min(max(2 / max(relative, 1e-9), .5), 1e6); return D * nu, nu
def mix64(j):
    m = (1 << 64) - 1; h = (j + 1) * 0x9e3779b97f4a7c15 & m; h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9 & m; h = (h ^ h >> 27) * 0x94d049bb133111eb & m
    return h ^ h >> 31
def pearson(c, n, X, N):
    n, N = np.asarray(n, float), np.asarray(N, float); T = c + X; A = n + N; e = T * (n / A)[:, None]
    q = np.where(T > 0, (c - e) ** 2 / np.where(T > 0, e, 1), 0).sum(1) * A / N; J = (T > 0).sum(1); h = np.where(T > 0, A[:, None] / np.where(T > 0, T, 1), 0).sum(1)
    m = A * (J - 1) / (A - 1); v1 = (J - 1) * (A - J) / (A - 1); v2 = (A - 2) / (A - 1); w1 = (h - J * J) / (A - 2); w2 = (A / N + A / n - 4) / (A - 2)
    return q, np.maximum(m, 1e-9), np.maximum(2 * A / (A - 3) * (v1 - w1) * (v2 - w2) + A * A / (A - 1) * w1 * w2, 1e-9)

# ---------- what is pooled ----------
def autocorrelation(columns, windows):
    lags = [r for c in columns if c.learns for r, d in zip(c.lag, c.D) if d > 2 and np.isfinite(r)]
    if windows < LEAST_WINDOWS or len(lags) < 3: return 0.0
    r = float(np.mean(lags)); r = min(max(r + (1 + 3 * r) / windows, 0), .9)
    return r if r > 2 / np.sqrt(windows * min(len(lags), 10)) else 0.0
DEGREES = np.array([2.5, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60])
def tail(columns, r, windows):
    masks = [c.dropped for c in columns if c.learns]; incident = np.sum(masks, 0) >= max(3, .2 * len(columns)) if masks else None; z = []
    for c in columns:
        if not c.learns: continue
        c = c.all; c.set_theta(r, {})
        for j, a in enumerate(c.names):
            if not c.D[j] > 2 or a in FOREIGN or (c.is_share[j] and c.mean[j] < .02): continue
            y = c.y[~incident, j]; k = len(y); e = (y - y.mean()) / np.sqrt(1 / c.n[~incident, j] + c.theta[SHOWN, j]); q = e / np.sqrt((e * e).sum() / (k - 1)) / np.sqrt(1 - 1 / k)
            t = q * np.sqrt((k - 2) / np.maximum(k - 1 - q * q, 1e-9)); z.append(np.abs(ndtri(np.clip(stats.t.sf(np.abs(t), k - 2), 1e-300, .5))))
    z = np.concatenate(z) if z else np.zeros(0)
    if len(z) < 200: return np.inf
    ratio = np.quantile(z, .98) / np.quantile(z, .5)
    if ratio < 3.45 + 2 * 3.45 * 1.3 / np.sqrt(.02 * len(z)) * .35: return np.inf
    return float(np.interp(-ratio, -np.array([stats.t.isf(.01, v) / stats.t.isf(.25, v) for v in DEGREES]), DEGREES))
def trigamma_inverse(x):
    y = .5 + 1 / x
    for _ in range(50): t = polygamma(1, y); y = y + t * (1 - t / x) / polygamma(2, y)
    return float(y)
def priors(columns, r):
    pools = {}
    for c in columns:
        if not c.learns: continue
        best = {}
        for j, a in enumerate(c.names):
            f = family(a, c.mean[j])
            if a not in FOREIGN and (f not in best or c.mean[j] > c.mean[best[f]]): best[f] = j
        for f, j in best.items():
            if c.D[j] > 0: pools.setdefault(f, []).append((c.D[j], c.degrees(r)))
    out = {}
    for f, pool in pools.items():
        if len(pool) < 5: continue
        D, nu = np.array(pool).T; e = np.log(D) - digamma(nu / 2) + np.log(nu / 2); v = e.var(ddof=1) - polygamma(1, nu / 2).mean(); d0 = 60.0 if v <= 0 else min(2 * trigamma_inverse(v), 60.0)
        out[f] = (d0 / 2, max(np.exp(e.mean() + digamma(d0 / 2) - np.log(d0 / 2)), 1.0))
    return out

# ---------- data ----------
BINS = 60
def zipf(K): p = 1 / np.arange(1, K + 1) ** 1.1; return p / p.sum()
CUTS = {"normal": ndtri(np.arange(1, BINS) / BINS), "poisson": ndtri(stats.poisson.cdf(np.arange(0, 12), 3.0)), "zeros": ndtri(.8 + .2 * np.arange(0, 40) / 40), "constant": np.array([-9.0, 9.0])}
SHARES = {"b30": np.array([.7, .3]), "b1": np.array([.99, .01]), "c5": zipf(5), "c10": zipf(10), "c50": zipf(50), "c200": zipf(200), "c1000": zipf(1000), "one": np.array([1.0])}
NUMERIC = {f"n{i}": "normal" for i in range(5)} | {"poisson": "poisson", "zeros": "zeros", "constant": "constant", "nothing": "normal"}
def effects(rng, k, sd, phi, df):
    e = rng.standard_normal(k) if df is None else rng.standard_t(df, k) / np.sqrt(df / (df - 2))
    if phi: e[1:] *= np.sqrt(1 - phi * phi); e = lfilter([1.], [1., -phi], e)
    return sd * e
def draw(rng, name, sizes, sd=0.0, phi=0.0, df=None, within=0.0, change=None, beyond=1e-4):
    k = len(sizes); q = np.full(k, 1.0 if name == "nothing" else .02 if change == "null" else .01)
    if sd and name != "nothing": q = rng.beta(q * (1 / sd ** 2 - 1), (1 - q) * (1 / sd ** 2 - 1))
    nulls = rng.binomial(sizes, q); m = sizes - nulls
    if name in NUMERIC:
        cuts = CUTS[NUMERIC[name]]
        if within:
            e = rng.standard_normal(m.sum() + 1); e[1:] *= np.sqrt(1 - within ** 2); x = lfilter([1.], [1., -within], e)[1:]; J = len(cuts) + 1
            C = np.bincount(np.repeat(np.arange(k), m) * J + np.searchsorted(cuts, x), minlength=k * J).reshape(k, J)
        else:
            s = effects(rng, k, sd, phi, df) + (.3 if change == "shift" else 0); v = np.exp(effects(rng, k, sd, phi, df)) * (1.6 if change == "spread" else 1)
            P = np.diff(np.column_stack([np.zeros(k), ndtr((cuts[None] - s[:, None]) / np.sqrt(v)[:, None]), np.ones(k)]), axis=1)
            if change == "stuck": P = P * .94; P[:, P.shape[1] // 2] += .06
            C = rng.multinomial(m, P)
        out = rng.binomial(C[:, [0, -1]], beyond); C[:, [0, -1]] -= out
        return np.column_stack([out[:, 0], C, out[:, 1]]), nulls
    p = SHARES[name]; P = np.repeat(p[None], k, 0)
    if change == "shares": P = P ** .8; P /= P.sum(1, keepdims=True)
    if sd and len(p) > 1: G = rng.standard_gamma(P / sd ** 2 + 1e-300); P = G / G.sum(1, keepdims=True)
    new = .003 if change == "unseen" else 0
    C = rng.multinomial(m, np.column_stack([P * (1 - new), np.full(k, new)]))
    return np.column_stack([C[:, :-1], np.zeros(k, int), C[:, -1]]), nulls
def known(C, D, own):
    """Bins of categories that the reference has, in the order of their counts; those beyond `own` bins are rare ones together."""
    t = C[:, :-2].sum(0); order = np.argsort(-t, kind="stable"); order = order[t[order] > 0]; few, rest = order[:own], order[own:]; gone = np.where(t == 0)[0]
    def fold(A): return np.column_stack([A[:, few], A[:, rest].sum(1), A[:, -1] + A[:, gone].sum(1)])
    only = np.where(C[:, :-2] == t[None], C[:, :-2], 0).sum(1)
    return fold(C), fold(D), only, int((t == 1).sum())

COLUMNS = ["n0", "n1", "n2", "n3", "n4", "poisson", "zeros", "constant", "nothing", "b30", "b1", "c5", "c10", "c50", "c200", "one"]
CASES = [
    ("independent", dict(k=24), {}), ("moving", dict(k=24), dict(sd=.15)), ("within", dict(k=24, columns=COLUMNS + ["c1000"]), dict(within=.9)), ("file", dict(k=0, columns=COLUMNS + ["c1000"]), {}),
    ("one_window", dict(k=1), {}), ("three", dict(k=3), dict(sd=.05)), ("six", dict(k=6), dict(sd=.15)), ("incident", dict(k=12, incident=[7]), dict(sd=.05)), ("sizes", dict(k=24, sizes=(200, 2000)), dict(sd=.15)),
    ("heavy", dict(k=48), dict(sd=.15, df=2.5)), ("alike", dict(k=60), dict(sd=.15, phi=.7)), ("rare", dict(k=24, columns=COLUMNS + ["c1000"], own=40), dict(sd=.05)), ("foreign_bins", dict(k=24, independent=True), dict(sd=.05, beyond=.02)),
]
CHANGES = [(1000, None), (1000, None), (200, None), (10000, None), (1000, "shift"), (1000, "spread"), (2000, "stuck"), (1000, "null"), (1000, "shares"), (1000, "unseen"), (30, "shift")]
def case(number, name, k, columns=COLUMNS, sizes=None, incident=(), own=10 ** 6, independent=False, data={}):
    rng = np.random.default_rng([20, number]); cols, fitted = [], []
    n = np.full(max(k, 1), 1000 if k else 20000) if sizes is None else rng.integers(*sizes, k)
    for c in columns:
        if data.get("within") and c not in NUMERIC: d = dict(sd=.05)
        else: d = dict(data)
        if c not in NUMERIC: d.pop("beyond", None)
        C, nulls = draw(rng, c, n, **{a: b for a, b in d.items() if c in NUMERIC or a in ("sd", "phi", "df")})
        for w in incident:
            if c in NUMERIC and c != "nothing": C[w], nulls[w] = (a[0] for a in draw(rng, c, n[w:w + 1], change="shift"))
        d.pop("within", None); D = [draw(rng, c, np.array([m]), change=ch, **{a: b for a, b in d.items() if c in NUMERIC or a == "sd"}) for m, ch in CHANGES]
        W, wn = np.concatenate([a for a, _ in D]), np.concatenate([b for _, b in D])
        foreign = {"independent": {}}
        if c not in NUMERIC:
            if independent: C[:, -1] += rng.binomial(20, .3, len(C))
            else: C, W, only, once = known(C, W, own); foreign = {"only_here": only.tolist()} if k else {"singletons": once}
        total, total_nulls = C.sum(0), int(nulls.sum())
        if not k: C, nulls = C[:0], nulls[:0]
        kind = "numeric" if c in NUMERIC else "categorical"; fitted.append(Column(kind, C, nulls, total, total_nulls, foreign))
        counts = lambda A, z: [dict(bins=a.tolist(), nulls=int(b)) for a, b in zip(A, z)]
        cols.append(dict(name=c, kind=kind, foreign=foreign, total=dict(bins=total.tolist(), nulls=total_nulls), windows=counts(C, nulls), judged=counts(W, wn)))
    r = autocorrelation(fitted, k); nu = tail(fitted, r, k); prior = priors(fitted, r)
    for f, c in zip(fitted, cols):
        if f.learns: f.set_theta(r, prior)
        f.tail = nu; c["left_out"] = int(f.dropped.sum())
        for w in c["judged"]: w["changes"] = f.judge(np.array(w["bins"]), w["nulls"])
    print(f"{name}: autocorrelation {r:.3f}, tail {nu:.1f}, priors {[(a, round(b[0], 1), round(float(b[1]), 1)) for a, b in prior.items()]}, left out {sum(c['left_out'] for c in cols)}, bursty {sum(int(f.bursty.sum()) for f in fitted)}")
    return dict(name=name, windows=k, autocorrelation=r, tail=nu if np.isfinite(nu) else None, columns=cols)
def rounded(x):
    """Ten digits are enough."""
    if isinstance(x, dict): return {a: rounded(b) for a, b in x.items()}
    if isinstance(x, list): return [rounded(a) for a in x]
    return float(f"{x:.10g}") if isinstance(x, float) else x
def main():
    cases = [case(i, name, **options, data=data) for i, (name, options, data) in enumerate(CASES)]
    text = json.dumps(rounded(dict(cases=cases)), separators=(",", ":"))
    with gzip.GzipFile(pathlib.Path(__file__).with_name("cases.json.gz"), "wb", mtime=0) as out: out.write(text.encode())
if __name__ == "__main__": main()
