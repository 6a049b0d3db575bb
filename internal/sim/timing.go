package sim

import "time"

// Timing is when the content of one answer was to come and when it was written, since the start of the request. All are 0
// if none came. Due times are what a client would measure on a machine without delays of its own.
type Timing struct {
	FirstDue  time.Duration `json:"first_due"`
	FirstSent time.Duration `json:"first_sent"`
	LastDue   time.Duration `json:"last_due"`
	LastSent  time.Duration `json:"last_sent"`
	Events    int           `json:"events"` // with content; 1 for an answer that is not streamed
}

// stopwatch fills in a Timing. It belongs to the exchange's goroutine.
type stopwatch struct {
	Timing
	waiting bool // content is made and not written yet
}

// made notes an event with content that is due after a time and will be written with the next flush.
func (w *stopwatch) made(due time.Duration) {
	if w.Events == 0 {
		w.FirstDue = due
	}
	w.LastDue = due
	w.Events++
	w.waiting = true
}

// sent notes that what was made is about to be written. A client cannot have it before.
func (w *stopwatch) sent(at time.Duration) {
	if !w.waiting {
		return
	}
	w.waiting = false
	if w.FirstSent == 0 {
		w.FirstSent = at
	}
	w.LastSent = at
}
