package dialect_test

import (
	"encoding/json"
	"testing"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// FuzzAdapt holds that any request that a front reads is refused, or becomes JSON for each target; and that its answers can be turned back.
func FuzzAdapt(f *testing.F) {
	for i, from := range fronts() {
		for _, fixture := range fixtures(f, "requests", from) {
			f.Add(i, read(f, fixture))
		}
	}
	f.Fuzz(func(t *testing.T, front int, body []byte) {
		from := fronts()[uint(front)%uint(len(fronts()))]
		chat, e := dialect.Of(from).ReadChat(llm.OpChat, body)
		if e != nil {
			return
		}
		for _, col := range columns() {
			a, notes, e := dialect.Adapt(chat, from, col.to, col.traits)
			if e != nil {
				if e.Kind != llm.KindBadRequest || e.Param == "" {
					t.Errorf("%s: %v names no parameter", col.name, e)
				}
				continue
			}
			if out := a.AppendBody(nil); !json.Valid(out) {
				t.Errorf("%s: %s is no JSON, of %s", col.name, out, body)
			}
			if h, e := dialect.ApplyPolicy(dialect.Warn, notes, "m"); e != nil || len(h) > 4096 {
				t.Errorf("%s: header of %d bytes, %v", col.name, len(h), e)
			}
		}
	})
}
