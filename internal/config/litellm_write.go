package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"sluice/internal/upstream"
)

const (
	maxTargets   = 64 // of a model; more would be fallbacks of fallbacks that nobody meant
	maxFallbacks = 5  // models that fallbacks are followed through, as LiteLLM does
)

// target is one target of a model of the result.
type target struct {
	name   string
	weight int
}

// write writes the result.
func (im *importer) write(source string) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by `sluice config import` from %s. Its report names what is changed or missing.", commentText(source))
	line("# Every key is described in docs/CONFIGURATION.md; `sluice config check` finds mistakes.\n")
	if im.clientKey == "" {
		line("# This machine only: any other address needs keys. LiteLLM's port, so that clients find it.")
	} else {
		line("# Where LiteLLM listens unless its command line says otherwise.")
	}
	line("listen: %s", im.listen)
	if im.adminKey != "" {
		line("admin_key: %s", quoteYAML(im.adminKey))
	}
	if im.logLevel != "" || im.logFormat != "" {
		line("log:")
		optional(line, "  level: %s", im.logLevel)
		optional(line, "  format: %s", im.logFormat)
	}
	optional(line, "parameters: %s", im.parameters)
	im.writeTimes(line, "", im.timeout, im.streamTimeout, usualAttempts(im.attempts))
	if im.attempts > 0 {
		line("\nretry:\n  attempts: %d", im.attempts)
	}
	if len(im.accounts) > 0 {
		line("\nproviders:")
		for _, a := range im.accounts {
			im.writeAccount(line, a)
		}
	} else {
		line("\n# No provider could be taken over: they come from the environment, or one is simulated.")
	}
	im.writeModels(line)
	if im.clientKey != "" {
		line("\nkeys:\n  - name: master # LiteLLM's master key; keys of their own keep clients apart\n    key: %s", quoteYAML(im.clientKey))
	}
	return []byte(b.String())
}

type lineFunc func(format string, args ...any)

func optional(line lineFunc, format, text string) {
	if text != "" {
		line(format, text)
	}
}

// commentText is a text that cannot end a comment.
func commentText(s string) string {
	if q := quoted(s); q != "" {
		return s
	}
	return "a LiteLLM configuration"
}

// writeTimes writes time limits. A limit for each attempt needs room for all attempts.
func (im *importer) writeTimes(line lineFunc, indent string, attempt, stream seconds, attempts int) {
	if attempt.from == nil && stream.from == nil {
		return
	}
	if indent == "" {
		line("")
	}
	line(indent + "timeouts:")
	if attempt.from != nil {
		line(indent+"  headers: %s", formatDuration(attempt.Duration))
	}
	if stream.from != nil {
		line(indent+"  first_token: %s", formatDuration(stream.Duration))
	}
	if total := attempt.Duration * time.Duration(attempts); total > 10*time.Minute {
		line(indent+"  total: %s # room for %s", formatDuration(total), plural(attempts, "attempt"))
	}
}

func (im *importer) writeAccount(line lineFunc, a *account) {
	line("  %s:", quoteYAML(a.name))
	line("    api: %s", a.api)
	for _, x := range append([]header{{"base_url", a.baseURL}, {"api_key", a.apiKey}, {"organization", a.org}, {"region", a.region}}, a.settings...) {
		if x.value != "" {
			line("    %s: %s", x.name, quoteYAML(x.value))
		}
	}
	for i, h := range a.headers {
		if i == 0 {
			line("    headers:")
		}
		line("      %s: %s", quoteYAML(h.name), quoteYAML(h.value))
	}
	for i, p := range a.patterns {
		if i == 0 {
			line("    models:")
		}
		line("      - %s", quoteYAML(p))
	}
	for i, q := range im.quotas(a) {
		if i == 0 {
			line("    quotas:")
		}
		line("      - models: [%s]", "'"+strings.ReplaceAll(q.Models[0], "'", "''")+"'")
		for _, x := range []struct {
			key   string
			value int64
		}{{"concurrency", int64(q.Concurrency)}, {"rpm", q.RPM}, {"tpm", q.TPM}} {
			if x.value > 0 {
				line("        %s: %d", x.key, x.value)
			}
		}
	}
}

