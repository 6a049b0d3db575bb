package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sluice/internal/stat"
)

// Trials are the error rates of comparing and of finding changes, measured on runs that are drawn from known distributions.
type Trials struct {
	Target  PairTrials    `json:"target"` // suites of one cell
	Matrix  PairTrials    `json:"matrix"` // suites of four cells, one of which is slower: more chances of a false alarm, so more evidence is asked for
	History HistoryTrials `json:"history"`
}

// PairTrials are those of comparing pairs of suites.
type PairTrials struct {
	Pairs       int     `json:"pairs"`
	FalseAlarms float64 `json:"false_alarms"` // share of pairs without a difference in which any was found
	Found       float64 `json:"found"`        // share of pairs with a slower cell in which that cell was found worse
	FoundEach   float64 `json:"found_each"`   // share of the slower cell's latencies that were found worse
	Elsewhere   float64 `json:"elsewhere"`    // share of these pairs in which anything else was found different
}

// HistoryTrials are those of finding changes.
type HistoryTrials struct {
	Histories int     `json:"histories"`
	Found     float64 `json:"found"` // share of histories with a change that was found within two runs of the truth
	False     float64 `json:"false"` // share of histories without a change in which one was found
}

// The shape of trials, and their number.
const (
	trialPairs     = 200
	trialHistories = 500
	trialRepeats   = 5
	trialCV        = 0.03
	trialSlow      = 1.10
	trialCells     = 4
	trialRuns      = 60
)

// RunTrials compares pairs of suites with five repeats and a run-to-run variation of 3 %, by the default metrics and
// options: with nothing changed, and with all latencies of one cell up by 10 %. It also searches histories of 60 runs, with a
// step of 10 % somewhere in their middle half and without one. The result depends on the seed only.
func RunTrials(seed uint64) (Trials, error) {
	r := rand.New(rand.NewPCG(seed, 0x5ca1ab1e))
	target, err := runPairs(r, 1)
	if err != nil {
		return Trials{}, err
	}
	matrix, err := runPairs(r, trialCells)
	return Trials{Target: target, Matrix: matrix, History: runHistories(r)}, err
}

func share(n, of int) float64 { return float64(n) / float64(of) }

func runPairs(r *rand.Rand, cells int) (PairTrials, error) {
	var alarms, found, each, elsewhere int
	for range trialPairs {
		c, err := Compare(trialSuite(r, cells, 1), trialSuite(r, cells, 1), CompareOptions{})
		if err != nil {
			return PairTrials{}, err
		}
		if c.Counts.Worse+c.Counts.Better > 0 {
			alarms++
		}
		if c, err = Compare(trialSuite(r, cells, 1), trialSuite(r, cells, trialSlow), CompareOptions{}); err != nil {
			return PairTrials{}, err
		}
		slower, other := trialFindings(c)
		each += slower
		if slower > 0 {
			found++
		}
		if other {
			elsewhere++
		}
	}
	return PairTrials{
		Pairs: trialPairs, FalseAlarms: share(alarms, trialPairs), Found: share(found, trialPairs),
		FoundEach: share(each, trialPairs*trialLatencies), Elsewhere: share(elsewhere, trialPairs),
	}, nil
}

func runHistories(r *rand.Rand) HistoryTrials {
	var found, phantom int
	o := HistoryOptions{}.withDefaults()
	for range trialHistories {
		at := trialRuns/4 + r.IntN(trialRuns/2)
		if changeFound(findChanges(trialHistory(r, at), o), at) {
			found++
		}
		if len(findChanges(trialHistory(r, trialRuns), o)) > 0 {
			phantom++
		}
	}
	return HistoryTrials{Histories: trialHistories, Found: share(found, trialHistories), False: share(phantom, trialHistories)}
}

// trialLatencies is the number of latencies among the default metrics.
const trialLatencies = 4

// trialFindings counts the latencies of the slow cell that are found worse, and says whether anything else is found.
func trialFindings(c *Comparison) (slower int, other bool) {
	for _, d := range c.Differences {
		slow := d.Cell.Target == trialTarget(0) && d.Unit == "ms"
		switch {
		case slow && d.Outcome == Worse:
			slower++
		case d.Outcome == Worse, d.Outcome == Better:
			other = true
		}
	}
	return slower, other
}

func changeFound(points []stat.ChangePoint, at int) bool {
	return slices.ContainsFunc(points, func(c stat.ChangePoint) bool { return c.Index >= at-2 && c.Index <= at+2 })
}

func trialTarget(cell int) string { return fmt.Sprintf("p/m%d", cell) }

// trialHistory is a metric over many runs, with a step at one of them.
func trialHistory(r *rand.Rand, at int) []float64 {
	values := make([]float64, trialRuns)
	for i := range values {
		level := 100.0
		if i >= at {
			level *= trialSlow
		}
		values[i] = level * (1 + trialCV*r.NormFloat64())
	}
	return values
}

// trialSuite draws a suite whose first cell is slower by a factor. Half of the variance of a run is common to all its
// figures, as it is in practice: a busy hour slows everything.
func trialSuite(r *rand.Rand, cells int, slow float64) *Suite {
	s := &Suite{ID: "trial", Workload: Workload{Name: "trial", Hash: "trial"}, Started: time.Unix(0, 0)}
	for cell := range cells {
		for repeat := range trialRepeats {
			common := r.NormFloat64()
			noise := func() float64 { return 1 + trialCV*(common+r.NormFloat64())/math.Sqrt2 }
			factor := 1.0
			if cell == 0 {
				factor = slow
			}
			dist := func(p50 float64) Dist {
				p50 *= factor
				return Dist{N: 1000, P50: p50 * noise(), P95: 2 * p50 * noise(), P99: 3 * p50 * noise()}
			}
			const sent = 1000
			failed := int64(max(0, math.Round(10+math.Sqrt(9.9)*r.NormFloat64()))) // 1 %, by the normal approximation
			s.Runs = append(s.Runs, &Run{
				Cell: Cell{Target: trialTarget(cell)}, Repeat: repeat, Load: Load{Mode: "open", Process: "poisson", Rate: 10},
				Verdict: Verdict{State: "valid"},
				Summary: Summary{
					Requests: sent, OK: sent - failed, Failed: failed, TPS: 10 * noise(), OutputRate: 2000 * noise(),
					TTFT: dist(300), TPOT: dist(20), E2E: dist(4000), CostPerCall: 0.011 * noise(),
				},
			})
		}
	}
	return s
}
