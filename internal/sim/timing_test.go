package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTimingIsWhatTheClientSees(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := steady(Speed{Overhead: 50 * time.Millisecond, Step: 10 * time.Millisecond})
		c.Record = 1
		s := newTimed(t, c)
		defer s.Close()
		const ms = time.Millisecond
		f := func(model, extra string, want Timing) {
			t.Helper()
			w := timed(t.Context(), s, model, "hi", extra)
			r := s.Requests()[0]
			if diff := cmp.Diff(want, r.Timing); diff != "" {
				t.Errorf("%s %s: %s", model, extra, diff)
			}
			if told := w.Header().Get("X-Request-Id"); r.ID != told || told == "" {
				t.Errorf("%s: id %q, the client was told %q", model, r.ID, told)
			}
		}
		f("sim-fast", `,"max_tokens":8,"ignore_eos":true`+streamed, Timing{50 * ms, 50 * ms, 120 * ms, 120 * ms, 8})
		f("sim-fast", `,"max_tokens":8,"ignore_eos":true`, Timing{130 * ms, 130 * ms, 130 * ms, 130 * ms, 1})
		// Headers and role come at once, content with its own delay.
		f("sim-fast:role-delay;delay=200ms", `,"max_tokens":2,"ignore_eos":true`+streamed, Timing{250 * ms, 250 * ms, 260 * ms, 260 * ms, 2})
		// What a stall holds back is due before it is written.
		f("sim-fast:stall;after=2;delay=1s", `,"max_tokens":3,"ignore_eos":true`+streamed, Timing{50 * ms, 50 * ms, 70 * ms, 1060 * ms, 3})
		f("sim-fast:503", streamed, Timing{})
	})
}
