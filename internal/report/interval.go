package report

import (
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/internal/stat"
)

// newStat sums up a figure over repeats. xs are the values of the runs that have it.
func newStat(xs []float64) Stat {
	if len(xs) == 0 {
		return Stat{}
	}
	s := Stat{N: len(xs), Mean: stat.Mean(xs), Min: xs[0], Max: xs[0]}
	for _, x := range xs {
		s.Min, s.Max = min(s.Min, x), max(s.Max, x)
	}
	s.Lo, s.Hi = s.Mean, s.Mean
	if s.N > 1 {
		s.Std = stat.Std(xs)
		s.Lo, s.Hi = stat.TInterval(xs, Confidence)
		s.Lo = max(s.Lo, 0) // no figure of a run can be below
		if s.Mean != 0 {
			s.CV = s.Std / math.Abs(s.Mean)
		}
	}
	return s
}

// percentile is a percentile that PooledDist has an interval of.
type percentile struct {
	q     float64
	least int // number of values at which it is sound
	at    func(*Intervals) *Interval
}

// percentiles are all of them. The numbers are costly to find: callers keep the slice.
func percentiles() []percentile {
	ps := []percentile{
		{q: .50, at: func(i *Intervals) *Interval { return &i.P50 }},
		{q: .90, at: func(i *Intervals) *Interval { return &i.P90 }},
		{q: .95, at: func(i *Intervals) *Interval { return &i.P95 }},
		{q: .99, at: func(i *Intervals) *Interval { return &i.P99 }},
		{q: .999, at: func(i *Intervals) *Interval { return &i.P999 }},
	}
	for i := range ps {
		ps[i].least = stat.MinSamples(ps[i].q)
	}
	return ps
}

// Marker says how far numbers of values carry the percentiles of this package.
type Marker struct{ ps []percentile }

// NewMarker returns a Marker. Its numbers are costly to find: keep it.
func NewMarker() *Marker { return &Marker{percentiles()} }

// Mark says how far n values carry the percentile q (0.5, 0.9, 0.95, 0.99 or 0.999); MarkOmitted for any other.
func (m *Marker) Mark(q float64, n int64) Mark {
	for i := range m.ps {
		if m.ps[i].q == q {
			return m.ps[i].mark(n)
		}
	}
	return MarkOmitted
}

// mark says how far n values carry the percentile.
func (p *percentile) mark(n int64) Mark {
	switch {
	case n >= int64(p.least):
		return MarkSound
	case float64(n) >= math.Round(1/(1-p.q)):
		return MarkWide
	}
	return MarkOmitted
}

// pooled is the distribution of s with intervals. It returns buf, perhaps grown.
func pooled(s *sample, ps []percentile, buf []float64) (PooledDist, []float64) {
	var p PooledDist
	p.Dist, buf = s.dist(buf)
	for i := range ps {
		iv := ps[i].at(&p.Interval)
		iv.Mark = ps[i].mark(s.n)
		if iv.Mark != MarkSound {
			continue
		}
		if s.hist != nil {
			iv.Lo, iv.Hi = histInterval(s.hist, ps[i].q, s.scale(), p.Min, p.Max)
			continue
		}
		lo, hi, ok := stat.QuantileInterval(buf, ps[i].q, Confidence)
		if !ok {
			iv.Mark = MarkWide
			continue
		}
		iv.Lo, iv.Hi = lo, hi
	}
	return p, buf
}

// pooledHist is pooled of a histogram.
func pooledHist(h *hdrhistogram.Histogram, ps []percentile, scale float64) PooledDist {
	p := PooledDist{Dist: histDist(h, scale)}
	for i := range ps {
		iv := ps[i].at(&p.Interval)
		if iv.Mark = ps[i].mark(p.N); iv.Mark == MarkSound {
			iv.Lo, iv.Hi = histInterval(h, ps[i].q, scale, p.Min, p.Max)
		}
	}
	return p
}

// histInterval is the interval of a percentile of a histogram's values. The ranks come from the normal approximation of the
// binomial distribution, widened by one on both sides.
func histInterval(h *hdrhistogram.Histogram, q, scale, least, most float64) (lo, hi float64) {
	const z = 1.959964 // of 95 %
	n := float64(h.TotalCount())
	half := z*math.Sqrt(n*q*(1-q)) + 1
	at := func(rank float64) float64 {
		v := float64(h.ValueAtPercentile(100*min(max(rank/n, 0), 1))) / scale
		return min(max(v, least), most)
	}
	return at(n*q - half), at(n*q + half)
}
