package app

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	churnCalls   = 10_000
	churnWorkers = 48
	churnLimit   = 256 // calls of the key: a call whose client has left counts until Sluice has noticed
	churnSlots   = 40  // calls at the provider at once: fewer than workers, so that some wait
)

// churn is many calls through one gateway, a third of them canceled.
type churn struct {
	*gate
	p     *provider
	holds sync.Map     // id -> *holding
	ids   atomic.Int64 // of holds

	uncounted atomic.Int64 // calls that were left before their body was complete: they never became calls
	slowest   atomic.Int64 // longest time from a cancel to the provider's seeing it, nanoseconds
	failed    atomic.Int64 // calls that ended with an error
}

// TestChurn makes 10,000 calls, of which a third are canceled at random points and some are faulted, and looks for what
// they have left behind.
func TestChurn(t *testing.T) {
	// Not parallel: it counts goroutines.
	p := newProvider(t, false)
	mine := goleak.IgnoreCurrent()
	g := start(t, fmt.Sprintf(`
providers:
  p: {api: openai, base_url: "%s/v1", models: [m], concurrency: %d}
keys:
  - {name: team, key: client-secret-0123456789, concurrency: %d}
retry: {base: 1ms, max: 5ms}
`, p.URL, churnSlots, churnLimit))
	c := &churn{gate: g, p: p}
	c.prepare()
	before := runtime.NumGoroutine()

	var next atomic.Int64
	var workers sync.WaitGroup
	begin := time.Now()
	for w := range churnWorkers {
		workers.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(w)))
			for next.Add(1) <= churnCalls {
				c.one(rnd)
			}
		})
	}
	workers.Wait()
	t.Logf("%d calls in %v: %d failed, %d cut before their body was complete; slowest cancel %v", churnCalls, time.Since(begin),
		c.failed.Load(), c.uncounted.Load(), time.Duration(c.slowest.Load()))
	c.check(before)
	goleak.VerifyNone(t, mine)
}

// prepare puts the provider's scripts in place. Each is named by what it does.
func (c *churn) prepare() {
	usage := `data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}` + "\n\n"
	scripts := map[string]func(http.ResponseWriter, *http.Request){
		"whole":  say(jsonBody, whole),
		"embed":  say(jsonBody, `{"object":"list","data":[{"index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":3}}`),
		"stream": say(sse, role+strings.Repeat(hello, 20)+stopped+usage+done),
		"hold":   func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); c.hold(r) },
		"begin":  func(w http.ResponseWriter, r *http.Request) { begin(w, r); c.hold(r) },
		"error": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			http.Error(w, `{"error":{"message":"bad","type":"invalid_request_error"}}`, http.StatusBadRequest)
		},
		"cut":  func(w http.ResponseWriter, r *http.Request) { begin(w, r); panic(http.ErrAbortHandler) },
		"died": func(w http.ResponseWriter, r *http.Request) { begin(w, r); send(w, refusedChunk) },
		"gone": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, f := range scripts {
		c.p.scripts.Store(name, f)
	}
}

func begin(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", sse)
	send(w, role+hello)
}

// holding tells a call's client that the provider has the call, and when the provider sees that it was canceled.
type holding struct {
	has  chan struct{}  // closed by the provider
	seen chan time.Time // sent by the provider once
}

// hold keeps a call until Sluice cancels it.
func (c *churn) hold(r *http.Request) {
	v, _ := c.holds.Load(r.URL.Query().Get("id"))
	h := v.(*holding)
	close(h.has)
	<-r.Context().Done()
	h.seen <- time.Now()
}

// newHold returns a call that the provider will hold, and its path.
func (c *churn) newHold(script string) (*holding, string) {
	h := &holding{has: make(chan struct{}), seen: make(chan time.Time, 1)}
	id := strconv.FormatInt(c.ids.Add(1), 10)
	c.holds.Store(id, h)
	return h, "/chat/completions?script=" + script + "&id=" + id
}

const churnKey = "Bearer client-secret-0123456789"

// one makes a call of a random kind.
func (c *churn) one(rnd *rand.Rand) {
	switch kind := rnd.IntN(100); {
	case kind < 5:
		c.halfBody()
	case kind < 11:
		c.leaveHeld("hold")
	case kind < 17:
		c.leaveHeld("begin")
	case kind < 25:
		c.leaveReading(rnd)
	case kind < 34:
		c.leaveAnytime(rnd)
	case kind < 40:
		c.whole([]string{"error", "cut", "died", "gone"}[rnd.IntN(4)], askStream)
	case kind < 60:
		c.whole("whole", askWhole)
	case kind < 70:
		c.whole("embed", `{"model":"m","input":"hi"}`)
	default:
		c.whole("stream", askStream)
	}
}

// whole makes a call and reads its answer to the end.
func (c *churn) whole(script, body string) {
	path := "/chat/completions"
	if script == "embed" {
		path = "/embeddings"
	}
	rp := c.post(path+"?script="+script, body, "Authorization", churnKey)
	if rp.err != nil || rp.status == http.StatusTooManyRequests {
		c.t.Errorf("%s: status %d, %v: %s", script, rp.status, rp.err, rp.body)
	}
	if rp.status != 200 || strings.Contains(rp.body, `"error"`) {
		c.failed.Add(1)
	}
}

// halfBody leaves while its body is on the way.
func (c *churn) halfBody() {
	c.uncounted.Add(1)
	conn := c.raw("whole", len(askWhole)+10, askWhole)
	conn.Close()
}

