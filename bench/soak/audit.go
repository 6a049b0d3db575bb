//go:build linux

package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sluice/bench/rig"
	"sluice/internal/sim"
)

// row is what is read of a row of the gateway's ledger.
type row struct {
	ID       string `json:"id"`
	Attempts int    `json:"attempts"`
	Tokens   tokens `json:"tokens"`
	// Estimated says that the tokens are not all of the providers' own counting.
	Estimated bool `json:"tokens_estimated"`
}

type tokens struct {
	Input  int64 `json:"input"`
	Output int64 `json:"output"`
}

// told is what the simulators say of one call.
type told struct {
	tokens
	faults []string // of each of its requests
}

// audited is the ledger beside the simulators' books.
//
// Calls with an error inside a stream are left out: an error in the place of an answer costs nothing, by the gateway's rule, while the simulator
// bills the stream that began, and the tokens of a tool call of which the error kept it from sending anything.
//
// Calls whose every attempt was counted by the simulator that answered it must have the same tokens in both, to the last one. An attempt
// that broke reports nothing: the gateway estimates it, from the size of the request and of the text that came. The output of such calls must
// agree in sum within tolerance; their input is only reported, since a provider that takes a request and never answers bills nothing for
// it here, while the ledger counts the request that was sent.
type audited struct {
	LeftOut           int    // calls with an error inside a stream
	Rows, Missing     int    // rows of the ledger; calls without one
	Exact, Differ     int    // calls that no provider left to estimates, and of these those whose tokens differ
	Ledger, Billed    tokens // of the exact ones
	Estimated         int    // calls with estimates
	LedgerEst, SimEst tokens // of these
	Attempts          int    // by the ledger
	Requests          int    // at the simulators
	Examples          []string
}

// tolerance is the share by which estimated output may differ in sum: the estimate is by bytes, the simulator's tokens are words of its own.
const tolerance = 0.35

// audit reads both books and compares them.
func (l *lab) audit(ctx context.Context, calls []call, rec *record) error {
	rows, err := l.ledger(ctx)
	if err != nil {
		return err
	}
	billed := map[string]*told{}
	a := &rec.Audit
	for _, p := range l.sims {
		after := uint64(0)
		for {
			var page []sim.RequestRecord
			if err := rig.Get(p.Addr, fmt.Sprintf("/sim/requests?bodies=false&limit=20000&after=%d", after), &page); err != nil {
				return fmt.Errorf("read books of a simulator: %w", err)
			}
			last := after
			for i := range page {
				r := &page[i]
				last = max(last, r.Seq)
				if r.Seq == 0 || r.Call == "" {
					continue
				}
				t := billed[r.Call]
				if t == nil {
					t = &told{}
					billed[r.Call] = t
				}
				a.Requests++
				t.add(tokens{r.Usage.Input, r.Usage.Output})
				t.faults = append(t.faults, strings.Join(r.Faults, "+"))
			}
			if last == after {
				break
			}
			after = last
		}
	}
	a.Rows = len(rows)
	for i := range calls {
		r, ok := rows[calls[i].ID]
		if !ok {
			a.Missing++
			continue
		}
		b := billed[calls[i].Trace]
		if b == nil {
			b = &told{}
		}
		a.add(&calls[i], &r, b)
	}
	return nil
}

// add compares one call.
func (a *audited) add(c *call, r *row, billed *told) {
	a.Attempts += r.Attempts
	if slices.ContainsFunc(billed.faults, func(f string) bool { return strings.Contains(f, "stream-error") }) {
		a.LeftOut++
		return
	}
	if r.Estimated {
		a.Estimated++
		a.LedgerEst.add(r.Tokens)
		a.SimEst.add(billed.tokens)
		return
	}
	a.Exact++
	a.Ledger.add(r.Tokens)
	a.Billed.add(billed.tokens)
	if r.Tokens != billed.tokens {
		if a.Differ++; len(a.Examples) < 5 {
			a.Examples = append(a.Examples, fmt.Sprintf("%s (%s, %s, stream %v, %d attempts, faults %q): ledger %v, simulators %v",
				c.ID, c.Front, c.Kind, c.Stream, r.Attempts, billed.faults, r.Tokens, billed.tokens))
		}
	}
}

func (t *tokens) add(u tokens) {
	t.Input += u.Input
	t.Output += u.Output
}

// ledger reads all rows of the gateway's ledger, by their ids.
func (l *lab) ledger(ctx context.Context) (map[string]row, error) {
	rows := map[string]row{}
	cursor := ""
	for ctx.Err() == nil {
		var page struct {
			Calls []row  `json:"calls"`
			Next  string `json:"next"`
		}
		if err := rig.Get(l.gateway.Addr, "/admin/v1/calls?limit="+strconv.Itoa(1000)+cursor, &page); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		for _, r := range page.Calls {
			rows[r.ID] = r
		}
		if page.Next == "" {
			return rows, nil
		}
		cursor = "&cursor=" + url.QueryEscape(page.Next)
	}
	return nil, context.Cause(ctx)
}
