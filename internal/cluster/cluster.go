// Package cluster lets replicas share quotas, key limits, budgets and what they know of broken targets through Redis. It is an adapter:
// nothing in the domain knows of it, and no call waits for it. It owns the protocol (scripts that divide what a set of budgets has among
// those who want it), the leases that this replica holds, and what to do while Redis is away; it owns no budget. Its only goroutine is
// that of Run.
package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// How often Redis is asked, and what follows from it. A replica that dies is noticed when its lease ends, within leaseTime of its last
// refresh; the others get its share with their next one.
const (
	refreshTime = 200 * time.Millisecond  // between two refreshes
	hurryTime   = 40 * time.Millisecond   // the least time between two, when a set has run short
	leaseTime   = 1200 * time.Millisecond // what is held is free again so long after the last refresh
	askTime     = 300 * time.Millisecond  // most that one round trip may take
	graceTime   = time.Second             // wait for the first answer of Redis before this replica goes by its own share
	maxHints    = 64                      // hints that wait to be told; the oldest are dropped
	maxBatch    = 512                     // sets in one pipeline; more of them take several
)

// Options are what a Cluster needs.
type Options struct {
	URL      llm.Secret // redis:// or rediss://
	Replicas int        // replicas to reckon with at least, when Redis cannot be asked; at least 1
	Prefix   string     // of all keys in Redis; "sluice" if empty
	// Quotas returns the sets of providers' quotas, whose calls can wait for a grant. Keys returns those of clients' keys, whose calls cannot:
	// they begin with their own share, and are shared from the next refresh on. Both are called at each refresh.
	Quotas, Keys func() []limit.Member
	// Heard is called with what another replica has told. It must not block.
	Heard func(Hint)
	Log   *slog.Logger
	Now   func() time.Time // the clock; time.Now if nil
}

// Status is what there is to say of the cluster at a moment.
type Status struct {
	Connected bool          // Redis has answered the last refresh
	Replicas  int           // replicas there are, or were when Redis answered last
	Latency   time.Duration // of the last refresh
	Lost      int64         // times that Redis was lost
	Refreshes int64
	Sets      int // sets that were shared by the last refresh
}

// Cluster is one replica's part in the sharing. Its methods are safe for concurrent use.
type Cluster struct {
	o    Options
	id   string
	conn *conn

	status atomic.Pointer[Status] // immutable

	// Owned by Run.
	parts     map[string]*part
	idle      map[string]*part // of sets that are not shared at the moment, but have spent of an hour's or day's limit
	clock     clock
	counts    [2]count // of replicas, by when they were seen
	last      string   // id of the last hint read
	born      int64    // of what the server knows
	made      int      // parts so far
	lost      int64
	refreshes int64
	begun     time.Time // of Run
	up        time.Time // since when Redis answers; zero if it does not
	joined    bool      // what Redis grants is followed

	mu    sync.Mutex
	hints []Hint // not yet told
}

// count is a number of replicas and when it was seen.
type count struct {
	n  int
	at time.Time
}

// New returns a cluster of this replica. It does not connect: Run does.
func New(o Options) (*Cluster, error) {
	if o.Prefix == "" {
		o.Prefix = "sluice"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Replicas = max(o.Replicas, 1)
	conn, err := dial(o.URL)
	if err != nil {
		return nil, err
	}
	c := &Cluster{o: o, id: strings.ToLower(rand.Text()[:12]), conn: conn, parts: map[string]*part{}, idle: map[string]*part{}}
	c.status.Store(&Status{Replicas: o.Replicas})
	return c, nil
}

// Status returns the state of the sharing.
func (c *Cluster) Status() Status { return *c.status.Load() }

// Tell passes a hint on to the other replicas with the next refresh. It does not block.
func (c *Cluster) Tell(h Hint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hints) >= maxHints {
		c.hints = c.hints[1:]
	}
	c.hints = append(c.hints, h)
}