// raw sends a request of which everything has been handed to the kernel when it returns.
func (c *churn) raw(script string, length int, body string) net.Conn {
	conn, err := net.Dial("tcp", c.Addr().String())
	if err != nil {
		c.t.Error(err)
		runtime.Goexit()
	}
	fmt.Fprintf(conn, "POST /v1/chat/completions?script=%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		script, churnKey, length, body)
	return conn
}

// leaveAnytime leaves at a random time after its request was sent: before the headers, in mid-stream or after the end.
func (c *churn) leaveAnytime(rnd *rand.Rand) {
	conn := c.raw("stream", len(askStream), askStream)
	wait(context.Background(), time.Duration(rnd.IntN(3000))*time.Microsecond)
	conn.Close()
}

// leaveReading leaves after a random part of a stream.
func (c *churn) leaveReading(rnd *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	resp, err := c.client.Do(c.request(ctx, "/chat/completions?script=stream", strings.NewReader(askStream), "Authorization", churnKey))
	if err != nil {
		c.t.Error(err)
		return
	}
	_, _ = io.CopyN(io.Discard, resp.Body, int64(rnd.IntN(22*len(hello)))) // may be all of it
	cancel()
	resp.Body.Close()
}

// leaveHeld leaves a call that the provider has, before its headers ("hold") or in mid-stream ("begin"), and waits until
// the provider sees it.
func (c *churn) leaveHeld(script string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h, path := c.newHold(script)
	rq := c.request(ctx, path, strings.NewReader(askStream), "Authorization", churnKey)
	var left time.Time
	if script == "hold" {
		asked := make(chan struct{})
		go func() { // waited for below
			defer close(asked)
			if resp, err := c.client.Do(rq); err == nil {
				resp.Body.Close()
				c.t.Errorf("a held call was answered with status %d", resp.StatusCode)
			}
		}()
		select {
		case <-h.has:
		case <-asked:
			return // that is an error, and reported
		}
		left = time.Now()
		cancel()
		<-asked
	} else {
		resp, err := c.client.Do(rq)
		if err != nil {
			c.t.Error(err)
			return
		}
		_, _ = io.CopyN(io.Discard, resp.Body, 10)
		left = time.Now()
		cancel()
		resp.Body.Close()
	}
	select {
	case at := <-h.seen:
		for d := int64(at.Sub(left)); ; {
			if old := c.slowest.Load(); d <= old || c.slowest.CompareAndSwap(old, d) {
				return
			}
		}
	case <-time.After(soon):
		c.t.Error("the provider has not seen a cancel")
	}
}

// check looks at everything that calls could leave behind.
func (c *churn) check(before int) {
	c.t.Helper()
	c.settled()
	c.wantMetrics("sluice_inflight 0", "sluice_open_streams 0", `sluice_queue_depth{class="interactive"} 0`, "sluice_ledger_backlog 0")
	if d := time.Duration(c.slowest.Load()); d > 2*time.Second {
		c.t.Errorf("a cancel took %v to reach the provider", d)
	}
	rows := c.rows()
	ids := make(map[string]bool, len(rows))
	for _, r := range rows {
		ids[r.ID] = true
	}
	if want := churnCalls - int(c.uncounted.Load()); len(rows) != want || len(ids) != want {
		c.t.Errorf("%d rows with %d ids, want %d", len(rows), len(ids), want)
	}
	eventually(c.t, "no connection in use at the provider", func() bool { _, active := c.p.open(); return active == 0 })
	c.client.CloseIdleConnections()
	eventually(c.t, "no goroutine but those of idle connections", func() bool {
		idle, _ := c.p.open()
		return runtime.NumGoroutine() <= before+3*idle+8 // the database's connections come and go
	})
	c.checkSlots()
	c.close()
	c.client.CloseIdleConnections()
	eventually(c.t, "no connection at the provider", func() bool { all, _ := c.p.open(); return all == 0 })
}

// checkSlots takes every slot of the target and of the key: neither more nor less than their limits must be there.
func (c *churn) checkSlots() {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var calls sync.WaitGroup
	var held []*holding
	for range churnSlots {
		h, path := c.newHold("begin")
		held = append(held, h)
		resp := c.open(ctx, path, askStream, "Authorization", churnKey)
		defer resp.Body.Close()
	}
	for range churnLimit - churnSlots {
		calls.Go(func() {
			_, path := c.newHold("begin")
			if resp, err := c.client.Do(c.request(ctx, path, strings.NewReader(askStream), "Authorization", churnKey)); err == nil {
				resp.Body.Close()
				if ctx.Err() == nil { // else a slot came free: all leave at once, and some are seen to earlier than others
					c.t.Errorf("a call went over the target's limit: status %d", resp.StatusCode)
				}
			}
		})
	}
	c.wantMetrics(fmt.Sprintf(`sluice_queue_depth{class="interactive"} %d`, churnLimit-churnSlots), fmt.Sprintf("sluice_inflight %d", churnLimit),
		fmt.Sprintf("sluice_open_streams %d", churnSlots))
	if rp := c.post("/chat/completions?script=whole", askWhole, "Authorization", churnKey); rp.status != 429 || !strings.Contains(rp.body, "key_concurrency_exceeded") {
		c.t.Errorf("status %d over the key's limit: %s", rp.status, rp.body)
	}
	leave()
	calls.Wait()
	for _, h := range held {
		await(c.t, "cancel at the provider", h.seen)
	}
	c.settled()
	c.wantMetrics("sluice_inflight 0", "sluice_open_streams 0", `sluice_queue_depth{class="interactive"} 0`)
}
