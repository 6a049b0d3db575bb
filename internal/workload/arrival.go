package workload

import (
	"math"
	"math/rand/v2"
	"time"
)

// Arrivals are drawn at a rate of one a unit of "work", and then set to the clock by the profile of the rate: the n-th
// request is sent when the integral of the rate has reached the n-th arrival. So one set of draws serves every rate,
// rising rates are exact, and no error adds up from one request to the next.

// leg is a part of a run over which the rate changes evenly.
type leg struct {
	lasts, from, to float64 // seconds, and requests a second
}

// profile is the rate over a run.
type profile []leg

// total returns the number of requests expected.
func (p profile) total() float64 {
	var sum float64
	for _, l := range p {
		sum += l.lasts * (l.from + l.to) / 2
	}
	return sum
}

// when returns the time at which so many requests are expected to have been sent; ok is false if the run ends before.
func (p profile) when(n float64) (seconds float64, ok bool) {
	var start float64
	for _, l := range p {
		work := l.lasts * (l.from + l.to) / 2
		if n < work {
			// The root of from*t + (to-from)/(2*lasts)*t^2 = n, in the form that does not cancel.
			slope := (l.to - l.from) / l.lasts
			if root := l.from + math.Sqrt(max(0, l.from*l.from+2*slope*n)); root > 0 {
				start += 2 * n / root
			}
			return start, true
		}
		n -= work
		start += l.lasts
	}
	return start, false
}

// startShare is the share of the rate at which a ramp begins, and the warm-up before it goes on.
const startShare = 0.1

// profile returns the rate over the run's phases. Nothing is sent in the cool-down.
func (a *Arrival) profile(p Phases) profile {
	start := a.Rate
	switch {
	case a.Process == Rising:
		return profile{
			{p.Warmup.Seconds(), a.From, a.From},
			{p.Ramp.Seconds(), a.From, a.From},
			{p.Sustain.Seconds(), a.From, a.Rate},
		}
	case p.Ramp > 0:
		start *= startShare
	}
	return profile{
		{p.Warmup.Seconds(), start, start},
		{p.Ramp.Seconds(), start, a.Rate},
		{p.Sustain.Seconds(), a.Rate, a.Rate},
	}
}

// gaps returns a function that gives, one after the other, the arrivals of a process whose gaps have the mean 1.
func (a *Arrival) gaps(src source) func() float64 {
	r := rand.New(rand.NewPCG(src.bits(0), src.bits(1)))
	var sum float64
	switch a.Process {
	case Constant, Rising:
		n := -1.0
		return func() float64 { n++; return n }
	case Gamma:
		return func() float64 { sum += gamma(r, a.Shape) / a.Shape; return sum }
	default:
		return func() float64 { sum += r.ExpFloat64(); return sum }
	}
}

// gamma draws from the gamma distribution with a shape and the scale 1: Marsaglia and Tsang, "A simple method for generating
// gamma variables", ACM TOMS 26 (2000), with their way for shapes below 1.
func gamma(r *rand.Rand, shape float64) float64 {
	boost := 1.0
	if shape < 1 {
		boost = math.Pow(1-r.Float64(), 1/shape)
		shape++
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if u := 1 - r.Float64(); math.Log(u) < x*x/2+d-d*v+d*math.Log(v) {
			return boost * d * v
		}
	}
}

// Total returns how long a run takes at most: arrivals, and the wait for the last answers.
func (p Phases) Total() time.Duration { return p.Warmup + p.Ramp + p.Sustain + p.Cooldown }

// At returns the phase at an offset from the start of the run.
func (p Phases) At(d time.Duration) Phase {
	switch {
	case d < p.Warmup:
		return Warmup
	case d < p.Warmup+p.Ramp:
		return Ramp
	case d < p.Warmup+p.Ramp+p.Sustain:
		return Sustain
	}
	return Cooldown
}

// Window returns the offsets between which a run is measured.
func (p Phases) Window() (from, to time.Duration) {
	return p.Warmup + p.Ramp, p.Warmup + p.Ramp + p.Sustain
}
