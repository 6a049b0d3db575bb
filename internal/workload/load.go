package workload

import (
	"math"
	"time"
)

// Limits on what one request or conversation can be.
const (
	maxTokens = 10_000_000 // of one request
	maxTurns  = 200        // of one conversation
)

// load says what is sent: everything of a workload but when. Its JSON is the canonical form that is hashed.
type load struct {
	Mix    []share    `json:"mix"`
	Prefix prefix     `json:"prefix"`
	Turns  turns      `json:"turns"`
	Trace  *trace     `json:"-"` // nil for none
	Replay replay     `json:"replay"`
	Corpus *corpus    `json:"-"` // nil for none
	Prompt promptRule `json:"prompt"`
}

// share is one kind of request with its weight.
type share struct {
	Kind    Kind    `json:"kind"`
	Weight  float64 `json:"weight"` // all of a mix add up to 1
	Lengths lengths `json:"lengths"`
}

// prefix says what leading text requests have in common, in one of two ways.
type prefix struct {
	Tokens int32   `json:"tokens,omitempty"` // of a prefix that Share of the requests begin with
	Share  float64 `json:"share,omitempty"`
	Groups int     `json:"groups,omitempty"` // different prefixes
	Block  int32   `json:"block,omitempty"`  // tokens that are cached together
	Hit    float64 `json:"hit,omitempty"`    // share of all input tokens that a cache that never forgets holds
}

// turns says what conversations are like. No Count means one turn each.
type turns struct {
	Count    dist          `json:"count"`
	Mean     float64       `json:"mean,omitempty"` // in place of Count: geometric
	Think    time.Duration `json:"think,omitempty"`
	In       dist          `json:"in"`                  // text that a later turn adds
	MaxInput int32         `json:"max_input,omitempty"` // a conversation ends before it gets longer; 0 for no limit
}

func (t *turns) given() bool { return t.Count.given() || t.Mean > 0 }

// count returns the number of turns at u.
func (t *turns) count(u float64) int {
	switch {
	case t.Count.given():
		return min(max(int(math.Round(t.Count.at(u))), 1), maxTurns)
	case t.Mean > 1:
		// The inverse of the geometric distribution over 1, 2, ... with that mean.
		return min(1+int(math.Log(1-u)/math.Log(1-1/t.Mean)), maxTurns)
	}
	return 1
}

// design makes requests from their numbers. It holds no state: the same number gives the same request, in any order.
type design struct {
	load
	src source
}

func (w *Workload) design(key Key) *design { return &design{w.load, key.common("lengths")} }

// The places of an item's draws.
const (
	drawKind = iota
	drawPrefix
	drawGroup
	drawTurns
	drawBlock
	drawRow
	drawLengths // and one source for each turn from here on
)

// talk is one conversation. Most have one turn.
type talk struct {
	slots  []Slot // without At and Index
	system int32  // tokens of the prefix, sent as the system message
	group  int    // of the prefix; -1 for none
	in     []int32
}

// talk returns the c-th conversation. row is the line of the trace or of the prompts that it is made of, -1 to take them in
// turn. The buffers of reuse are used again.
func (d *design) talk(reuse talk, c int64, row int32) talk {
	t := talk{slots: reuse.slots[:0], in: reuse.in[:0], group: -1}
	src := d.src.at(uint64(c))
	kind := &d.Mix[d.pick(src.unit(drawKind))]
	first := Slot{Kind: kind.Kind, Group: -1, Row: -1}
	switch {
	case d.Trace != nil:
		d.fromTrace(&first, src, c, row)
	case d.Corpus != nil:
		d.fromCorpus(&first, kind, src, c, row)
	default:
		first.Input, first.Output = kind.Lengths.draw(src.at(drawLengths))
		first.Input = max(first.Input, 1)
		d.share(&t, &first, src)
	}
	if first.Kind == Embeddings {
		first.Output = 0
	}
	t.slots, t.in = append(t.slots, first), append(t.in, first.Input-t.system)
	if d.Turns.given() && first.Kind != Embeddings {
		d.continueTalk(&t, kind, src, c)
	}
	return t
}

