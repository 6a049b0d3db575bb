package bench

import (
	"math"
	"time"

	"sluice/internal/report"
	"sluice/internal/workload"
)

const (
	leastAnswered = 0.95 // of the offered rate, of a target that keeps up
	growth        = 1.25 // of what is in flight, from the first third of the window to the last
)

// Saturated reports whether the target did not keep up with the load of a run: over 5 % of the requests failed, or what is in
// flight grows through the whole window, or fewer than 95 % of the requests were answered while more and more were in
// flight. (Fewer answers alone may be those of the window's edge.) A closed loop never saturates its target.
func Saturated(run *report.Run) bool {
	if run.Load.Process == workload.Closed {
		return false
	}
	s := &run.Summary
	if s.Requests > 0 && float64(s.Failed) > (1-leastAnswered)*float64(s.Requests) {
		return true
	}
	first, middle, last := thirds(run)
	window := (run.To - run.From).Seconds()
	behind := window > 0 && s.TPS < leastAnswered*float64(s.Requests)/window
	return grows(first, last) && (grows(first, middle) && grows(middle, last) || behind)
}

// grows reports whether b is more than a by more than chance: arrivals that are random vary by their square root.
func grows(a, b float64) bool {
	return b > growth*a && b-a > 3*math.Sqrt(max(a, 1))
}

// thirds returns the mean number of requests in flight in each third of the window, by its whole seconds.
func thirds(run *report.Run) (first, middle, last float64) {
	from, to := int((run.From+time.Second-1)/time.Second), int(run.To/time.Second)
	to = min(to, len(run.Series))
	third := (to - from) / 3
	if third < 1 {
		return 0, 0, 0
	}
	mean := func(i int) float64 {
		var sum int64
		for _, x := range run.Series[from+i*third : from+(i+1)*third] {
			sum += x.InFlight
		}
		return float64(sum) / float64(third)
	}
	return mean(0), mean(1), mean(2)
}
