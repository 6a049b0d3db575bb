//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"sluice/bench/rig"
	"sluice/internal/sim"
)

// state is what a gateway holds at a moment.
type state struct {
	Goroutines int
	Clients    int // connections that clients hold
	Upstream   int // connections to the simulators, idle ones included
	InFlight   int // attempts at targets
	Calls      int
	Streams    int
	Queued     int
	Backlog    int
	SimOpen    int64 // requests that simulators work on
	ResidentKB int64
}

// state reads it.
func (l *lab) state() (state, error) {
	var s state
	text, err := get(l.gateway.Addr, "/metrics")
	if err != nil {
		return s, err
	}
	m := gauges(text)
	s.Goroutines = int(m["go_goroutines"])
	s.Calls, s.Streams, s.Queued, s.Backlog = int(m["sluice_inflight"]), int(m["sluice_open_streams"]), int(m["sluice_queue_depth"]), int(m["sluice_ledger_backlog"])
	var targets struct {
		Targets []struct {
			InFlight int `json:"in_flight"`
		} `json:"targets"`
	}
	if err := rig.Get(l.gateway.Addr, "/admin/v1/targets", &targets); err != nil {
		return s, err
	}
	for _, t := range targets.Targets {
		s.InFlight += t.InFlight
	}
	for _, p := range l.sims {
		var st sim.Stats
		if err := rig.Get(p.Addr, "/sim/stats", &st); err != nil {
			return s, err
		}
		s.SimOpen += st.Open
		n, err := established(p.Addr)
		if err != nil {
			return s, err
		}
		s.Upstream += n
	}
	if s.Clients, err = established(l.gateway.Addr); err != nil {
		return s, err
	}
	s.ResidentKB, err = rig.ResidentKB(l.gateway.PID())
	return s, err
}

// settle waits until the gateway is as it was before, for as long as its idle connections may live, and returns what it holds then.
func (l *lab) settle(ctx context.Context, before state) (state, error) {
	l.client.CloseIdleConnections()
	for end := time.Now().Add(15 * time.Second); ; {
		s, err := l.state()
		if err != nil || len(s.left(before)) == 0 || time.Now().After(end) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// spare is how many goroutines more than before are no leak: those that serve the question itself, and timers under way.
const spare = 8

// left lists what is left of calls that are over.
func (s *state) left(before state) []string {
	var all []string
	for _, one := range []struct {
		what     string
		n, limit int
	}{
		{"goroutines", s.Goroutines, before.Goroutines + spare},
		{"connections of clients", s.Clients, 0},
		{"attempts in flight", s.InFlight, 0},
		{"calls", s.Calls, 0},
		{"streams", s.Streams, 0},
		{"queued calls", s.Queued, 0},
		{"ledger rows to be written", s.Backlog, 0},
		{"requests at simulators", int(s.SimOpen), 0},
	} {
		if one.n > one.limit {
			all = append(all, fmt.Sprintf("%d %s (at most %d)", one.n, one.what, one.limit))
		}
	}
	return all
}

func get(addr, path string) (string, error) {
	c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + addr + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: status %d", path, resp.StatusCode)
	}
	return string(b), err
}

// gauges sums the series of each metric over its labels.
func gauges(text string) map[string]float64 {
	sum := map[string]float64{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.IndexByte(line, '{'); i >= 0 && !strings.HasPrefix(line, "#") {
			name = line[:i]
			rest = line[strings.LastIndexByte(line, '}')+1:]
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64); err == nil {
			sum[name] += v
		}
	}
	return sum
}

// established counts the connections that a server on this machine has, but those of the question itself, which are closed by then.
func established(addr string) (int, error) {
	_, port, ok := strings.Cut(addr, ":")
	number, err := strconv.Atoi(port)
	if !ok || err != nil {
		return 0, fmt.Errorf("read port of %q", addr)
	}
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return 0, fmt.Errorf("list connections: %w", err)
	}
	defer f.Close()
	const open = "01" // TCP_ESTABLISHED
	n, suffix := 0, fmt.Sprintf(":%04X", number)
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if w := strings.Fields(sc.Text()); len(w) > 3 && strings.HasSuffix(w[1], suffix) && w[3] == open {
			n++
		}
	}
	return n, nil
}
