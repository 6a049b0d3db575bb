package pace

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// What to reserve of an answer whose length nobody knows: its mean, or a quantile. A backlog of chats is sent for an hour against a quota
// of tokens for some 500 answers a minute. Each answer takes ten seconds, and only then is its length known.
//
// A provider that counts minutes takes what a settled answer left over for others of the same minute, so that only the surplus of those
// under way at its end is lost. One that counts seconds does not: all of it is lost.
func TestReserveTheMean(t *testing.T) {
	t.Parallel()
	const mean, answers, latency = 400.0, 500, 10
	const noBound = 10 // a second is eight answers, whose lengths vary as they do
	rnd := rand.New(rand.NewPCG(5, 6))
	lengths := make([]float64, 100_000)
	for i := range lengths {
		lengths[i] = float64(lognormal(rnd, mean))
	}
	sorted := slices.Sorted(slices.Values(lengths))
	f := func(name string, reserve float64, window int, usedLeast, usedMost, overMost float64) {
		t.Helper()
		const seconds = 3600
		quota := mean * answers / 60 * float64(window)
		used := make([]float64, seconds/window)
		type flight struct {
			end    int
			tokens float64
		}
		var under []flight
		held := 0.0
		next := 0
		for now := range seconds {
			w := now / window
			if now%window == 0 {
				held = 0
			}
			for len(under) > 0 && under[0].end <= now {
				if started := under[0].end - latency; started/window == w {
					held += under[0].tokens - reserve
				}
				under = under[1:]
			}
			for held+reserve <= quota*float64(now%window+1)/float64(window) {
				tokens := lengths[next%len(lengths)]
				next++
				held += reserve
				used[w] += tokens
				under = append(under, flight{now + latency, tokens})
			}
		}
		total := 0.0
		for _, u := range used {
			total += u / quota / float64(len(used))
		}
		over := slices.MaxFunc(used, cmp.Compare[float64])/quota - 1
		t.Logf("%-24s used %5.1f%% of the quota, at most %5.1f%% over in a window", name, total*100, max(over, 0)*100)
		if total < usedLeast || total > usedMost {
			t.Errorf("%s: used %.1f%%, want %.0f%% to %.0f%%", name, total*100, usedLeast*100, usedMost*100)
		}
		if over > overMost {
			t.Errorf("%s: %.1f%% over in a window, want at most %.0f%%", name, over*100, overMost*100)
		}
	}
	p80, p95 := sorted[len(sorted)*80/100], sorted[len(sorted)*95/100]
	f("minutes, mean", mean, 60, 0.97, 1.01, 0.06)
	f("minutes, 80th percentile", p80, 60, 0.9, 0.97, 0)
	f("minutes, 95th percentile", p95, 60, 0.7, 0.9, 0)
	f("seconds, mean", mean, 1, 0.95, 1.01, noBound)
	f("seconds, 80th percentile", p80, 1, 0.55, 0.7, noBound)
	f("seconds, 95th percentile", p95, 1, 0.3, 0.5, noBound)
}
