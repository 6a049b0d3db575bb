package workload

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Limits on values of workload files.
const (
	MaxRate  = 1_000_000 // requests a second, the most that a workload may ask for
	maxUsers = 1_000_000
	maxRows  = 128 // of a table of percentiles, or of a mix
)

// file is a workload file while it is read.
type file struct {
	decoder
	w    Workload
	open opener

	users   int           // concurrent_users
	latency time.Duration // latency_sla_ms
	sustain time.Duration // test_duration_seconds
	lengths lengths       // for the kinds that have none of their own
	mix     []mixEntry
	turns   turnsSpec
	trace   traceSpec
	prompts string // file
}

// mixEntry is an item of mix.
type mixEntry struct {
	kind    string
	weight  float64
	lengths *lengths // nil for those of the workload
	path    string
}

// turnsSpec is the ways to say how many turns there are.
type turnsSpec struct {
	mean  float64
	fixed float64
	count dist
}

// traceSpec says which trace is used, and how.
type traceSpec struct {
	file, name, format string
	speed              float64
	dejitter           time.Duration
	limit              int
	block              int32
}

// The values of a workload that does not say otherwise.
const (
	defaultRepeats  = 3
	defaultTimeout  = 5 * time.Minute
	defaultWarmup   = 10 * time.Second
	defaultRamp     = 10 * time.Second // of several users; a rate has none
	defaultSustain  = time.Minute
	defaultCooldown = time.Minute
	defaultThink    = 10 * time.Second // between turns
	defaultGroups   = 8                // of a hit rate
)

func newFile(open opener) *file {
	f := &file{open: open, decoder: decoder{where: make(map[string]place)}}
	f.w.Seed, f.w.Stream, f.w.Repeats, f.w.Timeout = 1, true, defaultRepeats, defaultTimeout
	f.w.Phases = Phases{defaultWarmup, 0, defaultSustain, defaultCooldown}
	f.w.load.Prompt.Unique = true
	f.w.load.Prefix.Share = 1
	f.w.load.Turns.Think = defaultThink
	return f
}

// has reports whether the file sets a key.
func (f *file) has(path string) bool { _, ok := f.where[path]; return ok }

// say reports a problem at a key, or where it would be.
func (f *file) say(path, format string, args ...any) {
	at, ok := f.where[path]
	for above := path; !ok; {
		i := strings.LastIndexByte(above, '.')
		if i < 0 {
			at = f.where[top]
			break
		}
		above = above[:i]
		at, ok = f.where[above]
	}
	f.add(at, path, format, args...)
}

// top is the key that holds all others.
const top = "benchmark_workload"

func (f *file) root(n ast.Node) {
	f.object(n, "", field{top, func(n ast.Node, _ string) { f.workload(n) }})
	if !f.has(top) && len(f.problems) == 0 {
		f.add(place{1, 1}, "", "has no key %s with a value", top)
	}
}

func (f *file) workload(n ast.Node) {
	w := &f.w
	f.object(
		n, "",
		field{"name", f.text(&w.Name)},
		field{"version", f.text(&w.Version)},
		field{"description", f.text(&w.Description)},
		field{"citation", f.text(&w.Citation)},
		field{"request_distribution", func(n ast.Node, path string) { f.distribution(n, path, &f.lengths) }},
		field{"latency_sla_ms", f.scaled(&f.latency, time.Millisecond)},
		field{"concurrent_users", whole(&f.decoder, &f.users, 1, maxUsers)},
		field{"test_duration_seconds", f.scaled(&f.sustain, time.Second)},
		field{"arrival", f.arrival},
		field{"phases", f.phases},
		field{"repeats", whole(&f.decoder, &w.Repeats, 1, 1000)},
		field{"seed", whole(&f.decoder, &w.Seed, 0, 1<<53)},
		field{"stream", f.boolean(&w.Stream)},
		field{"mix", f.mixes},
		field{"prefix", f.prefix},
		field{"turns", f.conversations},
		field{"trace", f.traces},
		field{"prompts", f.corpora},
		field{"slo", f.slo},
		field{"max_spend_usd", f.float(&w.MaxSpend, 0, 1e9)},
		field{"stop_at_error_rate", f.share(&w.MaxError)},
		field{"timeout", f.duration(&w.Timeout)},
	)
}

