package pace

import (
	"encoding/json"
	"testing"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// FuzzReadLearned: whatever is in the file, it is read whole or refused, and a fleet can take it over.
func FuzzReadLearned(f *testing.F) {
	f.Add([]byte(`[{"Quota":"acme/*","Shape":{"Mode":3,"Window":60000000000,"Anchor":"2026-11-22T03:00:00Z"},"Latest":500000000,"Charge":1}]`))
	f.Add([]byte(`[{"Quota":"acme/*","Limits":[{"Dim":1,"Amount":5,"Per":60000000000}],"Shape":{"Mode":2,"Burst":3600000000000},"Charge":3}]`))
	f.Add([]byte(`[null]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := ReadLearned(text)
		if err != nil {
			return
		}
		g := newLabFleet(true)
		g.f.Recall(all)
		if l, r, _ := g.f.TryStart(g.t, limit.Try{Need: llm.Need{Input: 1, Output: 1}, Last: true}); r == Started {
			l.Done(Outcome{Used: true, Usage: llm.Usage{Input: 1, Output: 1}})
		}
		if again, err := json.Marshal(g.f.Learned()); err != nil {
			t.Error(err)
		} else if _, err := ReadLearned(again); err != nil {
			t.Errorf("%s cannot be read again: %v", again, err)
		}
	})
}
