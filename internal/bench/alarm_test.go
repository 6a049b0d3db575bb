package bench

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestAlarms checks both kinds: never early, past instants at once, and over when they are closed.
func TestAlarms(t *testing.T) {
	t.Parallel()
	for name, virtual := range map[string]bool{"precise": false, "timer": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a, release, err := newAlarm(ctx, virtual)
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			for _, d := range []time.Duration{5 * ms, 0, -time.Hour, time.Microsecond, 2 * ms} {
				at := time.Now().Add(d)
				if !a.until(at) || time.Now().Before(at) {
					t.Errorf("woke %v before the instant in %v", time.Until(at), d)
				}
			}
			woken := make(chan bool)
			go func() { woken <- a.until(time.Now().Add(time.Hour)) }()
			cancel()
			if <-woken {
				t.Error("an hour has passed")
			}
			if a.until(time.Now().Add(-time.Hour)) {
				t.Error("a closed alarm rings")
			}
		})
	}
}

// TestTimerAlarmIsExact holds the alarm of virtual time to the nanosecond, which the other tests build on.
func TestTimerAlarmIsExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, release, err := newAlarm(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		begin := time.Now()
		for i := range 1000 {
			at := begin.Add(time.Duration(i) * 1_234_567)
			if !a.until(at) || !time.Now().Equal(at) {
				t.Fatalf("alarm %d is late by %v", i, time.Since(at))
			}
		}
	})
}
