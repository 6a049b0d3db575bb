//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/bench/caller"
	"sluice/bench/rig"
	"sluice/internal/llm"
	"sluice/internal/sim"
)

// lab is a gateway between this program and two simulated providers, all of them processes. It is started and stopped by the goroutine that
// is locked to its thread (rig.Start); cells run in goroutines of their own.
type lab struct {
	gateway, first, second *rig.Product
	strict                 *rig.Product            // as the second, with a model that refuses to go on with its own words
	down                   map[string]*rig.Product // simulators that are down for a while, by the form of it
	client                 *http.Client
	outage                 time.Duration // how long they are
	epoch                  time.Time     // start of their schedules
	scale                  time.Duration // factor of the gateway's limits
	still                  stillness
}

const (
	patience = 30 * time.Second // for one call; what takes longer hangs
	// agent begins the User-Agent, the one header that reaches a target whatever it speaks. The cell's id follows.
	agent = "conformance/"
)

// startLab starts the processes for a set of cells.
func startLab(ctx context.Context, program, dir string, cells []*cell, outage, scale time.Duration) (*lab, error) {
	l := &lab{outage: outage, scale: scale, down: map[string]*rig.Product{}, client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}}
	if err := l.start(ctx, program, dir, cells); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

func (l *lab) start(ctx context.Context, program, dir string, cells []*cell) (err error) {
	if l.first, err = rig.StartSim(ctx, program, dir, "first", simConfig(cells, true)); err != nil {
		return err
	}
	if l.second, err = rig.StartSim(ctx, program, dir, "second", simConfig(cells, false)); err != nil {
		return err
	}
	if l.strict, err = rig.StartSim(ctx, program, dir, "strict", strings.Replace(models, "max: 60}}", "max: 60}, rejects: [prefill]}", 1)); err != nil {
		return err
	}
	for _, c := range cells {
		if c.outage == "" || l.down[c.outage] != nil {
			continue
		}
		if l.down[c.outage], err = rig.StartSim(ctx, program, dir, "down-"+c.outage, models); err != nil {
			delete(l.down, c.outage)
			return err
		}
	}
	prices := filepath.Join(dir, "prices.json")
	if err := rig.SaveAs(prices, priceTable(cells)); err != nil {
		return err
	}
	if l.gateway, err = rig.StartGateway(ctx, program, dir, "gateway", "prices_file: "+prices+"\n"+l.gatewayConfig(cells)); err != nil {
		return err
	}
	l.epoch = time.Now()
	for form, p := range l.down { // not by their configuration: all other processes must be there before they go
		rule := map[string]string{"fault": "down;form=" + form, "from": outageFrom.String(), "for": l.outage.String()}
		if err := l.post(ctx, p.URL()+"/sim/schedule/start", nil); err != nil {
			return err
		}
		if err := l.post(ctx, p.URL()+"/sim/faults", []map[string]string{rule}); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) stop() {
	l.client.CloseIdleConnections()
	for _, p := range append([]*rig.Product{l.gateway, l.first, l.second, l.strict}, slices.Collect(maps.Values(l.down))...) {
		if p != nil {
			p.Stop()
		}
	}
}

// models are the settings of all simulators. Any name is the same model, so that the same prompt gets the same text under each of them, at each
// simulator.
const models = `seed: 5
any_model: true
record: 20000
models:
  - {name: steady, speed: {overhead: 5ms, step: 3ms}, output: {min: 60, max: 60}}
  - {name: embed, kind: embedding}
`

// firstOf and secondOf return the simulators of a cell's targets.
func (l *lab) firstOf(c *cell) *rig.Product {
	if c.outage != "" {
		return l.down[c.outage]
	}
	return l.first
}

func (l *lab) secondOf(c *cell) *rig.Product {
	if c.strict {
		return l.strict
	}
	return l.second
}

// simConfig returns a simulator's configuration.
func simConfig(cells []*cell, first bool) string {
	var b strings.Builder
	b.WriteString(models + "faults:\n")
	known := map[string]bool{}
	for _, c := range cells {
		fault := c.a
		if !first {
			fault = c.b
		}
		if fault != "" && !known[c.glob] {
			fmt.Fprintf(&b, "  - {fault: %q, models: [%q]}\n", fault, c.glob)
		}
		known[c.glob] = true
	}
	return b.String()
}

// gatewayConfig gives each cell accounts of its own, so that neither breakers nor budgets of one are those of another.
func (l *lab) gatewayConfig(cells []*cell) string {
	var b, names strings.Builder
	b.WriteString(settings(l.scale))
	b.WriteString("providers:\n")
	account := func(name, root string, d llm.Dialect) {
		switch d {
		case llm.Anthropic:
			fmt.Fprintf(&b, "  %s: {api: anthropic, base_url: \"%s/v1\", api_key: k}\n", name, root)
		case llm.Gemini:
			fmt.Fprintf(&b, "  %s: {api: gemini, base_url: \"%s/v1beta\", api_key: k}\n", name, root)
		case llm.Responses:
			fmt.Fprintf(&b, "  %s: {api: openai, responses: native, base_url: \"%s/v1\", api_key: k}\n", name, root)
		default:
			fmt.Fprintf(&b, "  %s: {api: openai, responses: translate, base_url: \"%s/v1\", api_key: k}\n", name, root)
		}
	}
	for _, c := range cells {
		account(c.id+"-1", l.firstOf(c).URL(), c.target)
		targets := c.id + "-1/" + c.id
		if !c.one {
			account(c.id+"-2", l.secondOf(c).URL(), c.other)
			targets += ", " + c.id + "-2/" + c.id + "b"
		}
		set := c.set
		if set != "" {
			set = ", " + set
		}
		fmt.Fprintf(&names, "  %s: {targets: [%s]%s}\n", c.id, targets, set)
	}
	// Right answers of translated calls come the same way.
	for _, f := range caller.Fronts() {
		account("right-"+f.Name, l.second.URL(), f.Dialect)
		fmt.Fprintf(&names, "  right-%s: {targets: [right-%s/right]}\n", f.Name, f.Name)
	}
	return b.String() + "models:\n" + names.String()
}

// priceRow is a row of a gateway's price table, which says how large a model's window is.
type priceRow struct {
	Provider string  `json:"provider"`
	Model    string  `json:"model"`
	Input    float64 `json:"input_per_mtok"`
	Output   float64 `json:"output_per_mtok"`
	Window   int     `json:"context_window"`
}

// priceTable tells the gateway the windows that scenarios want known.
func priceTable(cells []*cell) map[string][]priceRow {
	rows := []priceRow{}
	for _, c := range cells {
		if c.windows[0] > 0 {
			rows = append(rows, priceRow{c.id + "-1", c.id, 1, 1, c.windows[0]}, priceRow{c.id + "-2", c.id + "b", 1, 1, c.windows[1]})
		}
	}
	return map[string][]priceRow{"models": rows}
}

// played is what came of a cell.
type played struct {
	cell *cell
	res  *caller.Result // of the call that counts
	ref  *llm.Answer    // what is right
	err  error          // why the cell could not be run

	seenA, seenB []sim.RequestRecord // requests that the targets saw, in order
	// Of scenarios that are more than one call.
	fails     []string
	graded    string // a grade other than pass and fail
	wall, gap time.Duration
	look      func(j *judging) // has a look at what the targets saw; may be nil
	note      string
	stood     time.Duration // longest time that the machine stood still meanwhile
}

// failed notes what is wrong, up to a few things.
func (p *played) failed(format string, args ...any) {
	if len(p.fails) < 5 {
		p.fails = append(p.fails, fmt.Sprintf(format, args...))
	}
}

// play runs one cell.
func (l *lab) play(ctx context.Context, c *cell) *played {
	if c.scenario.play != nil {
		return c.scenario.play(ctx, l, c)
	}
	p := &played{cell: c}
	if p.ref, p.err = l.ask(ctx, c); p.err != nil {
		return p
	}
	p.res, p.err = l.call(ctx, c)
	return p
}

// call makes the cell's call.
func (l *lab) call(ctx context.Context, c *cell) (*caller.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := c.front.Request(ctx, l.gateway.URL(), c.chat(c.id, c.stream))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", agent+c.id)
	if c.header[0] != "" {
		r.Header.Set(c.header[0], c.header[1])
	}
	return c.front.Call(l.client, r, c.stream), nil
}

// ask asks for the right answer to the cell's question, without any fault: the second simulator directly where the target speaks the client's
// dialect, else by way of the gateway, since what a translation cannot express may change the answer.
func (l *lab) ask(ctx context.Context, c *cell) (*llm.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	root, name := l.second.URL(), "right"
	if c.target != c.front.Dialect {
		root, name = l.gateway.URL(), "right-"+c.target.String()
	}
	r, err := c.front.Request(ctx, root, c.chat(name, false))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", agent+"right")
	res := c.front.Call(l.client, r, false)
	if res.Answer == nil || !res.Complete {
		return nil, fmt.Errorf("ask for the right answer: status %d, %v, %v, %.300s", res.Status, res.Broken, res.Bad, res.Body)
	}
	return res.Answer, nil
}

// run runs cells, some of them at a time, and then reads what the targets have seen.
func (l *lab) run(ctx context.Context, cells []*cell, workers int, tell func(done int)) ([]*played, error) {
	all := make([]*played, len(cells))
	var wg sync.WaitGroup
	next := make(chan int) // sent and closed below, received by the workers
	var mu sync.Mutex
	done := 0
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var watch sync.WaitGroup
	watch.Go(func() { l.still.watch(watching) })
	play := func(i int) {
		begin := time.Now()
		all[i] = l.play(ctx, cells[i])
		all[i].stood = l.still.within(begin, time.Now())
		mu.Lock()
		defer mu.Unlock()
		done++
		tell(done)
	}
	for i, c := range cells {
		if c.outage != "" {
			wg.Go(func() { play(i) }) // they keep to a schedule that has begun
		}
	}
	for range workers {
		wg.Go(func() {
			for i := range next {
				play(i)
			}
		})
	}
	for i, c := range cells {
		if c.outage == "" {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	stop()
	watch.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return all, l.collect(ctx, all)
}

// collect gives each cell the requests that its targets saw. It waits until these have ended, since a simulator may see the end of a request after
// the gateway does.
func (l *lab) collect(ctx context.Context, all []*played) error {
	seen := map[*rig.Product]map[string][]sim.RequestRecord{}
	for _, p := range append([]*rig.Product{l.first, l.second, l.strict}, slices.Collect(maps.Values(l.down))...) {
		if err := settle(ctx, p); err != nil {
			return err
		}
		list, err := requests(p)
		if err != nil {
			return err
		}
		seen[p] = map[string][]sim.RequestRecord{}
		for i := range list {
			id := strings.TrimPrefix(list[i].Header.Get("User-Agent"), agent)
			seen[p][id] = append(seen[p][id], list[i])
		}
	}
	for _, p := range all {
		p.seenA, p.seenB = seen[l.firstOf(p.cell)][p.cell.id], seen[l.secondOf(p.cell)][p.cell.id]
	}
	return nil
}

// settle waits until a simulator has no request under way.
func settle(ctx context.Context, p *rig.Product) error {
	for end := time.Now().Add(5 * time.Second); ; {
		var st sim.Stats
		if err := rig.Get(p.Addr, "/sim/stats", &st); err != nil {
			return err
		}
		if st.Open == 0 || time.Now().After(end) {
			return nil // what is still open is judged by its record
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// requests returns the records of a simulator, without bodies, in the order of arrival.
func requests(p *rig.Product) ([]sim.RequestRecord, error) {
	var all []sim.RequestRecord
	if err := rig.Get(p.Addr, "/sim/requests?bodies=false", &all); err != nil {
		return nil, fmt.Errorf("read records of the simulator: %w", err)
	}
	slices.SortFunc(all, func(a, b sim.RequestRecord) int { return a.Start.Compare(b.Start) })
	return all, nil
}

// post sends JSON to a simulator.
func (l *lab) post(ctx context.Context, url string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := l.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("post %s: status %d: %.200s", url, resp.StatusCode, b)
	}
	return err
}