func (f *file) arrival(n ast.Node, path string) {
	a := &f.w.Arrival
	f.object(
		n, path,
		field{"process", f.oneOf(&a.Process, Closed, Constant, Poisson, Gamma, Trace, Rising)},
		field{"rate", f.float(&a.Rate, 0.000001, MaxRate)},
		field{"from", f.float(&a.From, 0, MaxRate)},
		field{"shape", f.float(&a.Shape, 0.01, 1000)},
		field{"concurrency", whole(&f.decoder, &a.Concurrency, 1, maxUsers)},
		field{"think", f.duration(&a.Think)},
		field{"speed", f.float(&a.Speed, 0.001, 1000)},
	)
}

func (f *file) phases(n ast.Node, path string) {
	p := &f.w.Phases
	f.object(
		n, path,
		field{"warmup", f.duration(&p.Warmup)},
		field{"ramp", f.duration(&p.Ramp)},
		field{"sustain", f.duration(&p.Sustain)},
		field{"cooldown", f.duration(&p.Cooldown)},
	)
}

func (f *file) slo(n ast.Node, path string) {
	s := &f.w.SLO
	f.object(
		n, path,
		field{"ttft", f.duration(&s.TTFT)},
		field{"tpot", f.duration(&s.TPOT)},
		field{"e2e", f.duration(&s.E2E)},
	)
}

func (f *file) mixes(n ast.Node, path string) {
	f.list(n, path, maxRows, func(n ast.Node, path string) {
		e := mixEntry{kind: Chat.String(), weight: 1, path: path}
		f.object(
			n, path,
			field{"kind", f.oneOf(&e.kind, Chat.String(), Embeddings.String(), Tools.String(), Structured.String())},
			field{"weight", f.float(&e.weight, 0, 1e6)},
			field{"request_distribution", func(n ast.Node, path string) {
				e.lengths = new(lengths)
				f.distribution(n, path, e.lengths)
			}},
		)
		f.mix = append(f.mix, e)
	})
}

func (f *file) prefix(n ast.Node, path string) {
	p := &f.w.load.Prefix
	f.object(
		n, path,
		field{"tokens", whole(&f.decoder, &p.Tokens, 1, maxTokens)},
		field{"share", f.share(&p.Share)},
		field{"groups", whole(&f.decoder, &p.Groups, 1, 1_000_000)},
		field{"block_tokens", whole(&f.decoder, &p.Block, 1, maxTokens)},
		field{"hit_rate", f.share(&p.Hit)},
	)
}

func (f *file) conversations(n ast.Node, path string) {
	t := &f.w.load.Turns
	f.object(
		n, path,
		field{"mean", f.float(&f.turns.mean, 1, maxTurns)},
		field{"fixed", f.float(&f.turns.fixed, 1, maxTurns)},
		field{"distribution", func(n ast.Node, path string) { f.percentiles(n, path, &f.turns.count, maxTurns) }},
		field{"input_tokens", func(n ast.Node, path string) { f.percentiles(n, path, &t.In, maxTokens) }},
		field{"max_input_tokens", whole(&f.decoder, &t.MaxInput, 1, maxTokens)},
		field{"think", f.duration(&t.Think)},
	)
}

func (f *file) traces(n ast.Node, path string) {
	t := &f.trace
	f.object(
		n, path,
		field{"file", f.text(&t.file)},
		field{"name", f.text(&t.name)},
		field{"format", f.oneOf(&t.format, formatAzure, formatMooncake, formatPlain)},
		field{"speed", f.float(&t.speed, 0.001, 1000)},
		field{"dejitter", f.duration(&t.dejitter)},
		field{"limit", whole(&f.decoder, &t.limit, 1, maxTraceRows)},
		field{"block_tokens", whole(&f.decoder, &t.block, 1, maxTokens)},
	)
}

