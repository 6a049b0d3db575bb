package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/internal/admit"
	"sluice/internal/auth"
	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/ledger"
	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/route"
	"sluice/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider is one account with the server behind it.
type provider struct {
	name        string
	api         string // openai if empty
	answer      http.Handler
	concurrency int
	quotas      []pace.QuotaLimits
	priceOf     string
	models      []string
	refuse      bool   // connections are refused
	noDial      bool   // connections are never made
	usageOff    bool   // stream_usage: off
	native      bool   // responses: native
	version     string // api_version
	maxAnswer   int64
}

// options say what a road is made of. Zero fields get the defaults of the configuration.
type options struct {
	providers     []provider
	models        map[string]route.Model
	settings      func(*gateway.Settings)
	auth          auth.Config
	queue         func(*admit.Config)
	ledger        ledger.Config
	requestedName bool
	tracer        *obs.Tracer
	log           io.Writer
}

// road is a gateway with everything around it, composed as app does it. Its providers answer over connections in memory,
// so that the time is the bubble's.
type road struct {
	t       *testing.T
	gateway *gateway.Gateway
	keys    *auth.Directory
	fleet   *pace.Fleet
	queue   *admit.Queue[pace.Lease]
	ledger  *ledger.Ledger
	metrics *obs.Metrics
	sink    *sink

	mu    sync.Mutex
	calls map[string]bool // ids of the calls made; true if a row is due
	after []func()
}

// onRoad runs f on a road of its own on simulated time, and checks at the end that everything reserved was settled.
func onRoad(t *testing.T, o options, f func(rd *road)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rd := newRoad(t, o)
		f(rd)
		rd.close()
	})
}

func newRoad(t *testing.T, o options) *road {
	t.Helper()
	rd := &road{t: t, metrics: obs.NewMetrics(obs.MetricsOptions{}), sink: newSink(), calls: map[string]bool{}}
	log := slog.New(slog.DiscardHandler)
	if o.log != nil {
		log = slog.New(slog.NewTextHandler(o.log, nil))
	}
	var err error
	if rd.keys, err = auth.NewDirectory(t.Context(), o.auth, nil, true, log); err != nil {
		t.Fatal(err)
	}
	settings := &gateway.Settings{}
	settings.Timeouts.SetDefaults()
	settings.Retry.SetDefaults()
	if o.settings != nil {
		o.settings(settings)
	}
	queue := admit.Default()
	if o.queue != nil {
		o.queue(&queue)
	}
	var limits pace.Limits
	accounts := map[string]*gateway.Account{}
	var routed []route.Provider
	for _, p := range o.providers {
		accounts[p.name] = rd.open(&p)
		limits.Providers = append(limits.Providers, pace.ProviderLimits{Name: p.name, Concurrency: p.concurrency, Quotas: p.quotas})
		routed = append(routed, route.Provider{Name: p.name, API: llm.OpenAI, Models: p.models, PriceAs: p.priceOf})
	}
	prices := model.Embedded()
	table, err := route.NewTable(o.models, routed, prices)
	if err != nil {
		t.Fatal(err)
	}
	rd.fleet = pace.New(limits, pace.DefaultBreaker())
	rd.queue = admit.New(queue, rd.start)
	rd.fleet.OnFreed(rd.queue.Freed)
	rd.queue.SetCapacity(rd.fleet.Capacity)
	rd.ledger = ledger.New(rd.sink, o.ledger, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rd.ledger.Run(ctx) }()
	rd.after = append(rd.after, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	rd.gateway = gateway.New(rd.queue, rd.estimate, rd.ledger, rd.metrics, o.tracer, log)
	rd.gateway.Swap(&gateway.Snapshot{
		ID: "snap-1", Routes: table, Accounts: accounts, Default: settings, Prices: prices, RequestedName: o.requestedName,
	})
	return rd
}

// estimate lets the gateway ask the fleet, as app does.
func (rd *road) estimate(t *llm.Target, c *llm.Call) llm.Need {
	return rd.fleet.Estimate(t, c)
}

// start lets the queue ask the fleet, as app does.
func (rd *road) start(t *llm.Target, try limit.Try) (pace.Lease, admit.Verdict, time.Time) {
	lease, refusal, until := rd.fleet.TryStart(t, try)
	return lease, [...]admit.Verdict{
		pace.Started: admit.Started, pace.Full: admit.Full, pace.FullAccount: admit.FullAccount, pace.Open: admit.Open, pace.Limited: admit.Limited, pace.Short: admit.Short,
	}[refusal], until
}

// open opens an account at a server of its own.
func (rd *road) open(p *provider) *gateway.Account {
	rd.t.Helper()
	c := upstream.Provider{Name: p.name, BaseURL: "http://localhost/v1", APIKey: llm.NewSecret("sk-provider")}
	c.SetDefaults()
	if p.api != "" {
		c.API = p.api
		if p.api == "vertex" {
			c.Project, c.Region = "project", "us-central1"
		}
	}
	c.APIVersion = p.version
	if p.native {
		c.Responses = "native"
	}
	account, err := upstream.Open(&c)
	if err != nil {
		rd.t.Fatal(err)
	}
	ln := newPipeListener()
	account.DialWith(func(ctx context.Context, _, _ string) (net.Conn, error) {
		switch {
		case p.refuse:
			return nil, fmt.Errorf("connection refused")
		case p.noDial:
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return ln.dial(ctx)
	})
	server := &http.Server{Handler: p.answer}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	rd.after = append(rd.after, func() {
		account.Close()
		_ = server.Close() // what is left are idle connections
		<-served
	})
	if p.maxAnswer == 0 {
		p.maxAnswer = c.MaxAnswer
	}
	return &gateway.Account{
		Account: account, Settings: c, StreamUsage: !p.usageOff, PriceOf: p.priceOf, MaxAnswer: p.maxAnswer, MaxEvent: int(c.MaxEvent),
	}
}

// close takes the road down and checks law 2: everything reserved is settled exactly once.
func (rd *road) close() {
	rd.t.Helper()
	if n := rd.metrics.InFlight(); n != 0 {
		rd.t.Errorf("%d calls under way at the end", n)
	}
	if n := rd.metrics.OpenStreams(); n != 0 {
		rd.t.Errorf("%d open streams at the end", n)
	}
	if s := rd.queue.Stats(); s.Waiting != [3]int64{} || s.Paused != 0 {
		rd.t.Errorf("calls wait at the end: %+v", s)
	}
	for _, target := range rd.fleet.Snapshot().Targets {
		if target.InUse != 0 {
			rd.t.Errorf("%s has %d calls under way at the end", target.Target, target.InUse)
		}
	}
	for _, f := range rd.after {
		f()
	}
	if n := rd.ledger.Stats().Backlog; n != 0 {
		rd.t.Errorf("%d places of the ledger are taken at the end", n)
	}
	rows := rd.sink.all()
	for id, due := range rd.calls {
		if n := rows[id]; due && n != 1 || !due && n != 0 {
			rd.t.Errorf("call %s has %d rows", id, n)
		}
	}
	if len(rows) > len(rd.calls) {
		rd.t.Errorf("%d calls have rows, %d were made", len(rows), len(rd.calls))
	}
}

// exchange returns a call as ingress would make it. Each change is applied before the body is read.
func (rd *road) exchange(op llm.Op, body string, change ...func(*gateway.Exchange)) *gateway.Exchange {
	rd.t.Helper()
	now := time.Now()
	x := &gateway.Exchange{Body: []byte(body), Header: http.Header{}, Path: "/chat/completions", Checked: now}
	switch op {
	case llm.OpCompletion:
		x.Path = "/completions"
	case llm.OpEmbedding:
		x.Path = "/embeddings"
	}
	rd.mu.Lock()
	id := "call-" + strconv.Itoa(len(rd.calls))
	rd.calls[id] = true
	rd.mu.Unlock()
	x.Call = llm.Call{ID: id, Op: op, Front: llm.OpenAI, Start: now}
	for _, f := range change {
		f(x)
	}
	rq, e := dialect.Of(llm.OpenAI).Parse(op, x.Body)
	if e != nil {
		rd.t.Fatal(e)
	}
	x.Request = rq
	fields := rq.Fields()
	x.Head.Usage = fields.IncludeUsage
	c := &x.Call
	c.Model, c.Stream, c.Choices, c.MaxTokens = fields.Model, fields.Stream, fields.Choices, fields.MaxTokens
	c.InputTokens, c.User = model.EstimateTokens(fields.InputBytes), fields.User
	if x.Key == nil {
		x.Key = rd.key("")
	}
	c.Key = x.Key.Name()
	return x
}

// sleep lets simulated time pass.
func (rd *road) sleep(d time.Duration) { time.Sleep(d) }

// key returns the principal of a presented key.
func (rd *road) key(presented string) *auth.Principal {
	rd.t.Helper()
	p, e := rd.keys.Authenticate(rd.t.Context(), presented)
	if e != nil {
		rd.t.Fatal(e)
	}
	return p
}

// do runs a call to its end.
func (rd *road) do(ctx context.Context, x *gateway.Exchange) *reply {
	w := &reply{t: rd.t, id: x.Call.ID, header: http.Header{}, start: x.Call.Start}
	rd.gateway.Do(ctx, x, w)
	w.took = time.Since(w.start)
	return w
}

// chat asks a model for an answer in one piece.
func (rd *road) chat(name string, change ...func(*gateway.Exchange)) *reply {
	rd.t.Helper()
	return rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody(name, ""), change...))
}

