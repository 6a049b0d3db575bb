package pace

import (
	"fmt"
	"sync/atomic"
	"testing"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// BenchmarkTryStartDone starts and ends calls where nothing is short and nothing is to be learned, at one account for all cores or at one for each.
func BenchmarkTryStartDone(b *testing.B) {
	roomy := limit.Terms{Limits: []limit.Limit{perMinute(limit.Requests, 1<<40), perMinute(limit.Tokens, 1<<40)}, Concurrency: 1000, Shape: limit.Shape{Mode: limit.Bucket}}
	run := func(name string, accounts int, q ...QuotaLimits) {
		b.Run(name, func(b *testing.B) {
			var l Limits
			for i := range accounts {
				l.Providers = append(l.Providers, ProviderLimits{Name: fmt.Sprint("p", i), Concurrency: 1000, Quotas: q})
			}
			f := New(l, Breaker{})
			var next atomic.Int64
			try := limit.Try{Need: llm.Need{Input: 1000, Output: 100}}
			for range 3 * scoutEnough { // where nothing is declared, so many have to be accepted before nothing is expected to be refused
				if l, r, _ := f.TryStart(at("p0", "m"), try); r == Started {
					l.Done(Outcome{Used: true})
				}
			}
			b.ResetTimer()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				tg := at(fmt.Sprint("p", next.Add(1)%int64(accounts)), "m")
				for pb.Next() {
					l, r, _ := f.TryStart(tg, try)
					if r != Started {
						b.Error(r)
						return
					}
					l.Done(Outcome{Used: true, Usage: llm.Usage{Input: 1000, Output: 80}})
				}
			})
		})
	}
	run("no quota", 1)
	run("quota", 1, of(roomy, "m"))
	run("quota, an account for each core", 8, of(roomy, "m"))
}
