//go:build linux

package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"sluice/bench/rig"
	"sluice/internal/bench"
)

// runRecord is what a run leaves in its file: everything that was measured and what was made of it.
type runRecord struct {
	Time    time.Time
	Took    string
	Commit  string
	Machine rig.Machine
	Quick   bool
	Rounds  int
	Peers   []peer
	Phases  []phase
	Rows    []row
	Bars    []bar
	Samples []sample
}

func newRecord(ctx context.Context, o options, peers []peer, list []phase, limit uint64) *runRecord {
	pinned := ""
	if len(o.peerCPUs) > 0 || len(o.loadCPUs) > 0 {
		pinned = fmt.Sprintf("peer on CPU %s, mock and client on %s", rig.JoinCPUs(o.peerCPUs), rig.JoinCPUs(o.loadCPUs))
	}
	return &runRecord{Time: time.Now().UTC(), Commit: rig.Commit(ctx), Machine: rig.ReadMachine(limit, pinned), Quick: o.quick, Rounds: o.rounds, Peers: peers, Phases: list}
}

// Limits of the client's own health, beyond which a sample says more about the client than about the peer.
const (
	maxLoadBusy    = 0.85 // of the CPUs of mock and client
	maxCallLag     = time.Millisecond
	maxStreamLag   = 50 * time.Millisecond
	noisyShare     = 0.12 // of a CPU, used by processes that have no part in the run: worth a note
	spoiltShare    = 0.25 // likewise: times and quantiles are no longer those of the peer
	clientBoundMsg = "client-bound"
)

// judge says what speaks against a sample: reasons not to count it, and remarks.
func judge(j job, r *result) (invalid, notes []string) {
	busy := loadBusy(j, r)
	switch {
	case busy <= maxLoadBusy:
	case j.Kind == "closed": // it is the load's task to go to a limit; here it was its own
		notes = append(notes, clientBoundMsg)
	default:
		invalid = append(invalid, fmt.Sprintf("mock and client %.0f %% busy", 100*busy))
	}
	lag, limit := time.Duration(r.DispatchLag.P99), maxCallLag
	if j.Kind == "streams" {
		limit = maxStreamLag
		if m, most := time.Duration(r.MockLag.P99), time.Duration(float64(time.Second)/j.Rate/4); m > most {
			invalid = append(invalid, fmt.Sprintf("mock %v late", m.Round(time.Millisecond)))
		}
		if open := min(r.OpenBefore, r.OpenAfter); open+r.Failed < int64(j.Streams) {
			invalid = append(invalid, fmt.Sprintf("only %d streams open", open))
		}
	}
	if j.Kind != "closed" && lag > limit {
		invalid = append(invalid, fmt.Sprintf("dispatch %v late", lag.Round(10*time.Microsecond)))
	}
	if r.Verdict.State == bench.Invalid {
		invalid = append(invalid, "the load engine: "+r.Verdict.Reasons[0])
	}
	if r.Units == 0 {
		invalid = append(invalid, "nothing ended in the window")
	}
	for _, c := range []struct {
		who     string
		matters bool
		share   float64
	}{
		{"peer", j.Peer != 0, foreign(r.Wall, j.PeerCPUs, r.PeerCores, r.PeerCPU)},
		{"load", true, foreign(r.Wall, j.LoadCPUs, r.LoadCores, r.MockCPU+r.ClientCPU)},
	} {
		if !c.matters || c.share <= noisyShare {
			continue
		}
		text := fmt.Sprintf("others used %.0f %% of the CPU of the %s", 100*c.share, c.who)
		if c.share > spoiltShare {
			invalid = append(invalid, text)
		} else {
			notes = append(notes, text)
		}
	}
	return invalid, notes
}

// foreign is the share of the CPUs that processes without a part in the run used.
func foreign(wall time.Duration, cpus []int, busy, own time.Duration) float64 {
	if len(cpus) == 0 {
		return 0
	}
	return float64(busy-own) / float64(wall) / float64(len(cpus))
}

// loadBusy is the share of their CPUs that mock and client used.
func loadBusy(j job, r *result) float64 {
	cpus := len(j.LoadCPUs)
	if cpus == 0 {
		cpus = runtime.NumCPU()
	}
	return float64(r.MockCPU+r.ClientCPU) / float64(r.Wall) / float64(cpus)
}

// row is one peer in one phase: medians over the rounds that count.
type row struct {
	Phase, Peer  string
	Valid        int      // samples that count
	Samples      int      // samples taken
	CPU          float64  // us of the peer for a call or chunk
	Ratio        spread   // of CPU to the ReverseProxy's in the same round
	PerSecond    float64  // calls or chunks
	P50, P99     float64  // ms: latency of calls, delay of chunks
	Added50      spread   // ms: P50 less that of the direct way in the same round
	Added99      spread   // ms: likewise for P99; a difference of quantiles, not a quantile of differences
	Idle         float64  // MiB of the peer before the load
	KBPerStream  spread   // (peak - idle) / streams, by resident memory
	PSSPerStream float64  // likewise by proportional memory at the window's end
	Failed, Sent int64    // over all samples, also those that do not count
	FirstError   string   `json:",omitempty"`
	LagP99       float64  // ms: the worst of the rounds, dispatch of calls and streams
	MockLagP99   float64  // ms: the worst of the rounds
	LoadBusy     float64  // share: the highest of the rounds
	Notes        []string `json:",omitempty"`
}

