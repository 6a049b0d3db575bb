package report

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/internal/workload"
)

// Aggregate returns the figures of a suite: one result for each cell and step, sorted by target, region, gateway and step.
// records yields the records of a cell, from which pooled distributions come; with nil, or where the file is gone, they come
// from the runs' histograms, which is 0.1 % less exact. Records of runs that are not in the suite are passed over, rows that cannot be read are counted.
func Aggregate(s *Suite, records func(Cell) iter.Seq2[*Record, error]) ([]CellResult, error) {
	groups := map[Cell]map[int][]*Run{}
	for _, run := range s.Runs {
		if groups[run.Cell] == nil {
			groups[run.Cell] = map[int][]*Run{}
		}
		groups[run.Cell][run.Step] = append(groups[run.Cell][run.Step], run)
	}
	var results []CellResult
	ps := percentiles()
	for _, cell := range slices.SortedFunc(maps.Keys(groups), compareCell) {
		pools, bad, err := poolsOf(groups[cell], cell, records, ps)
		if err != nil {
			return nil, err
		}
		for _, step := range slices.Sorted(maps.Keys(groups[cell])) {
			r := newCellResult(groups[cell][step])
			r.Pooled, r.BadRows = pools[step], bad
			results = append(results, r)
		}
	}
	markBest(results)
	return results, nil
}

func compareCell(a, b Cell) int {
	return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Via, b.Via),
		cmp.Compare(a.Dialect, b.Dialect), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model))
}

// pool collects the values of one step of one cell.
type pool struct{ ttft, ttftSched, tpot, e2e, e2eSched sample }

func (p *pool) add(r *Record) {
	p.ttft.addTime(r.TTFT())
	p.ttftSched.addTime(r.TTFTSched())
	p.tpot.addTime(r.TPOT())
	p.e2e.addTime(r.E2E())
	p.e2eSched.addTime(r.E2ESched())
}

// poolsOf returns the pooled distributions of a cell by step. It holds the values of one cell at a time.
func poolsOf(steps map[int][]*Run, cell Cell, records func(Cell) iter.Seq2[*Record, error], ps []percentile) (map[int]Pooled, int, error) {
	out := map[int]Pooled{}
	if records == nil {
		return poolHists(steps, ps)
	}
	pools, of := map[int]*pool{}, map[string]*pool{}
	for step, runs := range steps {
		pools[step] = &pool{}
		for _, run := range runs {
			of[run.ID] = pools[step]
		}
	}
	bad := 0
	for r, err := range records(cell) {
		if row := (*RowError)(nil); errors.As(err, &row) {
			bad++
			continue
		}
		if errors.Is(err, fs.ErrNotExist) { // records are large: a suite may be kept without them
			return poolHists(steps, ps)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("pool records of %s: %w", cell.Target, err)
		}
		if p := of[r.Run]; p != nil && r.OK && r.Phase == workload.Sustain {
			p.add(r)
		}
	}
	for step, p := range pools {
		d := p.result(ps)
		var err error
		if d.ICL, err = pooledOfRuns(steps[step], ps, func(r *Run) string { return r.Gaps }); err != nil {
			return nil, 0, err
		}
		out[step] = d
	}
	return out, bad, nil
}

// result is all but ICL, of which records say nothing.
func (p *pool) result(ps []percentile) (d Pooled) {
	var buf []float64
	for _, x := range []struct {
		to   *PooledDist
		from *sample
	}{{&d.TTFT, &p.ttft}, {&d.TTFTSched, &p.ttftSched}, {&d.TPOT, &p.tpot}, {&d.E2E, &p.e2e}, {&d.E2ESched, &p.e2eSched}} {
		*x.to, buf = pooled(x.from, ps, buf)
	}
	return d
}

// poolHists is poolsOf without records.
func poolHists(steps map[int][]*Run, ps []percentile) (map[int]Pooled, int, error) {
	out := map[int]Pooled{}
	for step, runs := range steps {
		p, err := pooledOfHists(runs, ps)
		if err != nil {
			return nil, 0, err
		}
		out[step] = p
	}
	return out, 0, nil
}

// pooledOfHists makes the distributions from the histograms of runs.
func pooledOfHists(runs []*Run, ps []percentile) (p Pooled, err error) {
	for _, x := range []struct {
		to   *PooledDist
		text func(*Run) string
	}{
		{&p.TTFT, func(r *Run) string { return r.Hists[HistTTFT] }},
		{&p.TTFTSched, func(r *Run) string { return r.Hists[HistTTFTSched] }},
		{&p.TPOT, func(r *Run) string { return r.Hists[HistTPOT] }},
		{&p.E2E, func(r *Run) string { return r.Hists[HistE2E] }},
		{&p.E2ESched, func(r *Run) string { return r.Hists[HistE2ESched] }},
		{&p.ICL, func(r *Run) string { return r.Gaps }},
	} {
		if *x.to, err = pooledOfRuns(runs, ps, x.text); err != nil {
			return p, err
		}
	}
	return p, nil
}

// pooledOfRuns merges one histogram of each run.
func pooledOfRuns(runs []*Run, ps []percentile, text func(*Run) string) (PooledDist, error) {
	var sum *hdrhistogram.Histogram
	for _, run := range runs {
		h, err := DecodeHist(text(run))
		if err != nil {
			return PooledDist{}, fmt.Errorf("pool run %s: %w", run.ID, err)
		}
		switch {
		case h == nil:
		case sum == nil:
			sum = h
		default:
			sum.Merge(h)
		}
	}
	return pooledHist(sum, ps, 1000), nil
}
