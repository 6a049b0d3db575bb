package pace

import "time"

// windowSlices is the number of parts of the rolling window.
const windowSlices = 10

// window counts calls over a rolling time in slices, the oldest of which falls out as time passes.
type window struct {
	calls, failed [windowSlices]int32
	at            int64 // number of the youngest slice since the epoch
	length        time.Duration
}

// add counts a call that ended.
func (w *window) add(now, length time.Duration, failed bool) {
	w.turn(now, length)
	i := w.at % windowSlices
	w.calls[i]++
	if failed {
		w.failed[i]++
	}
}

// count returns the calls in the window and how many of them failed.
func (w *window) count(now, length time.Duration) (calls, failed int) {
	w.turn(now, length)
	for i := range windowSlices {
		calls += int(w.calls[i])
		failed += int(w.failed[i])
	}
	return calls, failed
}

// turn empties the slices whose time has come again. With another length the numbers of slices mean other times, so that all begins anew.
func (w *window) turn(now, length time.Duration) {
	if w.length != length {
		*w = window{length: length}
	}
	at := int64(now / max(length/windowSlices, 1))
	for n := min(at-w.at, windowSlices); n > 0; n-- {
		i := (at - n + 1) % windowSlices
		w.calls[i], w.failed[i] = 0, 0
	}
	w.at = max(w.at, at)
}
