package admit

import (
	"math"
	"time"

	"sluice/internal/llm"
)

// horizon is the time over which the rate of starts is averaged: what is older counts less, by e in each such time. It is as long as the windows
// of most quotas, so that the burst at the beginning of one is not taken for the rate.
const horizon = time.Minute

// A rate that was seen for less than this, or in fewer starts, is not known; and a call is refused for it only if it is firm.
const (
	knownAge, knownStarts = 100 * time.Millisecond, 3
	firmAge, firmStarts   = time.Second, 8
	idle                  = 2 * time.Second // without a start, after which calls that wait for a quota are thought to wait for its next window
)

// drain is the rate at which the calls that wait in a lane get to start, there or at another of their targets, in tokens. Its clock goes only while
// somebody waits: what starts at once, or does not come, says nothing of what there could be.
type drain struct {
	score  [classes]float64 // tokens that have started, older ones weighed less
	at     time.Duration    // by the clock, when score was brought up to date
	busy   time.Duration    // the clock, when it was stopped last
	since  time.Time        // when it was started; zero while it stands
	ended  time.Time        // when it was stopped
	starts int
}

// begin starts the clock.
func (d *drain) begin(now time.Time) {
	if d.starts > 0 && now.Sub(d.ended) > keepIdle {
		*d = drain{}
	}
	d.since = now
}

// end stops the clock.
func (d *drain) end(now time.Time) {
	d.busy = d.clock(now)
	d.since, d.ended = time.Time{}, now
}

func (d *drain) clock(now time.Time) time.Duration {
	if d.since.IsZero() {
		return d.busy
	}
	return d.busy + now.Sub(d.since)
}

// add counts a call that has started.
func (d *drain) add(now time.Time, class llm.Class, tokens int64) {
	clock := d.clock(now)
	if passed := clock - d.at; passed > 0 {
		f := math.Exp(-passed.Seconds() / horizon.Seconds())
		for c := range d.score {
			d.score[c] *= f
		}
		d.at = clock
	}
	d.score[class] += float64(tokens)
	d.starts++
}

// speed is a rate of starts in tokens per second.
type speed struct {
	all   float64          // 0 if it is not known
	from  [classes]float64 // what is left to a class and those below it, when those above it have taken theirs
	calls float64          // most calls per second; 0 if that is not known

	left, callsLeft float64 // that start at once, before the rate counts

	firm bool
}

// leastLeft is the part of the whole rate that a class is thought to get in any case.
const leastLeft = 0.02

// speed returns the rate, which is at most what the target's quotas have. What the quotas have is all that is gone by before the rate was seen for
// two horizons, and whenever calls wait for a quota (short): one that was spent at once lets nothing start for most of a window, and that is not its
// rate. For the same reason a rate is not firm while nothing starts, where nothing is known of quotas.
func (d *drain) speed(now time.Time, tokens, calls float64, short bool) speed {
	s := speed{calls: calls, firm: tokens > 0 || calls > 0}
	age := d.clock(now)
	var above [classes]float64
	if age >= knownAge && d.starts >= knownStarts {
		f := math.Exp(-(age - d.at).Seconds() / horizon.Seconds())
		f /= horizon.Seconds() * (1 - math.Exp(-age.Seconds()/horizon.Seconds()))
		for c := range d.score {
			above[c] = s.all
			s.all += d.score[c] * f
		}
		s.firm = s.firm || age >= firmAge && d.starts >= firmStarts && (!short || age-d.at < idle || age >= 2*horizon)
	}
	if tokens > 0 && (s.all == 0 || tokens < s.all || age < 2*horizon || short) {
		for c := range above {
			above[c] *= tokens / max(s.all, tokens)
		}
		s.all = tokens
	}
	for c := range s.from {
		s.from[c] = max(s.all-above[c], s.all*leastLeft)
	}
	return s
}
