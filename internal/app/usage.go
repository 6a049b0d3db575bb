package app

import (
	"context"
	"fmt"

	"sluice/internal/console"
	"sluice/internal/ledger"
	"sluice/internal/store"
)

// Usage sums up calls of a store for the admin API and for `sluice usage`. more says that there are more groups than a
// store gives at once.
func Usage(ctx context.Context, s *store.Store, q console.UsageQuery) (sums []console.Usage, more bool, err error) {
	by, ok := map[string]store.By{
		"key": store.ByKey, "model": store.ByModel, "target": store.ByTarget, "provider": store.ByProvider,
		"tag": store.ByTag, "none": store.ByNothing,
	}[q.By]
	if !ok {
		return nil, false, fmt.Errorf("sum up calls: there is no group %q", q.By)
	}
	totals, err := s.Totals(ctx, q.From, q.To, by)
	if err != nil {
		return nil, false, err
	}
	for _, t := range totals {
		sums = append(sums, console.Usage{
			Name: t.Name, Calls: t.Calls, Errors: t.Failed, Estimated: t.Estimated, Unpriced: t.Unpriced, CostNanoUSD: t.CostNanoUSD,
			Tokens: console.Tokens{
				Input: t.Input, CachedInput: t.CachedInput, CacheWrite: t.CacheWrite, Output: t.Output, Reasoning: t.Reasoning,
			},
		})
	}
	return sums, len(totals) >= store.MaxTotals, nil
}

func (a *App) usage(ctx context.Context, q console.UsageQuery) ([]console.Usage, bool, error) {
	return Usage(ctx, a.store, q)
}

// calls reads a page of the ledger for the admin API.
func (a *App) calls(ctx context.Context, q console.CallsQuery) ([]ledger.Row, console.Place, error) {
	rows, next, err := a.store.Calls(ctx, store.Filter{
		ID: q.ID, From: q.From, To: q.To, Key: q.Key, Model: q.Model, Target: q.Target, Provider: q.Provider,
		Code: q.Code, Failed: q.Failed, Tag: q.Tag,
	}, store.Cursor(q.After), q.Limit)
	return rows, console.Place(next), err
}