// Run shares until ctx ends, then gives back what is held and closes the connection. It returns nil.
func (c *Cluster) Run(ctx context.Context) error {
	c.begun = c.o.Now()
	var due time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.leave()
		case <-timer.C:
		}
		now := c.o.Now()
		short := c.look(now)
		if !now.Before(due) || short && !now.Before(due.Add(hurryTime-refreshTime)) {
			first := !c.clock.sure(now)
			c.refresh(ctx)
			due = c.o.Now().Add(refreshTime)
			if first && c.clock.n > 0 && !c.up.IsZero() {
				due = c.o.Now()
			}
		}
		timer.Reset(c.pause(due))
	}
}

// pause returns how long there is nothing to do: until the next refresh, or until a window begins, or until it is time to look whether a
// set has run short.
func (c *Cluster) pause(due time.Time) time.Duration {
	now := c.o.Now()
	wake := due
	if look := now.Add(hurryTime / 2); look.Before(wake) {
		wake = look
	}
	for _, p := range c.parts {
		if at := p.next.from; !at.IsZero() && at.Before(wake) {
			wake = at
		}
	}
	return max(wake.Sub(now), 200*time.Microsecond)
}

// look takes in what has happened to the sets since the last look, moves those on whose next window has begun, and reports whether one
// has run short of what it may get more of.
func (c *Cluster) look(now time.Time) (short bool) {
	for _, p := range c.parts {
		p.roll(now)
		p.fading(now)
		if p.short(now) {
			short = true
		}
	}
	return short
}

// refresh asks Redis once, for all sets.
func (c *Cluster) refresh(ctx context.Context) {
	now := c.o.Now()
	c.gather(now)
	var asks []ask
	if c.clock.sure(now) { // else the exchange only tells the time
		for _, p := range c.parts {
			if a, ok := c.ask(p, now); ok {
				asks = append(asks, a)
			}
		}
		asks = c.remind(asks, now)
	}
	hints := c.takeHints()
	sent := c.o.Now()
	b, replies, err := c.conn.exchange(ctx, c.beat(hints), asks)
	received := c.o.Now()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		c.keepHints(hints)
		c.fail(err, now)
		return
	}
	c.clock.observe(sent, received, b.now)
	c.count(b.live, now)
	c.meet(b, now)
	for i := range asks {
		asks[i].part.acked, asks[i].part.ackedBy = asks[i].total, b.born
		if asks[i].lease > 0 {
			c.apply(asks[i].part, &replies[i], sent, received)
		}
	}
	c.hear(b)
	c.refreshes++
	c.status.Store(&Status{
		Connected: true, Replicas: c.replicas(), Latency: received.Sub(sent), Lost: c.lost, Refreshes: c.refreshes, Sets: len(asks),
	})
}

// meet notes that Redis has answered, and decides whether its grants may be followed. They may not while it could not know of everything
// that replicas have spent: after it was empty (or has lost what it knew) and after an outage, until each replica had the time to tell.
func (c *Cluster) meet(b beat, now time.Time) {
	if c.up.IsZero() {
		c.up = now
		c.o.Log.Info("redis answers: budgets are shared", "replicas", b.live)
	}
	if c.born != 0 && b.born != c.born && c.joined && c.replicas() > 1 {
		c.o.Log.Warn("redis has lost its data: own share of all budgets until all replicas have told what they spent")
		c.part(now)
		c.up = now
	}
	c.born = b.born
	if c.joined {
		return
	}
	first := c.lost == 0 && c.up.Equal(now) && b.age >= leaseTime // others are at it, and this one has spent nothing
	if c.replicas() == 1 || first || b.age >= leaseTime && now.Sub(c.up) >= leaseTime {
		c.joined = true
	}
}

