package report

import "testing"

// TestTrials holds what the project promises of comparisons and histories: at most 5 % of pairs with false alarms, a
// slowdown of 10 % found at least 95 % of the time, and a change found within two runs.
func TestTrials(t *testing.T) {
	t.Parallel()
	var last Trials
	for range 2 { // it takes seconds: make bench-truth has more seeds
		const seed = 1
		got, err := RunTrials(seed)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("seed %d: %+v", seed, got)
		f := func(what string, v, least, most float64) {
			t.Helper()
			if v < least || v > most {
				t.Errorf("seed %d: %s are %.1f %%, want %.0f to %.0f %%", seed, what, v*100, least*100, most*100)
			}
		}
		f("false alarms of one target", got.Target.FalseAlarms, 0, 0.05)
		f("false alarms of a matrix", got.Matrix.FalseAlarms, 0, 0.05)
		f("slowdowns of one target found", got.Target.Found, 0.95, 1)
		f("its latencies found slower", got.Target.FoundEach, 0.9, 1)
		f("slowdowns in a matrix found", got.Matrix.Found, 0.85, 1)
		f("pairs with something else found", got.Matrix.Elsewhere, 0, 0.1)
		f("changes found", got.History.Found, 0.95, 1)
		f("changes where there are none", got.History.False, 0, 0.05)
		if last != (Trials{}) && got != last {
			t.Errorf("the same seed gives %+v and %+v", got, last)
		}
		last = got
	}
}
