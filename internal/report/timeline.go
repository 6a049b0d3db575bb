package report

import "time"

const (
	// lineTicks bounds a timeline to 3 MB.
	lineTicks = 1 << 16
	// lineTick divides a second, and so does each of its doublings up to a second. Windows of whole seconds are therefore
	// counted exactly until a run lasts 18 hours. 65,536 ticks of it are 128 seconds.
	lineTick = time.Second / 512
)

// timeline counts what happened when, so that it can be asked afterwards about any window: where the measured window ends is
// known only once a run is over, and its requests are too many to keep. Time is cut into ticks; when a run outgrows lineTicks
// of them, pairs are merged and a tick is twice as long.
type timeline struct {
	tick  time.Duration
	ticks []tick
}

// tick is what happened within one tick. Offsets are from its begin, in nanoseconds, summed.
type tick struct {
	sent, ended, ok, good int32
	input                 int64 // tokens of those that were ok
	sentOffset, endOffset int64
	latency               int64 // dispatched to done of those sent here that have ended
	answered              int32 // how many latency counts
}

// at returns the tick that t lies in and the offset within it.
func (l *timeline) at(t time.Duration) (*tick, int64) {
	if l.tick == 0 {
		l.tick = lineTick
	}
	t = max(t, 0)
	for t/l.tick >= lineTicks {
		l.double()
	}
	i := int(t / l.tick)
	for len(l.ticks) <= i {
		l.ticks = append(l.ticks, tick{})
	}
	return &l.ticks[i], int64(t % l.tick)
}

// double merges ticks in pairs.
func (l *timeline) double() {
	half := (len(l.ticks) + 1) / 2
	for i := range half {
		t := l.ticks[2*i]
		if 2*i+1 < len(l.ticks) {
			o := l.ticks[2*i+1]
			width := int64(l.tick)
			t.sentOffset += o.sentOffset + int64(o.sent)*width
			t.endOffset += o.endOffset + int64(o.ended)*width
			t.sent, t.ended, t.ok, t.good, t.answered = t.sent+o.sent, t.ended+o.ended, t.ok+o.ok, t.good+o.good, t.answered+o.answered
			t.input, t.latency = t.input+o.input, t.latency+o.latency
		}
		l.ticks[i] = t
	}
	l.ticks = l.ticks[:half]
	l.tick *= 2
}

// add counts one request that was sent. good says that it met the limits.
func (l *timeline) add(r *Record, good bool) {
	sent, offset := l.at(r.Dispatched)
	sent.sent++
	sent.sentOffset += offset
	if r.Done == None {
		return
	}
	sent.latency += int64(r.Done - r.Dispatched)
	sent.answered++
	end, offset := l.at(r.Done)
	end.ended++
	end.endOffset += offset
	if r.OK {
		end.ok++
		end.input += r.Input
	}
	if good {
		end.good++
	}
}

// windowSum is what a timeline says about a window.
type windowSum struct {
	sent, ok, good, input float64
	inFlight              float64 // request-seconds
	latency, answered     float64 // seconds, of the requests sent in the window
}

// window sums up [from, to). Where an edge falls inside a tick, the tick's share of time is taken.
func (l *timeline) window(from, to time.Duration) windowSum {
	var s windowSum
	flying := int64(0) // at the begin of the tick
	for i := range l.ticks {
		t := &l.ticks[i]
		begin := time.Duration(i) * l.tick
		if begin >= to {
			break
		}
		if overlap := min(to, begin+l.tick) - max(from, begin); overlap > 0 {
			share := float64(overlap) / float64(l.tick)
			s.add(t, share)
			width := float64(l.tick)
			area := float64(flying)*width + float64(t.sent)*width - float64(t.sentOffset) - float64(t.ended)*width + float64(t.endOffset)
			s.inFlight += share * area / float64(time.Second)
		}
		flying += int64(t.sent) - int64(t.ended)
	}
	if end := time.Duration(len(l.ticks)) * l.tick; end < to {
		s.inFlight += float64(flying) * (to - max(from, end)).Seconds() // never ended
	}
	return s
}

func (s *windowSum) add(t *tick, share float64) {
	s.sent += share * float64(t.sent)
	s.ok += share * float64(t.ok)
	s.good += share * float64(t.good)
	s.input += share * float64(t.input)
	s.latency += share * float64(t.latency) / float64(time.Second)
	s.answered += share * float64(t.answered)
}
