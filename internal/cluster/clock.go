package cluster

import "time"

// clock knows how far the server's clock is ahead of this machine's, from round trips: the server's time was read at some moment between
// sending and receiving, so half the round trip bounds the error. The best of the last samples counts; clocks drift apart by less than
// 100 ppm, which adds to the error of an old sample.
type clock struct {
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
	half := received.Sub(sent) / 2
	c.samples[c.n%len(c.samples)] = sample{server.Sub(sent.Add(half)), half, received}
	c.n++
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
	return time.UnixMilli(ms).Add(-offset), bound
}

// server returns the server's time of a local one.
func (c *clock) server(t, now time.Time) time.Time {
	offset, _ := c.offset(now)
	return t.Add(offset)
}
