package app

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"sluice/internal/store"
)

// TestCutCallsHaveRows has clients that do not read, so that only the cut at the drain's hard limit ends their calls: their
// rows are written all the same, and do not blame the clients.
func TestCutCallsHaveRows(t *testing.T) {
	t.Parallel()
	const calls = 40
	p := newProvider(t, false)
	g := start(t, account("p", p.URL)+"clients: {write_stall: 1m}\ndrain: {soft: 10ms, hard: 20ms}\nguards: {repetition: \"off\"}\n")
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", sse)
		big := `data: {"choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", 32<<10) + `"}}]}` + "\n\n"
		for r.Context().Err() == nil {
			send(w, big)
		}
	})
	for range calls {
		c := g.dial()
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(c, "POST /v1/chat/completions%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", q, len(askStream), askStream)
	}
	g.wantMetrics(fmt.Sprintf("sluice_open_streams %d", calls))
	g.stop()
	await(t, "the end", g.ended)
	s, err := store.Open(t.Context(), "", g.data)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, _, err := s.Calls(t.Context(), store.Filter{}, store.Cursor{}, 0)
	if err != nil || len(rows) != calls {
		t.Errorf("%d of %d calls have rows: %v", len(rows), calls, err)
	}
	for _, r := range rows {
		if r.Code != "draining" {
			t.Errorf("a call that was cut is %q in the ledger", r.Code)
		}
	}
}