func (f *file) corpora(n ast.Node, path string) {
	f.object(
		n, path,
		field{"file", f.text(&f.prompts)},
		field{"unique", f.boolean(&f.w.load.Prompt.Unique)},
	)
}

// distribution reads lengths: a list of rows, each with both lengths at a percentile, or a mapping of two distributions.
func (f *file) distribution(n ast.Node, path string, dst *lengths) {
	if _, isList := n.(*ast.SequenceNode); !isList {
		f.object(
			n, path,
			field{"input_tokens", func(n ast.Node, path string) { f.percentiles(n, path, &dst.In, maxTokens) }},
			field{"output_tokens", func(n ast.Node, path string) { f.percentiles(n, path, &dst.Out, maxTokens) }},
		)
		return
	}
	var in, out []knotAt
	f.list(n, path, maxRows, func(n ast.Node, path string) {
		p, i, o := -1.0, 0.0, 0.0
		f.object(
			n, path,
			field{"percentile", func(n ast.Node, path string) {
				if text, ok := f.scalar(n, path); ok {
					p = f.percentile(placeOf(n), path, text)
				}
			}},
			field{"input_tokens", f.float(&i, 1, maxTokens)},
			field{"output_tokens", f.float(&o, 1, maxTokens)},
		)
		if !f.has(path + ".percentile") {
			f.add(placeOf(n), path, "needs percentile")
		}
		if p < 0 {
			return
		}
		if i > 0 {
			in = append(in, knotAt{knot{p, i}, path + ".input_tokens"})
		}
		if o > 0 {
			out = append(out, knotAt{knot{p, o}, path + ".output_tokens"})
		}
	})
	dst.Joint = true
	dst.In, dst.Out = f.table(in), f.table(out)
}

// percentiles reads one distribution: a single number, {fixed: n}, or a mapping from percentiles to numbers.
func (f *file) percentiles(n ast.Node, path string, dst *dist, most float64) {
	if _, isScalar := n.(ast.ScalarNode); isScalar {
		if x, ok := f.value(n, path, 1, most); ok {
			*dst = fixed(x)
		}
		return
	}
	var knots []knotAt
	f.entries(n, path, func(key string, at place, value ast.Node) {
		p := 0.5 // fixed: one percentile stands for all of them
		if key != "fixed" {
			p = f.percentile(at, join(path, key), key)
		}
		if x, ok := f.value(value, join(path, key), 1, most); ok && p >= 0 {
			knots = append(knots, knotAt{knot{p, x}, join(path, key)})
		}
	})
	if len(knots) > 1 && f.has(join(path, "fixed")) {
		f.say(join(path, "fixed"), "cannot stand beside percentiles")
		return
	}
	*dst = f.table(knots)
}

// percentile reads min, max, p50, or 50; it returns it as a share, -1 if it is none.
func (f *file) percentile(at place, path, text string) float64 {
	switch text {
	case "min":
		return 0
	case "max":
		return 1
	}
	digits := strings.TrimPrefix(text, "p")
	x, err := strconv.ParseFloat(digits, 64)
	if err != nil || !number.MatchString(digits) || x < 0 || x > 100 {
		f.add(at, path, "must be min, max, or a percentile between p0 and p100, not %s", quote(text))
		return -1
	}
	return x / 100
}

// knotAt is a knot with its key path.
type knotAt struct {
	knot
	path string
}

// table makes a distribution of knots in any order.
func (f *file) table(knots []knotAt) dist {
	slices.SortStableFunc(knots, func(a, b knotAt) int { return cmp.Compare(a.p, b.p) })
	plain := make([]knot, len(knots))
	for i, k := range knots {
		plain[i] = k.knot
		switch {
		case i == 0:
		case k.p == plain[i-1].p:
			f.say(k.path, "is a second value for this percentile")
			return dist{}
		case k.x < plain[i-1].x:
			f.say(k.path, "is %s at p%s, below the %s at p%s: lengths cannot fall as percentiles rise", plainNumber(k.x), plainNumber(k.p*100),
				plainNumber(plain[i-1].x), plainNumber(plain[i-1].p*100))
			return dist{}
		}
	}
	return newDist(plain)
}