// quotas are the limits of each model of an account. Deployments that have become one target share the sum of theirs; one without a
// limit leaves the target without.
func (im *importer) quotas(a *account) []upstream.Quota {
	var out []upstream.Quota
	for _, d := range a.targets {
		if slices.ContainsFunc(out, func(q upstream.Quota) bool { return q.Models[0] == d.model }) {
			continue
		}
		sum := func(of func(*deployment) float64) int64 {
			total := 0.0
			for _, e := range a.targets {
				if e.model != d.model {
					continue
				}
				x := of(e)
				if x < 1 || x > maxRate {
					return 0
				}
				total += x
			}
			return int64(min(total, maxRate))
		}
		out = append(out, upstream.Quota{
			Models:      []string{d.model},
			Concurrency: int(sum(func(d *deployment) float64 { return float64(d.maxParallel) })),
			RPM:         sum(func(d *deployment) float64 { return orZero(d.rpm) }),
			TPM:         sum(func(d *deployment) float64 { return orZero(d.tpm) }),
		})
	}
	return slices.DeleteFunc(out, func(q upstream.Quota) bool { return q.Concurrency == 0 && q.RPM == 0 && q.TPM == 0 })
}

func orZero(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}

func (im *importer) writeModels(line lineFunc) {
	begun := false
	write := func(name, comment string, g *group) {
		targets := im.targets(g)
		if len(targets) == 0 {
			return
		}
		if !begun {
			line("\nmodels:")
			begun = true
		}
		line("  %s:%s", quoteYAML(strings.ReplaceAll(name, "${", "$${")), comment)
		im.writeTargets(line, targets)
		im.writeLimits(line, g, len(targets)-drawn(targets))
		im.written++
	}
	for _, g := range im.groups {
		write(g.name, "", g)
	}
	for _, a := range im.aliases {
		write(a.name, " # the same as "+commentName(a.group), im.byGroup[a.group])
	}
}

func commentName(s string) string {
	if q := quoted(s); q != "" {
		return q
	}
	return "another model"
}

// drawn is how many targets a call may begin with; the others are for failover.
func drawn(targets []target) int {
	n := 0
	for _, t := range targets {
		if t.weight > 0 {
			n++
		}
	}
	return n
}

func (im *importer) writeTargets(line lineFunc, targets []target) {
	n := drawn(targets)
	weighted := n > 1 || n == 1 && targets[0].weight == 0
	if weighted {
		line("    strategy: weighted")
	}
	line("    targets:")
	for _, t := range targets {
		if weighted {
			line("      - target: %s\n        weight: %d", quoteYAML(t.name), t.weight)
		} else {
			line("      - %s", quoteYAML(t.name))
		}
	}
}

// writeLimits writes the limits that the deployments of a model have of their own. fallbacks are the targets that a call
// does not begin with: its attempts must reach those.
func (im *importer) writeLimits(line lineFunc, g *group, fallbacks int) {
	var timeout, stream seconds
	attempts := im.attempts
	longest := func(to *seconds, s seconds, note string) {
		if s.from == nil {
			return
		}
		im.changed(s.from, note)
		if to.from != nil && to.Duration != s.Duration {
			im.changed(s.from, "the targets of a model share one time limit: the longest holds")
		}
		if to.from == nil || s.Duration > to.Duration {
			*to = s
		}
	}
	for _, d := range g.deployments {
		longest(&timeout, d.timeout, timeoutNote)
		longest(&stream, d.streamTimeout, streamNote)
		if d.retries != nil {
			attempts = max(attempts, int(min(*d.retries, 98))+1)
		}
	}
	usual := usualAttempts(im.attempts)
	attempts = min(max(attempts, usual)+fallbacks, 100)
	if timeout.from != nil || stream.from != nil || im.timeout.from != nil && attempts > usual {
		if timeout.from == nil {
			timeout = im.timeout
		}
		if stream.from == nil {
			stream = im.streamTimeout
		}
		im.writeTimes(line, "    ", timeout, stream, attempts)
	}
	if attempts != usual {
		line("    retry:\n      attempts: %d", attempts)
	}
}

// usualAttempts is how often a call is tried where the source says nothing: the same in LiteLLM and here.
func usualAttempts(set int) int {
	if set == 0 {
		return 3
	}
	return set
}

