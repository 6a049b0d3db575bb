package report

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	maxBins   = 120 // of a run: as many points as a chart shows
	minBins   = 8   // that are left when pairs are merged for want of requests
	binFill   = 100 // requests in a bin, on average, from which on its p99 is not its maximum
	binDigits = 2   // decimal digits of the latencies in a bin
)

// bins collect latencies over time. A bin is a second at first; when a run outgrows maxBins, pairs are merged, and again at the
// end if they hold few requests.
type bins struct {
	width time.Duration
	bins  []bin
}

// bin is one of them. Packed histograms take room for the values that occur only.
type bin struct{ ttft, tpot, e2e *packed }

// packed is a histogram of microseconds with the exact mean and maximum.
type packed struct {
	h        *hdrhistogram.PackedHistogram
	sum, max float64 // milliseconds
}

func (p *packed) add(d time.Duration, ok bool) {
	if !ok {
		return
	}
	if p.h == nil {
		p.h = hdrhistogram.NewPacked(histLowest, histHighest, binDigits)
	}
	ms := Milliseconds(d)
	p.sum += ms
	p.max = max(p.max, ms)
	_ = p.h.RecordValue(min(max(int64(d/time.Microsecond), 0), histHighest)) // cannot fail within the edges
}

func (p *packed) count() int64 {
	if p.h == nil {
		return 0
	}
	return p.h.TotalCount()
}

func (p *packed) merge(o *packed) {
	switch {
	case o.h == nil:
		return
	case p.h == nil:
		p.h = o.h
	default:
		p.h.Merge(o.h)
	}
	p.sum += o.sum
	p.max = max(p.max, o.max)
}

func (p *packed) quantiles() Quantiles {
	if p.h == nil {
		return Quantiles{}
	}
	at := p.h.ValueAtPercentilesSlice([]float64{50, 95, 99})
	n := p.h.TotalCount()
	ms := func(v int64) float64 { return min(float64(v)/1000, p.max) }
	return Quantiles{N: n, Mean: p.sum / float64(n), P50: ms(at[0]), P95: ms(at[1]), P99: ms(at[2]), Max: p.max}
}

// add takes one successful request, by the instant at which it was scheduled: a stall shows where it began.
func (b *bins) add(r *Record) {
	at := r.Scheduled
	if at == None {
		at = r.Dispatched
	}
	if b.width == 0 {
		b.width = time.Second
	}
	for at/b.width >= maxBins {
		b.double()
	}
	i := max(0, int(at/b.width))
	for len(b.bins) <= i {
		b.bins = append(b.bins, bin{&packed{}, &packed{}, &packed{}})
	}
	b.bins[i].ttft.add(r.TTFT())
	b.bins[i].tpot.add(r.TPOT())
	b.bins[i].e2e.add(r.E2ESched())
}

func (b *bins) double() {
	for i := 1; i < len(b.bins); i += 2 {
		b.bins[i-1].ttft.merge(b.bins[i].ttft)
		b.bins[i-1].tpot.merge(b.bins[i].tpot)
		b.bins[i-1].e2e.merge(b.bins[i].e2e)
	}
	half := (len(b.bins) + 1) / 2
	for i := range half {
		b.bins[i] = b.bins[2*i]
	}
	clear(b.bins[half:])
	b.bins = b.bins[:half]
	b.width *= 2
}

// filled merges pairs until bins hold enough requests for their percentiles, as far as there are bins to merge.
func (b *bins) filled() {
	var n int64
	for _, x := range b.bins {
		n += x.e2e.count()
	}
	for len(b.bins) >= 2*minBins && n < binFill*int64(len(b.bins)) {
		b.double()
	}
}

func (b *bins) result() []Bin {
	b.filled()
	out := make([]Bin, 0, len(b.bins))
	for i, x := range b.bins {
		from := time.Duration(i) * b.width
		out = append(out, Bin{From: from, To: from + b.width, TTFT: x.ttft.quantiles(), TPOT: x.tpot.quantiles(), E2E: x.e2e.quantiles()})
	}
	return out
}
