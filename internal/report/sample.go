package report

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/internal/stat"
)

// Limits of a sample's memory.
const (
	exactValues = 1_000_000 // values kept as they are, 8 MB; beyond, a histogram of 190 KB takes over
	chunkValues = 1 << 14

	histLowest  = 1
	histHighest = 3_600_000_000 // an hour in microseconds
	histDigits  = 3             // decimal digits that a histogram keeps of each value
)

// sample collects the values of one figure. Mean, standard deviation, minimum and maximum are exact; percentiles are exact up
// to exactValues values, and within 0.1 % beyond. The zero value is an empty sample of latencies in milliseconds.
type sample struct {
	chunks [][]float64
	hist   *hdrhistogram.Histogram // once there are too many values
	whole  bool                    // values are counts, not milliseconds

	n        int64
	mean, m2 float64 // Welford 1962
	min, max float64
}

func newHist() *hdrhistogram.Histogram {
	return hdrhistogram.New(histLowest, histHighest, histDigits)
}

// scale is how many of a histogram's units a value of 1 has.
func (s *sample) scale() float64 {
	if s.whole {
		return 1
	}
	return 1000 // microseconds of a millisecond
}

// addTime adds a latency, if there is one.
func (s *sample) addTime(d time.Duration, ok bool) {
	if ok {
		s.add(Milliseconds(d))
	}
}

func (s *sample) add(v float64) {
	if s.n == 0 || v < s.min {
		s.min = v
	}
	if s.n == 0 || v > s.max {
		s.max = v
	}
	s.n++
	d := v - s.mean
	s.mean += d / float64(s.n)
	s.m2 += d * (v - s.mean)
	if s.hist != nil {
		record(s.hist, v*s.scale())
		return
	}
	if s.n > exactValues {
		s.hist = s.histogram()
		s.chunks = nil
		record(s.hist, v*s.scale())
		return
	}
	if last := len(s.chunks) - 1; last < 0 || len(s.chunks[last]) == cap(s.chunks[last]) {
		// Small runs take little; chunks of one size let large ones grow without copies.
		size := min(chunkValues, max(64, int(s.n)))
		s.chunks = append(s.chunks, make([]float64, 0, size))
	}
	last := len(s.chunks) - 1
	s.chunks[last] = append(s.chunks[last], v)
}

// record puts v into h, at its edge if it lies beyond.
func record(h *hdrhistogram.Histogram, v float64) {
	_ = h.RecordValue(int64(math.Round(min(max(v, 0), histHighest)))) // cannot fail within the edges
}

// histogram returns the values as a histogram, in its units. The caller must not change it.
func (s *sample) histogram() *hdrhistogram.Histogram {
	if s.hist != nil {
		return s.hist
	}
	h := newHist()
	for _, c := range s.chunks {
		for _, v := range c {
			record(h, v*s.scale())
		}
	}
	return h
}

// sorted returns the values in order, in buf if it is large enough; ok is false if they are not kept.
func (s *sample) sorted(buf []float64) (xs []float64, ok bool) {
	if s.hist != nil {
		return buf[:0], false
	}
	xs = slices.Grow(buf[:0], int(s.n))
	for _, c := range s.chunks {
		xs = append(xs, c...)
	}
	slices.Sort(xs)
	return xs, true
}

// dist is the distribution of the values; percentiles are linear between ranks, as numpy's and vLLM's. It returns buf, perhaps grown, for the next one.
func (s *sample) dist(buf []float64) (Dist, []float64) {
	if s.n == 0 {
		return Dist{}, buf
	}
	xs, exact := s.sorted(buf)
	at := func(q float64) float64 { return stat.Quantile(xs, q) }
	if !exact {
		at = func(q float64) float64 { return s.clamp(float64(s.hist.ValueAtPercentile(q*100)) / s.scale()) }
	}
	d := distOf(at)
	d.N, d.Mean, d.Std, d.Min, d.Max = s.n, s.mean, math.Sqrt(s.m2/float64(s.n)), s.min, s.max
	return d, xs
}

func (s *sample) clamp(v float64) float64 { return min(max(v, s.min), s.max) }

// distOf fills the percentiles from their function.
func distOf(at func(q float64) float64) Dist {
	return Dist{
		P10: at(.10), P25: at(.25), P50: at(.50), P75: at(.75), P90: at(.90), P95: at(.95), P99: at(.99), P999: at(.999),
	}
}

// histDist is the distribution of a histogram's values, divided by scale.
func histDist(h *hdrhistogram.Histogram, scale float64) Dist {
	if h == nil || h.TotalCount() == 0 {
		return Dist{}
	}
	lo, hi := float64(h.Min())/scale, float64(h.Max())/scale
	d := distOf(func(q float64) float64 { return min(max(float64(h.ValueAtPercentile(q*100))/scale, lo), hi) })
	d.N, d.Mean, d.Std, d.Min, d.Max = h.TotalCount(), h.Mean()/scale, h.StdDev()/scale, lo, hi
	return d
}