// stream asks a model for a streamed answer.
func (rd *road) stream(name string, change ...func(*gateway.Exchange)) *reply {
	rd.t.Helper()
	return rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody(name, `,"stream":true`), change...))
}

func chatBody(name, more string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}]%s}`, name, more)
}

// row waits for a call's row and returns it.
func (rd *road) row(w *reply) ledger.Row { return rd.sink.wait(w.id) }

// metric returns the value of one series as a scrape shows it, labels in alphabetical order; 0 if it is not there.
func (rd *road) metric(series string) float64 {
	rd.t.Helper()
	for line := range strings.Lines(rd.scrape()) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				rd.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

func (rd *road) scrape() string {
	w := httptest.NewRecorder()
	rd.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// sink keeps rows in memory.
type sink struct {
	mu    sync.Mutex
	there sync.Cond // rows have come
	rows  []ledger.Row
	err   error // what writes fail with
}

func newSink() *sink {
	s := &sink{}
	s.there.L = &s.mu
	return s
}

func (s *sink) WriteCalls(_ context.Context, rows []ledger.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.rows = append(s.rows, rows...)
	s.there.Broadcast()
	return nil
}

func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// wait returns the row of a call, once it is there.
func (s *sink) wait(id string) ledger.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if i := slices.IndexFunc(s.rows, func(r ledger.Row) bool { return r.ID == id }); i >= 0 {
			return s.rows[i]
		}
		s.there.Wait()
	}
}

// all returns how many rows each call has.
func (s *sink) all() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, r := range s.rows {
		n[r.ID]++
	}
	return n
}

// pipeListener accepts connections in memory.
type pipeListener struct {
	conns  chan net.Conn // sent by dial, received by Accept; never closed
	closed chan struct{} // closed by Close
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