// fail takes an exchange that did not succeed: from now on each set goes by its own share.
func (c *Cluster) fail(err error, now time.Time) {
	if c.up.IsZero() && c.lost == 0 && now.Sub(c.begun) < graceTime {
		return // it may just be coming up; nothing is granted yet
	}
	if !c.up.IsZero() || c.lost == 0 {
		c.lost++
		c.o.Log.Error("redis is lost: each replica goes by its own share of all budgets", "replicas", c.replicas(), "error", err)
		c.part(now)
	}
	c.up = time.Time{}
	for _, p := range c.parts {
		p.alone(1/float64(c.replicas()), now)
	}
	c.status.Store(&Status{Replicas: c.replicas(), Lost: c.lost, Refreshes: c.refreshes})
}

// part makes every set go by its own share.
func (c *Cluster) part(now time.Time) {
	c.joined = false
	for _, p := range c.parts {
		p.alone(1/float64(c.replicas()), now)
	}
}

// countTime is how long a number of replicas is reckoned with after it was last seen: some may have been cut off from Redis first.
const countTime = 10 * time.Second

// count takes in a number of replicas. The larger of two spans is what counts, so that a number is remembered for countTime.
func (c *Cluster) count(n int, now time.Time) {
	if now.Sub(c.counts[0].at) > countTime {
		c.counts[1], c.counts[0] = c.counts[0], count{n, now}
	}
	c.counts[0].n = max(c.counts[0].n, n)
}

// replicas returns how many replicas to reckon with.
func (c *Cluster) replicas() int { return max(c.counts[0].n, c.counts[1].n, c.o.Replicas, 1) }

// gather finds the sets that there are.
func (c *Cluster) gather(now time.Time) {
	seen := make(map[string]bool, len(c.parts))
	add := func(list func() []limit.Member, exact bool) {
		if list == nil {
			return
		}
		for _, m := range list() {
			name := m.Name()
			seen[name] = true
			switch p := c.parts[name]; {
			case p == nil:
				if p = c.idle[name]; p == nil {
					c.made++ // a part that comes back later counts from nothing: it is another one to the server
					p = &part{name: name, id: c.id + "." + strconv.Itoa(c.made)}
				}
				delete(c.idle, name)
				p.m, p.exact, c.parts[name] = m, exact, p
				p.begin(c.joined || c.lost == 0 && c.up.IsZero(), 1/float64(c.replicas()), now)
			case p.m != m: // after a reload
				p.m = m
				p.tell(now)
			}
		}
	}
	add(c.o.Quotas, true)
	add(c.o.Keys, false)
	for name, p := range c.parts {
		if !seen[name] {
			delete(c.parts, name)
			p.idle(now)
			c.idle[name] = p
		}
	}
	for name, p := range c.idle {
		if !p.spentLong(now) {
			delete(c.idle, name)
		}
	}
}

// maxReminders bounds the sets that are only told in one refresh.
const maxReminders = 256

// remind adds the sets that are not shared at the moment, but of whose spending the server does not know all: it has lost it, or could not be
// told.
func (c *Cluster) remind(asks []ask, now time.Time) []ask {
	n := 0
	for _, p := range c.idle {
		if p.acked == p.total && p.ackedBy == c.born || n == maxReminders {
			continue
		}
		p.terms = p.m.Terms()
		a := c.tells(p, now)
		a.lease, a.wanted, a.inUse = 0, limit.Amounts{}, 0
		asks = append(asks, a)
		n++
	}
	return asks
}

// leave gives everything back, as far as Redis answers in time.
func (c *Cluster) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	now := c.o.Now()
	if !c.up.IsZero() {
		var asks []ask
		for _, p := range c.parts {
			if p.shared() {
				p.stop(now)
				if a, ok := c.ask(p, now); ok {
					a.wanted = limit.Amounts{}
					a.lease = 0
					asks = append(asks, a)
				}
			}
		}
		b := c.beat(c.takeHints())
		b.lease = 0
		_, _, _ = c.conn.exchange(ctx, b, asks) // leases end by themselves soon
	}
	for _, p := range c.parts {
		p.alone(1/float64(c.replicas()), now)
	}
	if err := c.conn.close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}

// millis returns a time as Redis tells it.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
