package app

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/internal/config"
	"sluice/internal/ledger"
	"sluice/internal/store"
)

// soon bounds every wait for what should happen at once. It is long because test machines are busy.
const soon = 20 * time.Second

// TestMain lets this process trust the certificate of httptest's servers, and looks for goroutines that were left.
// redisDials is what looks for a Redis that was lost: it sees within a second that its pool is closed.
var redisDials = goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "sluice-app-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = trustTestServers(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		if err := goleak.Find(redisDials); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			return 1
		}
		return code
	}())
}

func trustTestServers(dir string) error {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		return err
	}
	return os.Setenv("SSL_CERT_FILE", file)
}

// gate is a gateway under test with what it needs to be told and asked.
type gate struct {
	*App
	t    testing.TB
	url  string // of the API, with /v1
	file string // the configuration
	data string // the data directory
	log  lockedBuffer

	stop, cut context.CancelFunc // ask for the drain; skip to its end
	ended     chan struct{}      // closed when Run has returned
	err       error              // of Run; valid after ended

	client *http.Client
}

// start runs a gateway with a configuration, to which an address and a directory are added. It ends with the test.
func start(t testing.TB, yaml string) *gate {
	t.Helper()
	return startIn(t, filepath.Join(t.TempDir(), "data"), yaml)
}

// startIn is start with a data directory that may have been another gateway's.
func startIn(t testing.TB, data, yaml string) *gate {
	t.Helper()
	g := &gate{t: t, file: filepath.Join(t.TempDir(), "sluice.yaml"), data: data, ended: make(chan struct{})}
	g.configure(yaml)
	c, err := config.Load(g.file, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if g.App, err = New(t.Context(), c, Options{Version: "test", Log: &g.log, Env: noEnv}); err != nil {
		t.Fatal(err)
	}
	g.url = "http://" + g.Addr().String() + "/v1"
	ctx, stop := context.WithCancel(context.Background())
	now, cut := context.WithCancel(context.Background())
	g.stop, g.cut = stop, cut
	go func() { // close waits for it
		g.err = g.Run(ctx, now)
		close(g.ended)
	}()
	g.client = newClient(t)
	t.Cleanup(g.close)
	return g
}

func noEnv(string) (string, bool) { return "", false }

// configure writes the configuration file anew, in one step, as a careful editor does.
//
// Providers in trouble are not checked, unless the text says something about breakers: a test's provider would be asked what it does not expect.
func (g *gate) configure(yaml string) {
	g.t.Helper()
	if !strings.Contains(yaml, "breaker:") {
		yaml = strings.TrimSuffix(yaml, "\n") + "\nbreaker: {check: false}\n"
	}
	text := "listen: 127.0.0.1:0\ndata_dir: " + g.data + "\n" + yaml
	if err := os.WriteFile(g.file+".new", []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(g.file+".new", g.file); err != nil {
		g.t.Fatal(err)
	}
}

// close ends the gateway, which must have no calls left.
func (g *gate) close() {
	g.stop()
	select {
	case <-g.ended:
	case <-time.After(soon):
		g.t.Error("the gateway does not end")
		g.cut()
		<-g.ended
	}
	g.cut()
	if g.err != nil {
		g.t.Errorf("Run returned %v", g.err)
	}
	if g.t.Failed() {
		g.t.Logf("log of the gateway:\n%.20000s", g.log.String())
	}
}

// newClient returns a client that keeps connections, and closes them when the test ends.
func newClient(t testing.TB) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// post sends a body to a path of the API and reads the answer whole.
func (g *gate) post(path, body string, header ...string) reply {
	g.t.Helper()
	resp := g.open(g.t.Context(), path, body, header...)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

// open sends a body and returns the answer once its headers are there. Its body must be closed.
func (g *gate) open(ctx context.Context, path, body string, header ...string) *http.Response {
	g.t.Helper()
	resp, err := g.client.Do(g.request(ctx, path, strings.NewReader(body), header...))
	if err != nil {
		g.t.Fatal(err)
	}
	return resp
}

// request makes a request; header holds names and values in turn.
func (g *gate) request(ctx context.Context, path string, body io.Reader, header ...string) *http.Request {
	g.t.Helper()
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+path, body)
	if err != nil {
		g.t.Fatal(err)
	}
	rq.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		rq.Header.Add(header[i], header[i+1])
	}
	return rq
}

// metrics returns what the gateway shows of itself.
func (g *gate) scrape() string {
	g.t.Helper()
	rec := httptest.NewRecorder()
	g.App.metrics.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}

// wantMetrics waits until the metrics have all of the lines.
func (g *gate) wantMetrics(lines ...string) {
	g.t.Helper()
	for _, line := range lines {
		eventually(g.t, "metric "+line, func() bool { return strings.Contains("\n"+g.scrape(), "\n"+line+"\n") })
	}
}

// settled waits until no call is under way and every row is written.
func (g *gate) settled() {
	g.t.Helper()
	eventually(g.t, "no call under way and no row waiting", func() bool {
		return g.App.metrics.InFlight() == 0 && g.ledger.Stats().Backlog == 0
	})
}

// row returns the ledger's row of an answer.
func (g *gate) row(rp reply) ledger.Row {
	g.t.Helper()
	g.settled()
	rows, _, err := g.store.Calls(g.t.Context(), store.Filter{ID: rp.header.Get("X-Sluice-Request-Id")}, store.Cursor{}, 2)
	if err != nil || len(rows) != 1 {
		g.t.Fatalf("%d rows of call %q: %v", len(rows), rp.header.Get("X-Sluice-Request-Id"), err)
	}
	return rows[0]
}

// rows returns all rows.
func (g *gate) rows() []ledger.Row {
	g.t.Helper()
	g.settled()
	var all []ledger.Row
	var at store.Cursor
	for {
		rows, next, err := g.store.Calls(g.t.Context(), store.Filter{}, at, 0)
		if err != nil {
			g.t.Fatal(err)
		}
		all = append(all, rows...)
		if next == (store.Cursor{}) {
			return all
		}
		at = next
	}
}

// eventually waits until f is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(soon); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", soon, what)
		}
	}
}

// await waits for a signal.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		t.Fatalf("not within %v: %s", soon, what)
		panic("unreachable")
	}
}

// lockedBuffer is a buffer that several goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
