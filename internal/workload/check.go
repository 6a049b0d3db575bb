package workload

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// check fills in what a file leaves open, and finds what does not go together. Every value by itself is good already.
func (f *file) check() {
	if f.w.Name == "" {
		f.say("name", "is needed")
	}
	f.checkSLO()
	f.checkMix()
	f.checkTrace()
	f.checkPrompts()
	f.checkPrefix()
	f.checkTurns()
	f.checkLengths()
	f.checkArrival()
	f.checkPhases()
}

func (f *file) checkSLO() {
	e2e := &f.w.SLO.E2E
	if f.latency > 0 && *e2e > 0 && f.latency != *e2e {
		f.say("latency_sla_ms", "says %v and slo.e2e says %v; set one of them", f.latency, *e2e)
	}
	*e2e = max(*e2e, f.latency)
}

func (f *file) checkMix() {
	kinds := map[string]Kind{}
	for _, k := range []Kind{Chat, Embeddings, Tools, Structured} {
		kinds[k.String()] = k
	}
	if len(f.mix) == 0 {
		f.mix = []mixEntry{{kind: Chat.String(), weight: 1}}
	}
	var sum float64
	for _, e := range f.mix {
		sum += e.weight
	}
	if sum == 0 {
		f.say("mix", "has no weight above 0")
		return
	}
	for _, e := range f.mix {
		s := share{Kind: kinds[e.kind], Weight: e.weight / sum, Lengths: f.lengths}
		if e.lengths != nil {
			s.Lengths = *e.lengths
		}
		f.w.load.Mix = append(f.w.load.Mix, s)
	}
}

// checkTrace reads the trace.
func (f *file) checkTrace() {
	if !f.has("trace") {
		return
	}
	t := &f.trace
	switch {
	case t.file != "" && t.name != "":
		f.say("trace.name", "cannot stand beside file")
		return
	case t.file == "" && t.name == "":
		f.say("trace", "needs file, or name for a trace that ships with the program (%s)", strings.Join(traceNames(), ", "))
		return
	}
	for _, key := range []string{"request_distribution", "prefix", "turns", "prompts"} {
		if f.has(key) {
			f.say(key, "cannot stand beside trace, which has the lengths of requests and what they share")
		}
	}
	for i, e := range f.mix {
		if e.lengths != nil {
			f.say(fmt.Sprintf("mix[%d].request_distribution", i), "cannot stand beside trace, which has the lengths")
		}
	}
	tr, err := f.readTrace()
	if err != nil {
		f.say("trace."+map[bool]string{true: "name", false: "file"}[t.name != ""], "cannot be read: %v", err)
		return
	}
	if !f.has("trace.dejitter") && (tr.format == formatMooncake || t.name == mooncakeTrace) {
		t.dejitter = mooncakeStamp
	}
	tr.spread = t.dejitter
	f.w.load.Trace = tr
	f.w.load.Replay = replay{Digest: tr.digest(), Dejitter: t.dejitter}
}

func (f *file) readTrace() (*trace, error) {
	t := &f.trace
	if t.name != "" {
		return shippedTrace(t.name, t.limit)
	}
	src, err := f.open(t.file)
	if err != nil {
		return nil, err
	}
	defer src.Close() // only read
	return readTrace(src, t.format, t.limit, t.block)
}

// checkPrompts reads the file of prompts.
func (f *file) checkPrompts() {
	if !f.has("prompts") {
		f.w.load.Prompt.Unique = false // nothing that the hash should know
		return
	}
	if f.prompts == "" {
		f.say("prompts", "needs file")
		return
	}
	for _, key := range []string{"prefix", "turns"} {
		if f.has(key) {
			f.say(key, "cannot stand beside prompts, which are sent as they are")
		}
	}
	src, err := f.open(f.prompts)
	if err != nil {
		f.say("prompts.file", "cannot be read: %v", err)
		return
	}
	defer src.Close() // only read
	c, err := readCorpus(src)
	if err != nil {
		f.say("prompts.file", "cannot be read: %v", err)
		return
	}
	f.w.load.Corpus = c
	f.w.load.Prompt.Digest = c.digest
}

func (f *file) checkPrefix() {
	p := &f.w.load.Prefix
	if !f.has("prefix") {
		*p = prefix{}
		return
	}
	byHits := f.has("prefix.hit_rate") || f.has("prefix.block_tokens")
	switch {
	case byHits && (f.has("prefix.tokens") || f.has("prefix.share")):
		f.say("prefix", "has tokens and share, or block_tokens and hit_rate, not both")
	case byHits && (p.Hit == 0 || p.Block == 0):
		f.say("prefix", "needs block_tokens and hit_rate, both above 0")
	case !byHits && p.Tokens == 0:
		f.say("prefix", "needs tokens, or block_tokens and hit_rate")
	case byHits:
		p.Share = 0
		if p.Groups == 0 {
			p.Groups = defaultGroups
		}
	case p.Groups == 0:
		p.Groups = 1
	}
}

func (f *file) checkTurns() {
	t := &f.w.load.Turns
	if !f.has("turns") {
		*t = turns{}
		return
	}
	given := 0
	for _, key := range []string{"mean", "fixed", "distribution"} {
		if f.has("turns." + key) {
			given++
		}
	}
	if given != 1 {
		f.say("turns", "needs one of mean, fixed and distribution")
		return
	}
	t.Mean, t.Count = f.turns.mean, f.turns.count
	if f.turns.fixed > 0 {
		t.Count = fixed(f.turns.fixed)
	}
}

