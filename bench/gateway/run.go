//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"sluice/bench/rig"
)

// options of a comparison, from flags.
type options struct {
	rounds             int
	quick, check       bool
	out                string
	only               string
	peers              []string
	sluicePath         string
	peerCPUs, loadCPUs []int
}

// phase is one kind of load, put on each peer in each round.
type phase struct {
	Name string
	Unit string // what CPU time is divided by: call or chunk
	Job  job
}

// phases returns the loads in groups. A group gets processes of its own: memory for streams is then not that of earlier
// load, and calls do not pay for a pool of connections that thousands of streams have left behind.
func phases(quick bool) [][]phase {
	ms := func(full, short int) time.Duration {
		if quick {
			full = short
		}
		return time.Duration(full) * time.Millisecond
	}
	streams := func(n int, rate float64, ramp time.Duration) []phase {
		return []phase{{fmt.Sprintf("%d streams of %g chunks/s", n, rate), "chunk", job{
			Kind: "streams", Size: 300, Streams: n, Rate: rate, Ramp: ramp, Warm: ms(800, 300), Window: ms(2000, 800),
		}}}
	}
	closed := func(size int) phase {
		return phase{fmt.Sprintf("calls of %d B, closed loop of 64", size), "call", job{
			Kind: "closed", Size: size, Users: 64, Warm: ms(300, 200), Window: ms(1200, 500),
		}}
	}
	open := func(size int, rate float64) phase {
		return phase{fmt.Sprintf("calls of %d B, %g/s", size, rate), "call", job{
			Kind: "open", Size: size, Rate: rate, Warm: ms(300, 200), Window: ms(1500, 600),
		}}
	}
	calls := []phase{closed(300), closed(10_000), open(300, 1000), open(10_000, 1000)}
	if !quick {
		calls = append(calls, open(300, 4000))
	}
	return [][]phase{streams(1000, 10, ms(600, 300)), streams(5000, 2, ms(3000, 2000)), calls}
}

// choose keeps the loads whose name contains text.
func choose(groups [][]phase, text string) ([][]phase, error) {
	var kept [][]phase
	for _, g := range groups {
		g = slices.DeleteFunc(g, func(p phase) bool { return !strings.Contains(p.Name, text) })
		if len(g) > 0 {
			kept = append(kept, g)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("no load has %q in its name", text)
	}
	return kept, nil
}

// sample is one result with where it belongs.
type sample struct {
	Round   int
	Peer    string
	Phase   string
	IdleRSS int64 // of the peer before any load but a few calls, KiB
	IdlePSS int64
	Result  *result
	// LoadBusy is the share of their CPUs that mock and client used.
	LoadBusy float64
	Invalid  []string `json:",omitempty"` // why the figures of this sample do not count
	Notes    []string `json:",omitempty"`
}

// runner holds what a comparison needs. Its methods run on the main goroutine, locked to its thread (startProcess).
type runner struct {
	o        options
	self     string // this program
	dir      string // temporary files of this run
	progress io.Writer
}

// tries bounds how often a block is done.
const tries = 3

// compare puts all phases on all peers in interleaved rounds.
func (r *runner) compare(ctx context.Context, peers []peer, groups [][]phase) ([]sample, error) {
	var runnable []peer
	for _, p := range peers {
		if p.Missing == "" {
			runnable = append(runnable, p)
		}
	}
	var all []sample
	for round := range r.o.rounds {
		order := slices.Clone(runnable)
		if m := round % 4; m == 1 || m == 2 { // A B, B A, B A, A B: slow drift of the machine hits all alike
			slices.Reverse(order)
		}
		for _, p := range order {
			fmt.Fprintf(r.progress, "round %d of %d: %s\n", round+1, r.o.rounds, p.Name)
			for _, list := range groups {
				if p.Name == translated && list[0].Unit != "chunk" {
					continue
				}
				got, err := r.block(ctx, round, p, list)
				for try := 1; err != nil && ctx.Err() == nil && try < tries; try++ {
					// On a machine that others use a whole block can go wrong; its processes are gone, so it can be done anew.
					fmt.Fprintf(r.progress, "round %d of %d: %s: again, since %v\n", round+1, r.o.rounds, p.Name, err)
					got, err = r.block(ctx, round, p, list)
				}
				if err != nil {
					return nil, fmt.Errorf("round %d, %s: %w", round+1, p.Name, err)
				}
				all = append(all, got...)
			}
		}
	}
	return all, nil
}

// block runs one peer through a group of phases, with processes of its own.
func (r *runner) block(ctx context.Context, round int, p peer, list []phase) ([]sample, error) {
	mock, err := rig.Start(rig.Spec{Dir: r.dir, Name: "mock", CPUs: r.o.loadCPUs, Args: []string{r.self, "mock"}})
	if err != nil {
		return nil, err
	}
	defer mock.Stop()
	mockAddr, err := mock.ReadLine(ctx, 10*time.Second)
	if err != nil {
		return nil, err
	}
	client, err := rig.Start(rig.Spec{Dir: r.dir, Name: "client", CPUs: r.o.loadCPUs, Args: []string{r.self, "client"}})
	if err != nil {
		return nil, err
	}
	defer client.Stop()
	proc, addr, err := r.launch(ctx, p, mockAddr)
	if err != nil {
		return nil, err
	}
	var pid int
	var idle, idlePSS int64
	if proc != nil {
		defer proc.Stop()
		pid = proc.PID()
		if idle, err = rig.ResidentKB(pid); err != nil {
			return nil, err
		}
		if idlePSS, err = rig.ProportionalKB(pid); err != nil {
			return nil, err
		}
	}
	var all []sample
	for i, ph := range list {
		j := ph.Job
		j.Addr, j.Mock, j.Peer, j.MockPID = addr, mockAddr, pid, mock.PID()
		j.PeerCPUs, j.LoadCPUs = r.o.peerCPUs, r.o.loadCPUs
		j.Seed = uint64(round*100 + i + 1) // the same schedule for each peer of a round
		res, err := order(ctx, client, j)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ph.Name, err)
		}
		s := sample{Round: round, Peer: p.Name, Phase: ph.Name, IdleRSS: idle, IdlePSS: idlePSS, Result: res, LoadBusy: loadBusy(j, res)}
		s.Invalid, s.Notes = judge(j, res)
		all = append(all, s)
	}
	return all, nil
}