// pick returns the place in the mix for u.
func (d *design) pick(u float64) int {
	if len(d.Mix) == 1 {
		return 0
	}
	for i := range d.Mix {
		if u -= d.Mix[i].Weight; u < 0 {
			return i
		}
	}
	return len(d.Mix) - 1
}

// share gives a first turn its prefix. The prefix is a part of the drawn input: a request that is too short for it takes as
// much as fits, and keeps a token of its own.
func (d *design) share(t *talk, s *Slot, src source) {
	p := &d.Prefix
	if p.Groups == 0 {
		return
	}
	switch {
	case p.Block > 0:
		// Rounded up or down by chance, so that the mean is the rate.
		blocks := math.Floor(p.Hit*float64(s.Input)/float64(p.Block) + src.unit(drawBlock))
		s.Shared = min(int32(blocks)*p.Block, s.Input-1)
	case src.unit(drawPrefix) < p.Share:
		s.Shared = min(p.Tokens, s.Input-1)
		if s.Kind != Embeddings {
			t.system = s.Shared
		}
	}
	if s.Shared > 0 {
		t.group = src.below(drawGroup, p.Groups)
		s.Group = int32(t.group)
	}
}

// continueTalk adds the turns after the first.
func (d *design) continueTalk(t *talk, kind *share, src source, c int64) {
	t.slots[0].Group = int32(c)
	n := d.Turns.count(src.unit(drawTurns))
	for turn := 1; turn < n; turn++ {
		s := t.slots[turn-1]
		draws := src.at(uint64(drawLengths + turn))
		in, out := kind.Lengths.draw(draws)
		if d.Turns.In.given() {
			in = d.Turns.In.tokens(draws.unit(2))
		} else {
			in -= t.system
		}
		in = max(in, 1)
		s.Shared = s.Input
		total := int64(s.Input) + int64(s.Output) + int64(in)
		if limit := d.Turns.MaxInput; limit > 0 && total > int64(limit) || total > maxTokens {
			return
		}
		s.Input, s.Output, s.Turn = int32(total), out, int16(turn)
		t.slots, t.in = append(t.slots, s), append(t.in, in)
	}
}

func (d *design) fromTrace(s *Slot, src source, c int64, row int32) {
	rows := d.Trace.rows
	if row < 0 {
		row = int32(c % int64(len(rows)))
	}
	r := &rows[row]
	s.Row, s.Input, s.Output, s.Shared = row, r.in, r.out, r.seen
}

func (d *design) fromCorpus(s *Slot, kind *share, src source, c int64, row int32) {
	if row < 0 {
		row = d.Corpus.row(d.src, c)
	}
	p := &d.Corpus.lines[row]
	s.Row, s.Kind, s.Input, s.Output = row, p.kind(s.Kind), p.tokens, p.output
	if d.Prompt.Unique {
		s.Input += uniqueTokens
	}
	if s.Output == 0 {
		_, s.Output = kind.Lengths.draw(src.at(drawLengths))
	}
}

// Kinds returns the kinds of requests that the workload has. It is nil where the lines of a file of prompts decide.
func (w *Workload) Kinds() []Kind {
	if w.load.Corpus != nil {
		return nil
	}
	var kinds []Kind
	for _, s := range w.load.Mix {
		kinds = append(kinds, s.Kind)
	}
	return kinds
}

// Expected returns the mean tokens of a request, for estimates of cost. Output is 0 if the workload does not limit it. It is
// the mean over the first conversations that the workload's seed gives.
func (w *Workload) Expected() (input, output float64) {
	const sample = 4096
	d := w.design(Key{Seed: w.Seed})
	var t talk
	var n float64
	for c := range int64(sample) {
		t = d.talk(t, c, -1)
		for _, s := range t.slots {
			input += float64(s.Input)
			output += float64(s.Output)
			n++
		}
	}
	return input / n, output / n
}
