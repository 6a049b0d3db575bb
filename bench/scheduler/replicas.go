//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/bench/rig"
	"sluice/internal/sim"
)

// What replicas are put through.
const (
	replicaCount   = 4
	replicaCallers = 40 // of each
	replicaSettle  = 6 * time.Second
	replicaSpan    = 12 * time.Second // of what is measured
)

// fleet is four gateways that share one quota through Redis, and callers who never let it rest.
type fleet struct {
	lab      *lab
	provider *provider
	redis    *redisServer
	gates    []*rig.Product
	failed   []atomic.Int64 // calls of each
	done     atomic.Int64
	first    atomic.Pointer[string] // error
}

// replicas has four replicas spend one quota: in each mode of enforcement; then, in slices, where every second counts, with one replica that
// is killed, and with Redis killed and started again.
func replicas(ctx context.Context, l *lab) (*Table, error) {
	t := &Table{Title: fmt.Sprintf("%d replicas, one quota of %d RPM and %d TPM", replicaCount, backlogRPM, backlogTPM)}
	t.Columns = []string{"mode", "part", "used", "calls", "429s", "failed"}
	for _, mode := range modes() {
		if err := replicasIn(ctx, l, t, mode); err != nil {
			return nil, fmt.Errorf("%s: %w", mode, err)
		}
	}
	return t, nil
}

func replicasIn(ctx context.Context, l *lab, t *Table, mode string) error {
	f, err := l.fleet(ctx, mode)
	if err != nil {
		return err
	}
	defer f.stop()
	stop := f.load(ctx)
	defer stop()
	if err := f.pause(ctx, replicaSettle); err != nil {
		return err
	}
	used, err := f.measure(ctx, t, mode, "all at work", replicaSpan)
	if err != nil {
		return err
	}
	if mode == "fixed" || mode == "sliding" { // most of a minute goes at once: what counts is how full a window gets
		if used, err = f.peak(); err != nil {
			return err
		}
	}
	t.AtLeast(mode+": used, %", "%.2f", 100*used, 97)
	if mode == "slices" {
		if err := f.trouble(ctx, t); err != nil {
			return err
		}
	}
	st, err := f.quota()
	if err != nil {
		return err
	}
	t.AtMost(mode+": calls over the limit (answered 429)", "%.0f", float64(st.Refused), 0)
	for i := range f.failed[:replicaCount-1] {
		t.AtMost(fmt.Sprintf("%s: calls of replica %d that failed", mode, i+1), "%.0f", float64(f.failed[i].Load()), 0)
	}
	if e := f.first.Load(); e != nil {
		t.Note("%s: first failure: %s", mode, *e)
	}
	return nil
}

// trouble kills one replica, then Redis, and starts Redis again.
func (f *fleet) trouble(ctx context.Context, t *Table) error {
	last := f.gates[replicaCount-1]
	if err := last.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	if err := f.pause(ctx, 2*time.Second); err != nil {
		return err
	}
	used, err := f.measure(ctx, t, "slices", "from 2 s after kill -9 of one", replicaSpan/2)
	if err != nil {
		return err
	}
	t.AtLeast("slices: used from 2 s after kill -9 of one replica, %", "%.2f", 100*used, 97)
	f.redis.kill()
	used, err = f.measure(ctx, t, "slices", "without Redis", replicaSpan/2)
	if err != nil {
		return err
	}
	// One replica is dead: the others go by a share of all that were known.
	t.AtMost("slices: used without Redis, % (static share: 75)", "%.2f", 100*used, 100*float64(replicaCount-1)/replicaCount)
	t.AtLeast("slices: used without Redis, %", "%.2f", 100*used, 50)
	if err := f.redis.start(ctx, f.lab); err != nil {
		return err
	}
	if used, err = f.measure(ctx, t, "slices", "Redis comes back, empty", replicaSpan/2); err != nil {
		return err
	}
	t.AtMost("slices: used while Redis comes back, %", "%.2f", 100*used, 100)
	if used, err = f.measure(ctx, t, "slices", "after that", replicaSpan/2); err != nil {
		return err
	}
	t.AtLeast("slices: used after that, %", "%.2f", 100*used, 97)
	return nil
}

// fleet starts everything.
func (l *lab) fleet(ctx context.Context, mode string) (f *fleet, err error) {
	f = &fleet{lab: l, failed: make([]atomic.Int64, replicaCount)}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	enforced := mode
	if mode == "slices" {
		enforced = "seconds"
	}
	config := fmt.Sprintf("seed: %d\nmodels:\n  - {name: m, speed: {overhead: 50ms, step: 1ms, jitter: 0.2}, output: {min: %d, max: %d}}\n"+
		"quotas:\n  - {rpm: %d, tpm: %d, enforce: %s, charge: max_tokens, headers: \"true\"}\n", l.o.seed, shortest, longest, backlogRPM, backlogTPM, mode)
	if f.provider, err = l.provide(ctx, "replicas-"+mode, config); err != nil {
		return nil, err
	}
	f.redis = &redisServer{name: "replicas-" + mode + "-redis"}
	if err := f.redis.start(ctx, l); err != nil {
		return nil, err
	}
	gate := fmt.Sprintf("redis: redis://%s/0\nreplicas: %d\nproviders:\n  p:\n    api: openai\n    base_url: \"http://%s/v1\"\n    api_key: sk-sim\n    models: [m]\n"+
		"    quotas:\n      - {models: [\"*\"], rpm: %d, tpm: %d, charge: max_tokens, enforced: %s}\nkeys:\n  - {name: bench, key: %s}\nqueue: {max_wait: 5m}\n",
		f.redis.addr, replicaCount, f.provider.Addr, backlogRPM, backlogTPM, enforced, benchKey)
	for i := range replicaCount {
		g, err := l.gate(ctx, fmt.Sprintf("replicas-%s-%d", mode, i+1), gate)
		if err != nil {
			return nil, err
		}
		f.gates = append(f.gates, g)
	}
	return f, nil
}

