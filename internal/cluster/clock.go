package cluster

import "time"

// clock knows how far the server's clock is ahead of this machine's, from round trips: the server's time was read at some moment between
// sending and receiving, so half the round trip bounds the error. The best of the last samples counts; clocks drift apart by less than
// 100 ppm, which adds to the error of an old sample.
//
// Local time is counted from the first sample on by the monotonic clock: setting the machine's clock changes nothing. A server whose clock
// was set, or another one in its place, is noticed by a sample that contradicts the others, which are forgotten.
type clock struct {
	base    time.Time
	samples [32]sample
	n       int
}

type sample struct {
	offset time.Duration // server less local
	err    time.Duration
	at     time.Time
}

// drift is how far two clocks may part.
const drift = 100e-6

func (c *clock) observe(sent, received, server time.Time) {
	if c.base.IsZero() {
		c.base = sent
	}
	half := received.Sub(sent) / 2
	s := sample{server.Sub(c.wall(sent.Add(half))), half, received}
	if offset, bound := c.offset(received); c.n > 0 && (s.offset-offset).Abs() > bound+half+time.Millisecond {
		c.n = 0
	}
	c.samples[c.n%len(c.samples)] = s
	c.n++
}

// wall returns what the wall clock would show at a time if it had not been set since the first sample.
func (c *clock) wall(t time.Time) time.Time { return c.base.Add(t.Sub(c.base)).Round(0) }

// sure reports whether the error is small enough to go by windows of a second; after some samples it is as small as it gets.
func (c *clock) sure(now time.Time) bool {
	_, bound := c.offset(now)
	return c.n >= 5 || c.n > 0 && bound <= 20*time.Millisecond
}

// offset returns the best estimate and its error bound.
func (c *clock) offset(now time.Time) (offset, bound time.Duration) {
	first := true
	for i := range min(c.n, len(c.samples)) {
		s := c.samples[i]
		err := s.err + time.Duration(drift*float64(max(now.Sub(s.at), 0))) + time.Millisecond
		if first || err < bound {
			offset, bound, first = s.offset, err, false
		}
	}
	return offset, bound
}

// local returns the local time of the server's time in milliseconds, and the error bound.
func (c *clock) local(ms int64, now time.Time) (t time.Time, bound time.Duration) {
	offset, bound := c.offset(now)
	return c.base.Add(time.UnixMilli(ms).Add(-offset).Sub(c.base.Round(0))), bound
}

// server returns the server's time of a local one.
func (c *clock) server(t, now time.Time) time.Time {
	offset, _ := c.offset(now)
	return c.wall(t).Add(offset)
}
