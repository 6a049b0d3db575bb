package live

import (
	"testing"
	"time"
)

// BenchmarkUpdate is what the engine pays, four times a second.
func BenchmarkUpdate(b *testing.B) {
	v := &View{inbox: newInbox(), done: make(chan struct{})}
	p := sample()
	b.ReportAllocs()
	for b.Loop() {
		v.Update(p)
	}
}

// BenchmarkFrame is one change of the model and one drawing of it, at most eight times a second.
func BenchmarkFrame(b *testing.B) {
	m := &model{inbox: newInbox(), screen: *played(sample(), 160, 50)}
	p := sample()
	b.ReportAllocs()
	for b.Loop() {
		p.Elapsed += 250 * time.Millisecond
		m.inbox.put(p)
		m.take()
		if m.View().Content == "" {
			b.Fatal("nothing is drawn")
		}
	}
}
