//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"sluice/bench/caller"
	"sluice/bench/rig"
	"sluice/internal/llm"
)

const (
	providers = 3 // simulators; each is used through two accounts, one in the front's dialect and one in another
	grace     = 500 * time.Millisecond
)

// lab is a gateway between the callers and simulated providers. It is started and stopped by the goroutine that is locked to its thread.
type lab struct {
	gateway *rig.Product
	sims    []*rig.Product
	client  *http.Client
	asks    []ask
	// deadline is that of each call, as its caller says.
	deadline time.Duration
}

// rate is a fault with the share of requests that it strikes.
type rate struct {
	fault string
	share float64
}

// rates are five times those of table F's source, spread over the forms in which each comes, and what else table F has that another attempt can mend.
func rates() []rate {
	return []rate{
		{"silent", 0.04},
		{"slow-first-token;delay=60s", 0.03},
		{"role-delay;delay=60s", 0.03}, // timeouts: 10 %
		{"500", 0.005},
		{"html;status=502", 0.005},
		{"503", 0.005},
		{"504", 0.005}, // 2 %
		{"overloaded", 0.05},
		{"cut;after=random;form=rst", 0.03},
		{"cut;after=random;form=fin", 0.02},
		{"cut;after=random;form=eof", 0.03},
		{"cut;after=random;form=mid", 0.02}, // 10 %
		{"stall;after=random", 0.04},
		{"stall;after=random;every=200ms", 0.01}, // 5 %
		{"malformed;after=random", 0.03},
		{"rate-limit;after=1", 0.005},
		{"429", 0.005},
		{"reset;form=rst", 0.005},
		{"reset;form=fin", 0.005},
		{"stream-error;after=random", 0.005},
		{"stream-error;after=0", 0.005},
		{"no-finish", 0.005},
		{"no-end", 0.005},
		{"empty", 0.005},
	}
}

// simConfig returns a simulator's configuration. The first rule that applies is taken, so each has its share of what those before it leave.
func simConfig(seed int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `seed: 5
any_model: true
record_light: 5000000
models:
  - {name: steady, speed: {overhead: 20ms, step: 15ms}, output: {min: 40, max: 40}, tokens_per_event: 2}
faults:
`)
	left := 1.0
	for _, r := range rates() {
		fmt.Fprintf(&b, "  - {fault: %q, models: [\"s%d-*\"], probability: %.6f}\n", r.fault, seed, r.share/left)
		left -= r.share
	}
	return b.String()
}

// crossing is the dialect of a front's other accounts.
func crossing(d llm.Dialect) llm.Dialect {
	if d == llm.OpenAI {
		return llm.Anthropic
	}
	return llm.OpenAI
}

// gatewayConfig has a model for each front. Its limits are short, so that faults cost seconds.
func (l *lab) gatewayConfig() string {
	var b, models strings.Builder
	b.WriteString(`
timeouts: {connect: 1s, headers: 2s, first_token: 2s, idle: 1s, total: 60s}
retry: {attempts: 12, base: 20ms, max: 500ms, budget: 100%}
log: {level: error}
providers:
`)
	account := func(name, root string, d llm.Dialect) {
		kind, path := "openai, responses: translate", "/v1"
		switch d {
		case llm.Anthropic:
			kind = "anthropic"
		case llm.Gemini:
			kind, path = "gemini", "/v1beta"
		case llm.Responses:
			kind = "openai, responses: native"
		}
		fmt.Fprintf(&b, "  %s: {api: %s, base_url: \"%s%s\", api_key: k}\n", name, kind, root, path)
	}
	for _, f := range caller.Fronts() {
		var targets []string
		for round, d := range []llm.Dialect{f.Dialect, crossing(f.Dialect)} {
			for i, s := range l.sims {
				name := fmt.Sprintf("%s-%d-%d", f.Name, i, round)
				account(name, s.URL(), d)
				targets = append(targets, fmt.Sprintf("%s/s%d-%s", name, i, name))
			}
		}
		fmt.Fprintf(&models, "  soak-%s: {strategy: weighted, targets: [%s]}\n", f.Name, strings.Join(targets, ", "))
	}
	return b.String() + "models:\n" + models.String()
}

func startLab(ctx context.Context, program, dir string) (*lab, error) {
	l := &lab{client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 500}}}
	for i := range providers {
		p, err := rig.StartSim(ctx, program, dir, fmt.Sprintf("sim%d", i), simConfig(i))
		if err != nil {
			l.stop()
			return nil, err
		}
		l.sims = append(l.sims, p)
	}
	var err error
	if l.gateway, err = rig.StartGateway(ctx, program, dir, "gateway", l.gatewayConfig()); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

func (l *lab) stop() {
	l.client.CloseIdleConnections()
	if l.gateway != nil {
		l.gateway.Stop()
	}
	for _, p := range l.sims {
		p.Stop()
	}
}

// ask is something to ask for, with the right answer.
type ask struct {
	kind string
	chat llm.Chat // without model and stream
	want *llm.Answer
}

// prepare makes what the callers ask for, and asks a simulator for the right answers: no rule of it strikes that name.
func (l *lab) prepare(ctx context.Context, seed uint64) ([]ask, error) {
	const schema = `{"type":"object","properties":{"river":{"type":"string"},"gate":{"type":"string"},"level":{"type":"integer"}},"required":["river","gate","level"],"additionalProperties":false}`
	strict := true
	r := rand.New(rand.NewPCG(seed, 1))
	var all []ask
	for i := range 120 {
		a := ask{kind: []string{"short", "short", "long", "tool", "json"}[i%5], chat: llm.Chat{StreamUsage: true, MaxTokens: 4000, Choices: 1}}
		text := fmt.Sprintf("Question %d of %d: what does a sluice do?", i, seed)
		switch a.kind {
		case "short":
			text += fmt.Sprintf(" [[sim:tokens=%d]]", 5+r.IntN(30))
		case "long":
			text += fmt.Sprintf(" [[sim:tokens=%d]]", 100+r.IntN(150))
		case "tool":
			a.chat.Tools = []llm.Function{{Name: "open_gate", Description: "Opens a gate.", Parameters: schema, Strict: &strict}}
			a.chat.ToolChoice = llm.ToolChoice{Mode: llm.ToolsRequired}
		case "json":
			a.chat.Format = llm.Format{Kind: llm.FormatSchema, Name: "gate", Schema: schema, Strict: &strict}
		}
		a.chat.Messages = []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}}
		all = append(all, a)
	}
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { errs[i] = l.answer(ctx, &all[i]) })
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// answer asks for the right answer to a question.
func (l *lab) answer(ctx context.Context, a *ask) error {
	chat := a.chat
	chat.Model = "right"
	front := caller.Fronts()[0]
	rq, err := front.Request(ctx, l.sims[0].URL(), &chat)
	if err != nil {
		return err
	}
	res := front.Call(l.client, rq, false)
	if !res.Complete {
		return fmt.Errorf("ask for a right answer: status %d, %v, %v", res.Status, res.Broken, res.Bad)
	}
	a.want = res.Answer
	return nil
}
