//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"sluice/internal/workload"
)

// The server of this section takes 15 to 35 ms for each answer, evenly spread, so that microseconds of difference between
// clients do not matter, and neither client is near its limit. The spread keeps the users of a closed loop from falling into
// step: with one time for all, a tool's requests come in bursts, and one hiccup of the machine is its p99.
const (
	peerMedian = 25 * time.Millisecond
	peerSpread = 10 * time.Millisecond
	peerUsers  = 8   // of a closed loop: near 320 answers a second
	peerRate   = 300 // of an open loop
	barPeers   = 0.03
)

// runPeers measures one server with the engine and with other tools, in pairs, in changing order.
func runPeers(ctx context.Context, l *lab, f *findings) error {
	server, addr, err := l.serveTruth(ctx, plan{Seed: 5, First: delay{Median: peerMedian, Spread: peerSpread}, Events: [2]int{1, 1}})
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
	truth        []three // of the server, for the runs of the engine
}

// pair runs both, several times, each first in turn.
func (l *lab) pair(ctx context.Context, tl *tool, addr string) (*pairing, error) {
	length := l.span(4, 2)
	s := shape{Process: workload.Closed, Users: peerUsers, Warmup: 500 * time.Millisecond, Sustain: length, Cooldown: time.Second, Output: 1, Whole: true}
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
				o, err := l.load(ctx, job{URL: url, Model: "truth", Shape: s}, s.total())
				if err != nil {
					return nil, err
				}
				sum := &o.Run.Summary
				p.engine = append(p.engine, measured{Rate: sum.TPS, Latency: distOf(&sum.E2E), N: sum.OK, Failed: sum.Failed})
				if err := p.addTruth(addr); err != nil {
					return nil, err
				}
				continue
			}
			m, err := l.run(ctx, tl, target{url: url + "/chat/completions", body: `{"model":"truth"}`, users: peerUsers, rate: peerRate, length: length})
			if err != nil {
				return nil, err
			}
			p.peer = append(p.peer, m)
			if _, err := takeEntries(addr); err != nil { // the next run gets the same answers
				return nil, err
			}
		}
	}
	return p, nil
}

// addTruth takes the server's log of a run of the engine.
func (p *pairing) addTruth(addr string) error {
	entries, err := takeEntries(addr)
	if err != nil {
		return err
	}
	var v []float64
	for _, e := range entries {
		v = append(v, millis(time.Duration(e.Last-e.Received)))
	}
	p.truth = append(p.truth, threeOf(v))
	return nil
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
	f.add(p.tool.name+", "+p.load+": p50 p95 p99", "within 3 %", held(good), "%v ms, %s %v ms (%s)", x, p.tool.name, y, strings.Join(off, ", ")).Note = fmt.Sprintf("the server itself took %v ms", medianOf(p.truth))
}

func agree(a, b float64) bool { return math.Abs(a-b) <= barPeers*b }