// order has the client do a job.
func order(ctx context.Context, client *rig.Process, j job) (*result, error) {
	b, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	if _, err := client.In.Write(append(b, '\n')); err != nil {
		return nil, client.Failure(err)
	}
	line, err := client.ReadLine(ctx, 2*(j.Ramp+j.Warm+j.Window)+3*patience)
	if err != nil {
		return nil, err
	}
	var r result
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return nil, fmt.Errorf("decode result: %w", err)
	}
	return &r, nil
}

// find looks for the programs of the peers that were asked for.
func (r *runner) find(ctx context.Context) ([]peer, error) {
	var all []peer
	for _, name := range r.o.peers {
		p := peer{Name: name}
		switch name {
		case direct, reverseProxy:
		case nginx:
			r.findNginx(ctx, &p)
		case sluice, unguarded, translated:
			r.findSluice(ctx, &p)
		default:
			return nil, fmt.Errorf("unknown peer %q; there are %s", name, strings.Join(allPeers(), ", "))
		}
		all = append(all, p)
	}
	return all, nil
}

func allPeers() []string { return []string{direct, reverseProxy, nginx, sluice, unguarded, translated} }

func (r *runner) findNginx(ctx context.Context, p *peer) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} { // Debian's is not in every user's PATH
		if path, err := exec.LookPath(name); err == nil {
			out, _ := exec.CommandContext(ctx, path, "-v").CombinedOutput() // the version is for the record only
			p.path, p.Version = path, strings.TrimPrefix(strings.TrimSpace(string(out)), "nginx version: ")
			return
		}
	}
	p.Missing = "not installed; apt-get install nginx-light"
}

// findSluice takes the binary that was named, or builds it.
func (r *runner) findSluice(ctx context.Context, p *peer) {
	var err error
	if p.path = r.o.sluicePath; p.path == "" {
		if p.path, err = rig.Build(ctx, r.dir); err != nil {
			p.Missing = err.Error()
			return
		}
	}
	if _, err := exec.LookPath(p.path); err != nil {
		p.Missing = err.Error()
	}
}
