//go:build linux

package rig

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram collects durations of up to two minutes, to three digits. The zero Histogram is not ready for use. It is for one
// goroutine at a time.
type Histogram struct{ h *hdrhistogram.Histogram }

// NewHistogram returns an empty histogram.
func NewHistogram() Histogram {
	return Histogram{hdrhistogram.New(1, int64(2*time.Minute), 3)}
}

// Record adds a time in nanoseconds, moved into the range.
func (h Histogram) Record(ns int64) {
	// RecordValue fails for values out of range only.
	_ = h.h.RecordValue(min(max(ns, 1), h.h.HighestTrackableValue()))
}

// Quantiles of a distribution, in nanoseconds. N is 0 if nothing was recorded.
type Quantiles struct {
	N                  int64
	P50, P90, P99, Max int64
}

// Quantiles returns those of what was recorded.
func (h Histogram) Quantiles() Quantiles {
	return Quantiles{
		N: h.h.TotalCount(), P50: h.h.ValueAtQuantile(50), P90: h.h.ValueAtQuantile(90), P99: h.h.ValueAtQuantile(99), Max: h.h.Max(),
	}
}