// checkLengths finds kinds of requests whose lengths are not known.
func (f *file) checkLengths() {
	l := &f.w.load
	for i, s := range l.Mix {
		path := "request_distribution"
		if i < len(f.mix) && f.mix[i].lengths != nil {
			path = f.mix[i].path + ".request_distribution"
		}
		switch {
		case f.has("trace"):
		case f.has("prompts"):
			if s.Lengths.In.given() {
				f.say(path, "has input_tokens, and the prompts have their own length; give output_tokens only")
			}
		case !s.Lengths.In.given():
			f.say(path, "needs input_tokens for %s", s.Kind)
		case !s.Lengths.Out.given() && s.Kind != Embeddings:
			f.say(path, "needs output_tokens for %s", s.Kind)
		}
		if len(f.problems) > 0 {
			return // the other kinds lack the same
		}
	}
}

// checkArrival decides on the process, and finds what it has no use for.
func (f *file) checkArrival() {
	a := &f.w.Arrival
	if f.users > 0 {
		if a.Concurrency > 0 && a.Concurrency != f.users {
			f.say("arrival.concurrency", "says %d and concurrent_users says %d; set one of them", a.Concurrency, f.users)
		}
		a.Concurrency = f.users
	}
	if a.Process == "" {
		a.Process = f.process()
	}
	uses := map[string][]string{
		Closed: {"think"}, Constant: {"rate"}, Poisson: {"rate"}, Gamma: {"rate", "shape"}, Rising: {"rate", "from"}, Trace: {"rate", "speed"},
	}[a.Process]
	for _, key := range []string{"rate", "from", "shape", "think", "speed"} {
		if f.has("arrival."+key) && !slices.Contains(uses, key) {
			f.say("arrival."+key, "means nothing to the process %s, which has %s", a.Process, strings.Join(append(uses, "concurrency"), ", "))
		}
	}
	switch {
	case a.Process == "":
		f.say("arrival", "is needed: rate, or concurrent_users for a closed loop, or a trace")
	case a.Process == Closed && a.Concurrency == 0:
		f.say("arrival.concurrency", "is needed for a closed loop (or concurrent_users)")
	case a.Process == Gamma && a.Shape == 0:
		f.say("arrival.shape", "is needed for gamma arrivals; 1 is Poisson, below 1 is bursty")
	case a.Process == Trace:
		f.checkReplay()
	case a.Process != Closed && a.Rate == 0:
		f.say("arrival.rate", "is needed for %s arrivals", a.Process)
	}
	if a.Process == Rising && !f.has("arrival.from") {
		a.From = a.Rate * startShare
	}
	if a.Process != Trace && f.has("trace.speed") {
		f.say("trace.speed", "means nothing to the process %s, which takes only the lengths of the trace", a.Process)
	}
}

// process returns the process that a file means without naming it.
func (f *file) process() string {
	switch a := &f.w.Arrival; {
	case f.has("trace"):
		return Trace
	case f.has("arrival.from"):
		return Rising
	case f.has("arrival.shape"):
		return Gamma
	case a.Rate > 0:
		return Poisson
	case a.Concurrency > 0:
		return Closed
	}
	return ""
}

// checkReplay sets the speed of a trace.
func (f *file) checkReplay() {
	a, tr := &f.w.Arrival, f.w.load.Trace
	switch {
	case !f.has("trace"):
		f.say("trace", "is needed for arrivals of a trace")
		return
	case tr == nil:
		return // it could not be read
	case tr.span() <= 0:
		f.say("trace", "has no two rows at different times; give it a rate and a process")
		return
	case a.Speed > 0 && f.trace.speed > 0 && a.Speed != f.trace.speed:
		f.say("trace.speed", "says %v and arrival.speed says %v; set one of them", f.trace.speed, a.Speed)
	case a.Rate > 0 && max(a.Speed, f.trace.speed) > 0:
		f.say("arrival.rate", "cannot stand beside a speed: it is the speed of the trace as a mean rate")
	}
	a.Speed = max(a.Speed, f.trace.speed)
	switch {
	case a.Rate > 0:
		a.Speed = a.Rate / tr.rate()
	case a.Speed == 0:
		a.Speed = 1
	}
	a.Rate = tr.rate() * a.Speed
}

func (f *file) checkPhases() {
	p := &f.w.Phases
	if f.sustain > 0 {
		if f.has("phases.sustain") && p.Sustain != f.sustain {
			f.say("test_duration_seconds", "says %v and phases.sustain says %v; set one of them", f.sustain, p.Sustain)
		}
		p.Sustain = f.sustain
	}
	if !f.has("phases.ramp") && f.w.Arrival.Process == Closed && f.w.Arrival.Concurrency > 1 {
		p.Ramp = defaultRamp
	}
	if tr := f.w.load.Trace; tr != nil && f.w.Arrival.Process == Trace && f.w.Arrival.Speed > 0 {
		whole := time.Duration(float64(tr.span()) / f.w.Arrival.Speed)
		f.w.load.Replay.Whole = f.sustain == 0 && !f.has("phases.sustain")
		if f.w.load.Replay.Whole || p.Sustain > whole {
			p.Sustain = whole
		}
	}
	if p.Sustain == 0 {
		f.say("phases.sustain", "must be above 0s: it is what is measured")
	}
	if f.has("timeout") && f.w.Timeout == 0 {
		f.say("timeout", "must be above 0s")
	}
}