// changed adds a finding of something that is in the result.
func (im *importer) changed(n *sourceNode, message string) { im.at(n, Changed, message) }

// targets lists the targets of a group: its own, then those of its fallbacks.
func (im *importer) targets(g *group) []target {
	targets := im.own(g)
	im.follow(g, &targets, map[string]bool{g.name: true}, maxFallbacks)
	return targets
}

// follow adds the targets of a group's fallbacks, depth first: that is the order in which LiteLLM comes to them.
func (im *importer) follow(g *group, to *[]target, seen map[string]bool, depth int) {
	names, ok := im.fallbacks[g.name]
	if !ok {
		names = im.defaultFallbacks
	}
	if depth == 0 {
		return
	}
	for _, name := range names {
		if seen[name] || len(*to) >= maxTargets {
			continue
		}
		seen[name] = true
		next := im.byGroup[name]
		if next == nil {
			*to = add(*to, target{name: im.byID[name].target()})
			continue
		}
		for _, t := range im.own(next) {
			*to = add(*to, target{name: t.name})
		}
		im.follow(next, to, seen, depth-1)
	}
}

// add appends a target unless it is there.
func add(to []target, t target) []target {
	if len(to) >= maxTargets || slices.ContainsFunc(to, func(x target) bool { return x.name == t.name }) {
		return to
	}
	return append(to, t)
}

// own lists the targets of a group's deployments. Those of the lowest order are drawn by weight, the others follow in
// their order.
func (im *importer) own(g *group) []target {
	ds := slices.Clone(g.deployments)
	order := func(d *deployment) float64 {
		if d.order == nil {
			return math.Inf(1)
		}
		return *d.order
	}
	slices.SortStableFunc(ds, func(a, b *deployment) int {
		switch {
		case order(a) < order(b):
			return -1
		case order(a) > order(b):
			return 1
		}
		return 0
	})
	weights := weigh(ds)
	var out []target
	for i, d := range ds {
		t := target{d.target(), weights[i]}
		if order(d) > order(ds[0]) {
			t.weight = 0
			if d.orderFrom != nil {
				im.changed(d.orderFrom, "targets of a higher order are tried one after the other, when those before have failed")
			}
		}
		j := slices.IndexFunc(out, func(x target) bool { return x.name == t.name })
		if j >= 0 {
			out[j].weight = min(out[j].weight+t.weight, 1e6)
			continue
		}
		out = append(out, t)
	}
	if len(out) > maxTargets {
		im.find(g.pos, g.path, NotTaken, fmt.Sprintf("only the first %d targets of the model are taken over", maxTargets))
		out = out[:maxTargets]
	}
	if !slices.ContainsFunc(out, func(t target) bool { return t.weight > 0 }) && len(out) > 0 {
		out[0].weight = 1
	}
	return out
}

// weigh gives each deployment a whole weight: by weight, else by rpm, else by tpm, as LiteLLM's shuffle does, else alike.
func weigh(ds []*deployment) []int {
	pick := []func(*deployment) *float64{
		func(d *deployment) *float64 { return d.weight },
		func(d *deployment) *float64 { return d.rpm },
		func(d *deployment) *float64 { return d.tpm },
	}
	out := make([]int, len(ds))
	for _, by := range pick {
		top, whole := 0.0, true
		for _, d := range ds {
			if x := by(d); x != nil {
				top, whole = max(top, *x), whole && *x == math.Trunc(*x)
			}
		}
		if top == 0 {
			continue
		}
		scale := 1.0
		if !whole || top > 1e6 {
			scale = 1000 / top // three digits are as exact as a share of random draws needs to be
		}
		for i, d := range ds {
			if x := by(d); x != nil && *x > 0 {
				out[i] = max(int(math.Round(*x*scale)), 1)
			}
		}
		return reduce(out)
	}
	for i := range out {
		out[i] = 1
	}
	return out
}

// reduce divides weights by what they have in common.
func reduce(w []int) []int {
	g := 0
	for _, x := range w {
		for y := x; y != 0; {
			g, y = y, g%y
		}
	}
	for i := range w {
		w[i] /= max(g, 1)
	}
	return w
}
