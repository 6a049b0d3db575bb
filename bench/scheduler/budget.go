//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The section on budgets: clients at the same time, a budget of a dollar, and what a call may cost at most by its estimate.
const (
	budgetClients  = 500
	budgetUSD      = 1.0
	budgetEstimate = 0.0102
	budgetBody     = `{"model":"p/m","max_tokens":100,"messages":[{"role":"user","content":"Say hello."}]}`
	maxWaves       = 60
)

// spending is what came of a budget.
type spending struct {
	mu       sync.Mutex
	Served   int
	Busy     int // refused since calls under way held what was left
	Final    int // refused since the budget is used up
	Odd      int // neither
	Failure  string
	Cost     float64 // of what was served, by the gateway's headers and by what the provider has counted
	Provider float64
}

// budget has 500 clients at once at a budget of a dollar, in waves, until all are told that it is used up; then the gateway is
// started again on the same database.
func budget(ctx context.Context, l *lab) (*Table, error) {
	prices := filepath.Join(l.dir, "budget-prices.json")
	row := `{"models":[{"provider":"p","model":"m","kind":"chat","input_per_mtok":10,"output_per_mtok":100,"as_of":"2026-11-01"}]}`
	if err := os.WriteFile(prices, []byte(row), 0o600); err != nil {
		return nil, fmt.Errorf("write prices: %w", err)
	}
	p, err := l.provide(ctx, "budget", fmt.Sprintf("seed: %d\nmodels:\n  - {name: m, speed: {overhead: 50ms, step: 1ms, jitter: 0.2}, output: {min: 20, max: 90}}\n", l.o.seed))
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	config := fmt.Sprintf("providers:\n  p: {api: openai, base_url: \"http://%s/v1\", api_key: sk-sim, models: [m]}\nprices_file: %s\n"+
		"tiers:\n  dollar: {budget: {usd: %v, per: month}}\nkeys:\n  - {name: bench, key: %s, tier: dollar}\n",
		p.Addr, prices, budgetUSD, benchKey)
	g, err := l.gate(ctx, "budget", config)
	if err != nil {
		return nil, err
	}
	s := &spending{}
	waves := 0
	for begun := time.Now(); waves < maxWaves && ctx.Err() == nil; waves++ {
		before := s.Final
		s.wave(ctx, g.Addr)
		progress("budget: wave %d, %d served in %v", waves+1, s.Served, time.Since(begun).Round(time.Millisecond))
		if s.Final-before == budgetClients {
			break
		}
	}
	g.Stop()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	again := &spending{}
	if g, err = l.gate(ctx, "budget", config); err != nil {
		return nil, err
	}
	again.wave(ctx, g.Addr)
	g.Stop()
	st, err := p.stats()
	if err != nil {
		return nil, err
	}
	s.Provider = float64(st.Usage.Input)*10/1e6 + float64(st.Usage.Output)*100/1e6
	return s.table(again, waves+1), nil
}

// table says what was spent, and holds it against the bars.
func (s *spending) table(again *spending, waves int) *Table {
	t := &Table{
		Title:   fmt.Sprintf("%d clients at once, in waves, at a budget of $%.2f; a call may cost $%.4f at most", budgetClients, budgetUSD, budgetEstimate),
		Columns: []string{"waves", "served", "spent, headers", "spent, provider", "told to come back", "told that it is used up", "served after a restart"},
	}
	t.Row(waves, s.Served, fmt.Sprintf("$%.6f", s.Cost), fmt.Sprintf("$%.6f", s.Provider), s.Busy, s.Final, again.Served)
	if s.Failure != "" {
		t.Note("an answer that was neither: %s", s.Failure)
	}
	t.AtMost("spent by the provider's count, $", "%.6f", s.Provider, budgetUSD)
	t.AtLeast("spent, $", "%.6f", s.Provider, budgetUSD-budgetEstimate)
	t.AtMost("answers neither served nor refused with a clear error", "%.0f", float64(s.Odd+again.Odd), 0)
	t.AtMost("served after a restart", "%.0f", float64(again.Served), 0)
	return t
}

// wave has all clients make a call at once.
func (s *spending) wave(ctx context.Context, addr string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: budgetClients}, Timeout: 2 * time.Minute}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	for range budgetClients {
		group.Go(func() { s.call(ctx, client, addr) })
	}
	group.Wait()
}

// call makes one call and counts what came of it.
func (s *spending) call(ctx context.Context, client *http.Client, addr string) {
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/chat/completions", strings.NewReader(budgetBody))
	if err != nil {
		s.odd(err.Error())
		return
	}
	rq.Header.Set("Authorization", "Bearer "+benchKey)
	rq.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(rq)
	if err != nil {
		s.odd(err.Error())
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	clear := strings.Contains(string(body), `"code":"key_budget_exceeded"`) && strings.Contains(string(body), "`budget` of tier dollar")
	cost, _ := strconv.ParseFloat(resp.Header.Get("X-Sluice-Cost-Usd"), 64) // none counts as nothing: the provider's count is the bar
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && resp.StatusCode == http.StatusOK:
		s.Served++
		s.Cost += cost
	case resp.StatusCode == http.StatusTooManyRequests && clear && resp.Header.Get("X-Should-Retry") == "false":
		s.Final++
	case resp.StatusCode == http.StatusTooManyRequests && clear && resp.Header.Get("Retry-After") != "":
		s.Busy++
	default:
		s.Odd++
		s.Failure = fmt.Sprintf("%d %.300s %v", resp.StatusCode, body, err)
	}
}

func (s *spending) odd(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Odd++
	s.Failure = what
}
