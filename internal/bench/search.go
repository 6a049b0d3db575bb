package bench

import (
	"context"
	"fmt"
	"math"

	"sluice/internal/report"
)

// Defaults of a search.
const (
	goodShare  = 0.99
	verifyRuns = 3
	closeness  = 0.05
)

// hunt looks for the highest rate at which a target holds, by asking for one trial after the other. It is a pure function of
// the answers.
//
//  1. Bracket: from the first rate up by doubling until one fails, or down by halving until one holds.
//  2. Bisect between the highest that held and the lowest that failed, by their geometric mean, until they are close.
//  3. Verify the highest that held, several times. If it fails once it is the lowest that failed, and the search goes on
//     between it and the next highest that held.
//
// Whatever counts as held is below whatever failed, at every time. It ends after steps trials at the latest.
type hunt struct {
	rate          float64   // of the next trial
	held          []float64 // rising; all below high
	high          float64   // lowest that failed; 0 if none
	within        float64
	verify, steps int
	most          float64 // no rate above it is tried; 0 for no limit

	doubted float64 // rate of the last trial that could not be believed; 0 if none

	verifying bool
	verified  int
	tried     int
	reason    string // why it has ended
}

func newHunt(rate, within float64, verify, steps int) *hunt {
	return &hunt{rate: rate, within: within, verify: verify, steps: steps}
}

// over reports whether there is nothing left to try.
func (h *hunt) over() bool { return h.reason != "" }

// low returns the highest rate that held, 0 if none did.
func (h *hunt) low() float64 {
	if len(h.held) == 0 {
		return 0
	}
	return h.held[len(h.held)-1]
}

// tell says how the trial at h.rate ended, and sets the next.
func (h *hunt) tell(held bool) {
	h.tried++
	switch {
	case held && h.verifying:
		h.verified++
	case held:
		h.held = append(h.held, h.rate)
	default:
		h.high, h.verifying, h.verified = h.rate, false, 0
		for h.low() >= h.high {
			h.held = h.held[:len(h.held)-1]
		}
	}
	low := h.low()
	switch {
	case h.verifying && h.verified >= h.verify:
		h.reason = fmt.Sprintf("held %d times in a row", h.verified)
	case h.tried >= h.steps:
		h.reason = fmt.Sprintf("the limit of %d load levels was met before a rate was verified", h.steps)
	case h.verifying:
	case low == 0:
		h.rate = h.high / 2
	case h.high == 0 && h.most > 0 && 2*low > h.most:
		h.reason = fmt.Sprintf("a schedule holds no more than %.4g requests a second for so long", h.most)
	case h.high == 0:
		h.rate = 2 * low
	case h.high <= low*(1+h.within):
		h.verifying, h.rate = true, low
	default:
		h.rate = math.Sqrt(low * h.high)
	}
}

// doubt says that the trial at h.rate cannot be believed, and why. It is tried once more: another program may have held the
// processor for a moment. After that this client is taken to be the limit, or the rate too low to send anything.
func (h *hunt) doubt(why string) {
	h.tried++
	switch {
	case h.doubted == h.rate:
		h.reason = fmt.Sprintf("no run at %.4g requests a second can be believed: %s", h.rate, why)
	case h.tried >= h.steps:
		h.reason = fmt.Sprintf("the limit of %d load levels was met before a rate was verified", h.steps)
	}
	h.doubted = h.rate
}

// search looks for the highest rate that each cell holds, the cells in turn.
func (s *suite) search(ctx context.Context) error {
	within, verify := s.o.Within, s.o.Verify
	if within <= 0 {
		within = closeness
	}
	if verify <= 0 {
		verify = verifyRuns
	}
	hunts := make([]*hunt, len(s.cells))
	for i := range hunts {
		hunts[i] = newHunt(s.firstRate(), within, verify, s.o.steps())
		hunts[i].most = s.o.Workload.MaxRate()
	}
	for round := 0; ; round++ {
		left := false
		for _, c := range s.order(round) {
			h := hunts[c.i]
			if h.over() || s.s.Stopped != "" {
				continue
			}
			left = true
			if err := s.try(ctx, c, h); err != nil {
				return err
			}
		}
		if !left {
			s.foundRest(hunts)
			return nil
		}
	}
}

// try does one trial of a search.
func (s *suite) try(ctx context.Context, c *cell, h *hunt) error {
	if err := s.run(ctx, c, h.verified, h.tried, h.steps, h.rate); err != nil {
		return err
	}
	switch {
	case s.s.Stopped != "":
		return nil
	case c.last.Verdict.State == Invalid:
		h.doubt(c.last.Verdict.Reasons[0])
	default:
		h.tell(s.holds(c.last))
	}
	if h.over() {
		s.found(c, h)
	}
	return nil
}

// holds reports whether a run met the SLO.
func (s *suite) holds(run *report.Run) bool {
	good := s.o.Good
	if good <= 0 {
		good = goodShare
	}
	return run.Stopped == "" && run.Summary.GoodFraction >= good && !Saturated(run)
}

func (s *suite) found(c *cell, h *hunt) {
	s.s.Found = append(s.s.Found, report.Found{Cell: c.target.Cell, Rate: h.low(), Verified: h.verified, Steps: h.tried, Reason: h.reason})
}

// foundRest notes the searches that were cut off.
func (s *suite) foundRest(hunts []*hunt) {
	for i, h := range hunts {
		if !h.over() {
			h.reason = "stopped: " + s.s.Stopped
			s.found(s.cells[i], h)
		}
	}
}