func (f *fleet) stop() {
	for _, g := range f.gates {
		g.Stop()
	}
	if f.redis != nil {
		f.redis.kill()
	}
	if f.provider != nil {
		f.provider.Stop()
	}
}

// load puts callers on all replicas until the function that it returns is called.
func (f *fleet) load(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i, g := range f.gates {
		c := newClient(g.Addr, benchKey, replicaCallers)
		for k := range replicaCallers {
			asks := mixed().draw(200, f.lab.o.seed+uint64(i*replicaCallers+k), "m")
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					r := c.call(ctx, &asks[n%len(asks)])
					if ctx.Err() != nil {
						return
					}
					f.done.Add(1)
					if r.err == nil {
						continue
					}
					f.failed[i].Add(1)
					if i < replicaCount-1 {
						text := fmt.Sprintf("replica %d: %v", i+1, r.err)
						f.first.CompareAndSwap(nil, &text)
					}
					_ = pause(ctx, 100*time.Millisecond) // ended: seen above
				}
			})
		}
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// pause waits, unless a process of the fleet ends.
func (f *fleet) pause(ctx context.Context, d time.Duration) error {
	if err := pause(ctx, d); err != nil {
		return err
	}
	select {
	case <-f.gates[0].Done():
		return f.gates[0].Failure(errors.New("ended"))
	default:
		return nil
	}
}

func (f *fleet) quota() (*sim.QuotaStats, error) {
	st, err := f.provider.stats()
	if err != nil {
		return nil, err
	}
	if len(st.Quotas) != 1 {
		return nil, fmt.Errorf("the simulator has %d quotas", len(st.Quotas))
	}
	return &st.Quotas[0], nil
}

// measure returns what part of what comes in a span at the quota's plain rate was charged in it, in whole seconds.
func (f *fleet) measure(ctx context.Context, t *Table, mode, part string, span time.Duration) (float64, error) {
	before, err := f.quota()
	if err != nil {
		return 0, err
	}
	failed := f.lost()
	begin := time.Now().Truncate(time.Second).Add(time.Second)
	if err := f.pause(ctx, time.Until(begin.Add(span+100*time.Millisecond))); err != nil {
		return 0, err
	}
	after, err := f.quota()
	if err != nil {
		return 0, err
	}
	var tokens int64
	first := int(begin.Sub(after.Start) / time.Second)
	for i := range int(span / time.Second) {
		if k := first + i; k >= 0 && k < len(after.Seconds) {
			tokens += after.Seconds[k].Tokens
		}
	}
	used := float64(tokens) / (span.Minutes() * backlogTPM)
	t.Row(mode, part, percent(used), after.Accepted-before.Accepted, after.Refused-before.Refused, f.lost()-failed)
	progress("%s, %s: %s used, %d refused, %d failed", mode, part, percent(used), after.Refused-before.Refused, f.lost()-failed)
	return used, nil
}

// peak returns how full the fullest window has been.
func (f *fleet) peak() (most float64, err error) {
	q, err := f.quota()
	if err != nil {
		return 0, err
	}
	for _, l := range q.Limits {
		most = max(most, l.Peak)
	}
	return most, nil
}

// lost counts the calls that failed at the replicas that nobody kills.
func (f *fleet) lost() (n int64) {
	for i := range f.failed[:replicaCount-1] {
		n += f.failed[i].Load()
	}
	return n
}

// redisServer is a Redis that keeps nothing on disk.
type redisServer struct {
	name string
	addr string
	p    *rig.Process
}

func (r *redisServer) start(ctx context.Context, l *lab) error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("find redis-server (on Debian: apt-get install redis-server): %w", err)
	}
	if r.addr == "" {
		if r.addr, err = rig.FreeAddr(); err != nil {
			return err
		}
	}
	host, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return err
	}
	r.p, err = start(l, func() (*rig.Process, error) {
		return rig.Start(rig.Spec{Dir: l.dir, Name: r.name, Args: []string{
			path, "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", filepath.Clean(l.dir),
		}})
	})
	if err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", r.addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(end) {
			return r.p.Failure(err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (r *redisServer) kill() {
	if r.p == nil {
		return
	}
	_ = r.p.Signal(syscall.SIGKILL) // it may have ended
	<-r.p.Done()
	r.p = nil
}
