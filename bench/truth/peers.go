//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"sluice/bench/rig"
	"sluice/internal/workload"
)

// The server of this section takes 30 ms for each answer, so that microseconds of difference between clients do not matter,
// and neither client is near its limit.
const (
	peerAfter = 30 * time.Millisecond
	peerUsers = 8   // of a closed loop: near 270 answers a second. More would send in bursts, each tool in its own
	peerRate  = 300 // of an open loop
	barPeers  = 0.03
)

// runPeers measures one server with the engine and with other tools, in pairs, in changing order.
func runPeers(ctx context.Context, l *lab, f *findings) error {
	server, addr, err := l.serve(ctx, "mock")
	if err != nil {
		return err
	}
	defer server.Stop()
	for _, t := range l.tools(ctx) {
		if t.path == "" {
			f.add(t.name, "within 3 %", absent, "not installed").Note = t.install
			continue
		}
		p, err := l.pair(ctx, t, addr)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		p.judge(f)
	}
	return nil
}

// pairing is what the engine and a tool said of the same server under the same load.
type pairing struct {
	tool         *tool
	load         string
	engine, peer []measured
	states       []string
}

// pair runs both, several times, each first in turn.
func (l *lab) pair(ctx context.Context, tl *tool, addr string) (*pairing, error) {
	length := l.span(4, 2)
	model := rig.MockModel(peerAfter, 0)
	s := shape{Process: workload.Closed, Users: peerUsers, Warmup: 500 * time.Millisecond, Sustain: length, Cooldown: time.Second, Output: mockTokens, Whole: true}
	p := &pairing{tool: tl, load: fmt.Sprintf("closed loop of %d", peerUsers)}
	if tl.open {
		s.Process, s.Users, s.Rate = workload.Constant, 0, peerRate
		p.load = fmt.Sprintf("%d/s", peerRate)
	}
	url := "http://" + addr + "/v1"
	for round := range l.rounds(3) {
		l.say("%s, %s, round %d", tl.name, p.load, round+1)
		for turn := range 2 {
			if turn == round%2 {
				o, err := l.load(ctx, job{URL: url, Model: model, Shape: s}, s.total())
				if err != nil {
					return nil, err
				}
				sum := &o.Run.Summary
				p.engine = append(p.engine, measured{Rate: sum.TPS, Latency: distOf(&sum.E2E), N: sum.OK, Failed: sum.Failed})
				p.states = append(p.states, o.Run.Verdict.State)
				continue
			}
			m, err := l.run(ctx, tl, target{url: url + "/chat/completions", body: fmt.Sprintf(`{"model":%q}`, model), users: peerUsers, rate: peerRate, length: length})
			if err != nil {
				return nil, err
			}
			p.peer = append(p.peer, m)
		}
	}
	return p, nil
}

// run has a tool measure and waits for it.
func (l *lab) run(ctx context.Context, tl *tool, t target) (measured, error) {
	p, err := l.start(tl, t)
	if err != nil {
		return measured{}, err
	}
	defer p.Stop()
	return tl.finish(ctx, p, t)
}

// judge compares the medians over rounds.
func (p *pairing) judge(f *findings) {
	var ours, theirs []three
	var ourRate, theirRate []float64
	var failed int64
	for i := range p.peer {
		ours, theirs = append(ours, p.engine[i].Latency), append(theirs, p.peer[i].Latency)
		ourRate, theirRate = append(ourRate, p.engine[i].Rate), append(theirRate, p.peer[i].Rate)
		failed += p.engine[i].Failed + p.peer[i].Failed
	}
	a, b := median(ourRate), median(theirRate)
	bar := f.add(p.tool.name+", "+p.load+": answers/s", "within 3 %", held(agree(a, b) && failed == 0), "%.1f, %s %.1f (%+.1f %%)", a, p.tool.name, b, 100*(a/b-1))
	if failed > 0 {
		bar.Note = fmt.Sprintf("%d requests failed", failed)
	}
	x, y := medianOf(ours), medianOf(theirs)
	good := true
	var off []string
	for i, name := range percentiles() {
		good = good && agree(x[i], y[i])
		off = append(off, fmt.Sprintf("%s %+.1f %%", name, 100*(x[i]/y[i]-1)))
	}
	f.add(p.tool.name+", "+p.load+": p50 p95 p99", "within 3 %", held(good), "%v ms, %s %v ms (%s)", x, p.tool.name, y, strings.Join(off, ", "))
}

func agree(a, b float64) bool { return math.Abs(a-b) <= barPeers*b }
