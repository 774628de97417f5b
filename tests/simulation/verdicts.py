"""Quick exploration of the verdicts (numpy, loops)."""
from dataclasses import dataclass
import numpy as np

@dataclass(frozen=True)
class P:
    min_start: int = 28
    max_start: int = 56
    slack: float = 0.5
    on: float = 5
    off: float = 2.5
    cap: float = 10
    clip: float = 3
    centre: str = "mean"
    weekday: bool = False
    shrink: bool = False   # sd inflated while the start is short: predictive sqrt(1+1/n)
    freeze: bool = True
    mid: bool = False
    w_min: int = 28
    w_max: int = 56
    w_drop: float = 0.3
    w_on: float = 4
    w_off: float = 2
    w_cap: float = 8
    w_lo: float = 0.4
    w_hi: float = 0.95
    w_smooth: float = 0.0
    st_days: int = 5
    st_need: int = 10
    st_gone: int = 14

def valid(person):
    s = person.steps
    ok = np.nan_to_num(s, nan=0) >= 100
    if person.hourly is not None:
        ok &= (person.hourly > 0).sum(axis=1) >= 10
    ok[-1] = False
    return ok

def latch(c, on, off):
    out = np.zeros(len(c), bool); state = False
    for i, x in enumerate(c):
        state = x > on or (state and x >= off)
        out[i] = state
    return out

def activity(steps, ok, dow, p):
    """C down, C up per day, start index."""
    n = len(steps)
    down = np.zeros(n); up = np.zeros(n); count = np.zeros(n, int)
    sd_ = np.zeros(n, int); su_ = np.zeros(n, int)  # since
    ys = []; ds=[]; cd = cu = 0.0; m = s = None; since_d = since_u = -1
    k = 0
    for t in range(n):
        count[t] = min(k, p.max_start)
        if ok[t]:
            y = np.log(steps[t])
            if k >= p.min_start:
                if k <= p.max_start or m is None:
                    a = np.array(ys[: p.max_start])
                    if p.weekday:
                        d = np.array(ds[: p.max_start])
                        adj = np.zeros(7); g = a.mean()
                        for w in range(7):
                            r = a[d == w]
                            adj[w] = (r.sum() - len(r)*g) / (len(r) + 2)  # shrunk
                        a = a - adj[d]
                    if p.centre == "mean":
                        m, s = a.mean(), a.std(ddof=1)
                    elif p.centre == "median":
                        m = np.median(a); s = 1.4826 * np.median(abs(a - m))
                    elif p.centre == "medsd":
                        m, s = np.median(a), a.std(ddof=1)
                    elif p.centre == "wins":
                        m = np.median(a); s0 = 1.4826*np.median(abs(a-m)); b = np.clip(a, m-2.5*s0, m+2.5*s0); m, s = b.mean(), b.std(ddof=1)
                    if p.shrink: s = s * np.sqrt(1 + 1/len(a)) * (1 + 1/(4*(len(a)-1)))
                yy = y - (adj[dow[t]] if p.weekday else 0)
                z = np.clip((yy - m) / s, -p.clip, p.clip)
                if cd == 0: since_d = t
                if cu == 0: since_u = t
                cd = min(p.cap, max(0, cd - z - p.slack)); cu = min(p.cap, max(0, cu + z - p.slack))
            if k < p.max_start:
                ys.append(y); ds.append(dow[t])
            k += 1
        down[t], up[t] = cd, cu
        sd_[t], su_[t] = since_d, since_u
    return down, up, count, sd_, su_

def wear(ok, first, p):
    n = len(ok); c = np.zeros(n); cs = 0.0; since=np.zeros(n,int); sc=-1; r=np.full(n,np.nan)
    for t in range(first, n-1):
        k = t - first
        if k >= p.w_min:
            m = min(k, p.w_max)
            rate = (ok[first:first+m].sum() + p.w_smooth) / (m + 2*p.w_smooth)
            p0 = min(max(rate, p.w_lo), p.w_hi); p1 = p0 - p.w_drop
            r[t]=p0
            inc = np.log(p1/p0) if ok[t] else np.log((1-p1)/(1-p0))
            if cs == 0: sc = t
            cs = min(p.w_cap, max(0, cs + inc))
        c[t] = cs; since[t]=sc
    c[n-1] = cs
    return c, since, r

def hours_low(person, ok, p):
    n=len(ok); out=np.zeros(n,bool)
    if person.hourly is None: return out
    h=(person.hourly>0).sum(axis=1).astype(float)
    rec = h>0
    idx=np.flatnonzero(rec)
    if len(idx)<p.min_start: return out
    for t in range(n):
        k=(idx<t).sum()
        if k<p.min_start: continue
        start=np.median(h[idx[:min(k,p.max_start)]])
        rd=[i for i in idx if t-13<=i<=t]
        if rd: out[t]=np.median(h[rd])<0.8*start
    return out

def statuses(person, p, dow):
    ok = valid(person); n=len(ok)
    first = person.course.first
    out = np.array(["none"]*n, dtype=object)
    if first >= n: return out, {}
    cd, cu, count, sd_, su_ = activity(person.steps, ok, dow, p)
    dl, ul = latch(cd, p.on, p.off), latch(cu, p.on, p.off)
    cw, sw, r = wear(ok, first, p)
    wl = latch(cw, p.w_on, p.w_off)
    hl = hours_low(person, ok, p)
    L = None; oks = np.cumsum(np.r_[0, ok.astype(int)])
    for t in range(first, n):
        if ok[t]: L = t
        stopped = False
        if L is not None:
            steady = oks[L+1]-oks[max(0,L-13)] >= p.st_need
            stopped = (t-L >= p.st_days and steady) or t-L >= p.st_gone
        if L is None: out[t] = "never_started" if t-first>=7 else "new"
        elif stopped: out[t]="stopped"
        elif wl[t] or hl[t]: out[t]="wearing_less"
        elif oks[t] < p.min_start: out[t]="new"
        elif dl[t] and ul[t]: out[t]="declining" if cd[t]>=cu[t] else "increasing"
        elif dl[t]: out[t]="declining"
        elif ul[t]: out[t]="increasing"
        else: out[t]="stable"
    return out, dict(cd=cd,cu=cu,dl=dl,ul=ul,wl=wl,hl=hl,cw=cw,sd=sd_,su=su_,sw=sw,ok=ok,count=count)