// spread is a median with its range over rounds. N is 0 if nothing was measured.
type spread struct {
	N             int
	Mid, Min, Max float64
}

func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return spread{N: n, Mid: (s[(n-1)/2] + s[n/2]) / 2, Min: s[0], Max: s[n-1]}
}

func summarizeRows(rec *runRecord) []row {
	var rows []row
	for _, ph := range rec.Phases {
		for _, p := range rec.Peers {
			if p.Missing == "" && len(rec.samples(ph.Name, p.Name)) > 0 {
				rows = append(rows, rec.summarize(ph, p.Name))
			}
		}
	}
	return rows
}

// samples returns a peer's samples of a phase by round: those that count, or all if none does, for what they are worth.
func (rec *runRecord) samples(phase, peer string) map[int]*sample {
	valid, all := make(map[int]*sample), make(map[int]*sample)
	for i := range rec.Samples {
		s := &rec.Samples[i]
		if s.Phase != phase || s.Peer != peer {
			continue
		}
		all[s.Round] = s
		if len(s.Invalid) == 0 {
			valid[s.Round] = s
		}
	}
	if len(valid) == 0 {
		return all
	}
	return valid
}

func (rec *runRecord) summarize(ph phase, name string) row {
	const ms = float64(time.Millisecond)
	w := row{Phase: ph.Name, Peer: name}
	for i := range rec.Samples {
		if s := &rec.Samples[i]; s.Phase == ph.Name && s.Peer == name {
			w.count(s)
		}
	}
	var cpu, ratio, rate, p50, p99, add50, add99, idle, kb, pss []float64
	way, base := rec.samples(ph.Name, direct), rec.samples(ph.Name, reverseProxy)
	for round, s := range rec.samples(ph.Name, name) {
		q := quantilesOf(ph, s)
		rate = append(rate, float64(s.Result.Units)/s.Result.Wall.Seconds())
		p50, p99 = append(p50, float64(q.P50)/ms), append(p99, float64(q.P99)/ms)
		if name == direct {
			continue
		}
		if d := way[round]; d != nil {
			dq := quantilesOf(ph, d)
			add50, add99 = append(add50, float64(q.P50-dq.P50)/ms), append(add99, float64(q.P99-dq.P99)/ms)
		}
		if n := float64(ph.Job.Streams); n > 0 {
			kb = append(kb, float64(s.Result.PeakRSS-s.IdleRSS)/n)
			pss = append(pss, float64(s.Result.PSS-s.IdlePSS)/n)
		}
		idle = append(idle, float64(s.IdleRSS)/1024)
		if s.Result.Units == 0 {
			continue
		}
		cpu = append(cpu, cpuOf(s))
		if b := base[round]; b != nil && b.Result.Units > 0 {
			ratio = append(ratio, cpuOf(s)/cpuOf(b))
		}
	}
	w.CPU, w.Ratio, w.PerSecond = spreadOf(cpu).Mid, spreadOf(ratio), spreadOf(rate).Mid
	w.P50, w.P99, w.Added50, w.Added99 = spreadOf(p50).Mid, spreadOf(p99).Mid, spreadOf(add50), spreadOf(add99)
	w.Idle, w.KBPerStream, w.PSSPerStream = spreadOf(idle).Mid, spreadOf(kb), spreadOf(pss).Mid
	return w
}

// count adds what is counted of every sample, whether its figures are used or not.
func (w *row) count(s *sample) {
	const ms = float64(time.Millisecond)
	w.Samples++
	if len(s.Invalid) == 0 {
		w.Valid++
	}
	w.Failed += s.Result.Failed
	w.Sent += s.Result.Sent
	if w.FirstError == "" {
		w.FirstError = s.Result.FirstError
	}
	w.LagP99 = max(w.LagP99, float64(s.Result.DispatchLag.P99)/ms)
	w.MockLagP99 = max(w.MockLagP99, float64(s.Result.MockLag.P99)/ms)
	w.LoadBusy = max(w.LoadBusy, s.LoadBusy)
	for _, n := range append(slices.Clone(s.Invalid), s.Notes...) {
		w.Notes = append(w.Notes, fmt.Sprintf("round %d: %s", s.Round+1, n))
	}
}

// against returns a peer's CPU for a unit of a phase as a ratio to another peer's in the same round.
func (rec *runRecord) against(phase, name, other string) spread {
	var ratio []float64
	base := rec.samples(phase, other)
	for round, s := range rec.samples(phase, name) {
		if b := base[round]; b != nil && b.Result.Units > 0 && s.Result.Units > 0 {
			ratio = append(ratio, cpuOf(s)/cpuOf(b))
		}
	}
	return spreadOf(ratio)
}

func quantilesOf(ph phase, s *sample) rig.Quantiles {
	if ph.Unit == "chunk" {
		return s.Result.Delay
	}
	return s.Result.Latency
}

// cpuOf is the peer's CPU time for one unit of the sample, in us.
func cpuOf(s *sample) float64 {
	return float64(s.Result.PeerCPU) / float64(time.Microsecond) / float64(s.Result.Units)
}
