package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/upstream"
)

// outage is a provider that is down for a minute, with traffic of 20 calls a second for which there is another provider.
type outage struct {
	refuse    bool // nothing connects, else everything is answered with 500
	inference bool // the list of models is there all along
	breaker   pace.Breaker

	// What came of it.
	during int           // live calls that the provider saw in the outage
	back   time.Duration // from the end of the outage to the first success
	checks int           // requests for the list of models
	late   int           // of these, after calls had stopped for long
	log    string
}

// pipes is a listener of in-memory connections.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }
func (p *pipes) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

const (
	outageBegin = 5 * time.Second
	outageEnd   = 65 * time.Second
	trafficEnd  = 130 * time.Second
)

func (o *outage) run(t *testing.T) {
	begin := time.Now()
	down := func() bool { return time.Since(begin) >= outageBegin && time.Since(begin) < outageEnd }
	var during, checks, late atomic.Int64
	var back atomic.Int64
	ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := r.Method == http.MethodGet
		if list {
			checks.Add(1)
			if time.Since(begin) > trafficEnd+40*time.Second {
				late.Add(1)
			}
		}
		if down() && !list && !o.refuse { // else it is a connection of before
			during.Add(1)
		}
		if down() && (!list || !o.inference) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	settings := upstream.Provider{Name: "first", API: "openai", BaseURL: "http://first/v1", APIKey: llm.NewSecret("k")}
	settings.SetDefaults()
	account, err := upstream.Open(&settings)
	if err != nil {
		t.Fatal(err)
	}
	account.DialWith(func(context.Context, string, string) (net.Conn, error) {
		if o.refuse && down() {
			return nil, errors.New("connection refused")
		}
		return ln.dial()
	})

	var log bytes.Buffer
	fleet := pace.New(pace.Limits{}, o.breaker)
	p := newProber(fleet, func(string) *upstream.Account { return account }, obs.NewMetrics(obs.MetricsOptions{}), slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		p.run(ctx)
		close(done)
	}()

	first := &llm.Target{Name: "first/m", Provider: "first", Model: "m"}
	call := func() {
		lease, refused, _ := fleet.TryStart(first, limit.Try{})
		if refused != pace.Started {
			return // the other provider answers
		}
		if o.refuse && down() {
			during.Add(1)
		}
		out := pace.Outcome{}
		answer, e := account.Send(ctx, &upstream.Request{Method: http.MethodPost, Path: "/chat/completions", Body: []byte("{}")})
		switch {
		case e != nil:
			out.Kind, out.Scope = e.Kind, e.Scope
		default:
			if answer.Status >= 500 {
				out.Kind, out.Status = llm.KindServerError, answer.Status
			}
			_, _ = io.Copy(io.Discard, answer)
			answer.Close()
		}
		if out.Kind == llm.KindNone && time.Since(begin) >= outageEnd {
			back.CompareAndSwap(0, int64(time.Since(begin)-outageEnd)+1)
		}
		lease.Done(out)
	}
	for time.Since(begin) < trafficEnd {
		call()
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(2 * time.Minute)
	cancel()
	<-done
	account.Close()
	_ = server.Close() // what is left are idle connections
	<-served
	o.during, o.back, o.checks, o.late, o.log = int(during.Load()), time.Duration(back.Load()), int(checks.Load()), int(late.Load()), log.String()
}

func TestReturnToThePrimary(t *testing.T) {
	t.Parallel()
	f := func(name string, o outage, mostCalls int, longest time.Duration) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o.run(t)
				if o.during > mostCalls {
					t.Errorf("the provider saw %d live calls in the outage, want at most %d", o.during, mostCalls)
				}
				if o.back == 0 || o.back > longest {
					t.Errorf("used again %v after the outage, want at most %v", o.back, longest)
				}
				if o.late > 0 {
					t.Errorf("%d checks of a provider that nobody asks for", o.late)
				}
				if (o.checks > 0) != o.breaker.Check {
					t.Errorf("%d checks, with check %t", o.checks, o.breaker.Check)
				}
				lines := 2
				if !o.breaker.Check || o.inference {
					lines = 0
				}
				if got := strings.Count(o.log, "checks"); got != lines {
					t.Errorf("%d lines about checks in the log, want %d:\n%s", got, lines, o.log)
				}
				if !strings.Contains(o.log, "breaker opened") || !strings.Contains(o.log, "breaker closed") {
					t.Errorf("log: %s", o.log)
				}
			})
		})
	}
	on := pace.DefaultBreaker()
	off := on
	off.Check = false
	f("errors", outage{breaker: on}, 3, 2*time.Second)
	f("refused connections", outage{refuse: true, breaker: on}, 3, 2*time.Second)
	// Where the list of models is there all along, the cool-down decides: 5 calls open the breaker, then come those after 2, 4, 8, 16
	// and 32 seconds, less up to a fifth each, and the last cool-down may begin at the outage's end.
	f("inference alone", outage{inference: true, breaker: on}, 5+5, on.MaxCooldown)
	f("without checks", outage{breaker: off}, 5+5, on.MaxCooldown)
}
