package app

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// reload writes a configuration and waits until it is in force, or refused.
func (g *gate) reload(yaml string) error {
	g.t.Helper()
	g.configure(yaml)
	return g.Reload(g.t.Context())
}

// TestReloadKeepsCalls changes everything under a stream: it goes on, and its row names the configuration it began with.
func TestReloadKeepsCalls(t *testing.T) {
	t.Parallel()
	p, other := newProvider(t, false), newProvider(t, false)
	g := start(t, account("p", p.URL))
	before := g.gateway.Snapshot().ID
	s := g.openStream(t, p)
	if err := g.reload(account("other", other.URL) + "timeouts: {total: 5s}\nretry: {attempts: 2}\n"); err != nil {
		t.Fatal(err)
	}
	after := g.gateway.Snapshot().ID
	if before == after {
		t.Fatal("the snapshot is the same")
	}
	fresh := g.post("/chat/completions"+other.script(say(jsonBody, whole)), askWhole)
	if fresh.status != 200 || fresh.header.Get("X-Sluice-Target") != "other/m" {
		t.Errorf("a call after the reload: status %d, target %q", fresh.status, fresh.header.Get("X-Sluice-Target"))
	}
	close(s.goOn)
	rp := s.rest()
	if rp.err != nil || rp.body != role+hello+stopped+done {
		t.Errorf("the stream did not finish: %v, %q", rp.err, rp.body)
	}
	if row := g.row(rp); row.Snapshot != before || row.Code != "" || row.Target != "p/m" {
		t.Errorf("row %+v, want snapshot %s", row, before)
	}
	if row := g.row(fresh); row.Snapshot != after {
		t.Errorf("row %+v, want snapshot %s", row, after)
	}
	g.wantMetrics(`sluice_config_reloads_total{result="ok"} 1`)
}

// TestReloadKeepsConnections looks at the connections of a provider that stays, one that changes and one that goes.
func TestReloadKeepsConnections(t *testing.T) {
	t.Parallel()
	stays, changes, goes := newProvider(t, false), newProvider(t, false), newProvider(t, false)
	g := start(t, account("stays", stays.URL, "changes", changes.URL, "goes", goes.URL))
	q := map[*provider]string{}
	ask := func(name string, p *provider) {
		t.Helper()
		if q[p] == "" {
			q[p] = p.script(say(jsonBody, whole))
		}
		if rp := g.post("/chat/completions"+q[p], strings.Replace(askWhole, `"m"`, `"`+name+`/m"`, 1)); rp.status != 200 {
			t.Fatalf("%s: status %d: %s", name, rp.status, rp.body)
		}
	}
	for range 3 {
		ask("stays", stays)
		ask("changes", changes)
		ask("goes", goes)
	}
	for _, p := range []*provider{stays, changes, goes} {
		if n := p.dialed(); n != 1 {
			t.Fatalf("%d connections for three calls, want 1", n)
		}
	}
	text := strings.Replace(account("stays", stays.URL, "changes", changes.URL), "changes: {api", "changes: {region: x, api", 1)
	if err := g.reload(text + "retry: {attempts: 2}\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connections of the provider that is gone closed", func() bool { n, _ := goes.open(); return n == 0 })
	eventually(t, "connections of the provider that changed closed", func() bool { n, _ := changes.open(); return n == 0 })
	for range 3 {
		ask("stays", stays)
		ask("changes", changes)
	}
	if n := stays.dialed(); n != 1 {
		t.Errorf("%d connections to a provider that did not change, want 1", n)
	}
	if n := changes.dialed(); n != 2 {
		t.Errorf("%d connections to a provider that changed, want 2", n)
	}
}

// TestReloadClosesLate has a call under way at a provider that is removed: its connection must not stay when it is over.
func TestReloadClosesLate(t *testing.T) {
	t.Parallel()
	p, other := newProvider(t, false), newProvider(t, false)
	g := start(t, account("p", p.URL))
	s := g.openStream(t, p)
	if err := g.reload(account("other", other.URL)); err != nil {
		t.Fatal(err)
	}
	close(s.goOn)
	if rp := s.rest(); rp.err != nil || !strings.HasSuffix(rp.body, done) {
		t.Errorf("the stream did not finish: %v, %q", rp.err, rp.body)
	}
	eventually(t, "connections of the provider that is gone closed", func() bool { n, _ := p.open(); return n == 0 })
}

// TestReloadRefused gives the gateway configurations that are wrong: nothing changes.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	good := account("p", p.URL)
	g := start(t, good)
	before := g.gateway.Snapshot()
	q := p.script(say(jsonBody, whole))
	for _, bad := range []string{
		"nonsense: 1\n" + good, "providers: [\n", good + "models:\n  x: {targets: [nobody/m]}\n", good + "retry: {attempts: 0}\n",
		good + "prices_file: /does/not/exist.json\n",
	} {
		if err := g.reload(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
		if g.gateway.Snapshot() != before {
			t.Errorf("%q changed the snapshot", bad)
		}
		if rp := g.post("/chat/completions"+q, askWhole); rp.status != 200 {
			t.Errorf("after %q: status %d: %s", bad, rp.status, rp.body)
		}
	}
	if n := p.dialed(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if !strings.Contains(g.scrape(), `sluice_config_reloads_total{result="error"} `) {
		t.Error("refused reloads are not counted")
	}
	if err := g.reload(good + "retry: {attempts: 1}\n"); err != nil || g.gateway.Snapshot() == before {
		t.Errorf("a good configuration after bad ones: %v", err)
	}
}

// TestReloadByFile changes the file and says nothing: the gateway notices by itself. Limits on clients change too.
func TestReloadByFile(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL))
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		say(jsonBody, whole)(w, r)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	body := strings.Replace(askWhole, "hi", strings.Repeat("x", 3000), 1)
	if rp := g.post("/chat/completions"+q, body); rp.status != 200 {
		t.Fatalf("status %d: %s", rp.status, rp.body)
	}
	before := g.gateway.Snapshot()
	g.configure(account("p", p.URL) + "max_body: 2048\n")
	eventually(t, "another snapshot", func() bool { return g.gateway.Snapshot() != before })
	wantError(t, g.post("/chat/completions"+q, body), 413, "request_too_large", "2048")
}
